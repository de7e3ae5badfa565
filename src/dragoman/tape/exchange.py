"""What stands in a recording: a request and its answer, piece by piece."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainValidator


def _bytes(value: object) -> bytes:
    if isinstance(value, str):
        return value.encode()
    if isinstance(value, bytes):
        return value
    raise ValueError("must be text or !!binary")


def _body(value: object) -> bytes | list[bytes]:
    return [_bytes(message) for message in value] if isinstance(value, list) else _bytes(value)


Piece = tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], Annotated[bytes, PlainValidator(_bytes)]]
"""Seconds since the piece before (of the first: since the request), and what came."""


class Request(BaseModel):
    """What was asked."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Annotated[str, Field(pattern=r"^[A-Z]+$")]
    target: Annotated[str, Field(pattern=r"^/")]
    """Path and query as they stand in the request line."""
    headers: dict[str, str] = {}
    """By their names in lower case."""
    body: Annotated[bytes | list[bytes], PlainValidator(_body)] = b""
    """Of a WebSocket: the messages that were sent."""

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]


class Answer(BaseModel):
    """What came back."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    status: Annotated[int, Field(ge=100, le=999)]
    """101 is a WebSocket: what came are its `messages`, not a `body`."""
    headers: dict[str, str] = {}
    body: list[Piece] = []
    messages: list[Piece] = []
    whole: bool = True
    """False: it was cut off before its end."""

    @property
    def socket(self) -> bool:
        return self.status == 101

    @property
    def pieces(self) -> list[Piece]:
        return self.messages if self.socket else self.body


class Exchange(BaseModel):
    """A request and its answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request: Request
    answer: Answer


def parsed(request: bytes) -> Request:
    """A request as it goes over HTTP/1.1. Raises ValueError if it is none."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
    return Request(method=method, target=target, headers=headers, body=body)
