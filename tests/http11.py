"""HTTP/1.1 by hand: requests as bytes, and what came back taken apart."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tests.serving import QUESTION

PATH = "/v1/chat/completions"
CLOSE = "Connection: close"


def head(*headers: str, method: str = "POST", path: str = PATH, host: str = "Host: x") -> bytes:
    """The head of a request."""
    return "\r\n".join([f"{method} {path} HTTP/1.1", host, *headers, "", ""]).encode()


def asking(body: Any = QUESTION, *headers: str, **options: Any) -> bytes:
    """A whole request with a content-length."""
    body = body if isinstance(body, bytes) else json.dumps(body).encode()
    return head(f"Content-Length: {len(body)}", *headers, **options) + body


@dataclass
class Answered:
    """An answer; `chunks` are the HTTP chunks of its body, `whole` says that its end came."""

    status: int
    headers: dict[str, str]
    chunks: list[bytes]
    whole: bool = True

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def error(self) -> dict[str, Any]:
        """The error in the envelope, which has four keys and a request id."""
        told = json.loads(self.body)
        assert told.keys() == {"error"}
        assert told["error"].keys() == {"message", "type", "param", "code"}
        assert self.headers["content-type"] == "application/json"
        assert self.headers["x-request-id"]
        return told["error"]

    @property
    def text(self) -> str:
        """What the assistant says."""
        return json.loads(self.body)["choices"][0]["message"]["content"]


def answers(got: bytes, bodiless: bool = False) -> list[Answered]:
    """All answers in what was read from one connection."""
    return list(_answers(got, bodiless))


def _answers(got: bytes, bodiless: bool) -> Iterator[Answered]:
    while got:
        top, separator, got = got.partition(b"\r\n\r\n")
        assert separator, f"an unfinished head: {top!r}"
        first, *lines = top.decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        answered = Answered(int(first.split(" ")[1]), headers, [])
        if headers.get("transfer-encoding") == "chunked":
            got, answered.whole = _chunks(got, answered.chunks)
        elif not bodiless and answered.status >= 200:
            size = int(headers["content-length"])
            answered.chunks, got = [got[:size]], got[size:]
            answered.whole = len(answered.body) == size
        yield answered


def _chunks(got: bytes, chunks: list[bytes]) -> tuple[bytes, bool]:
    while got:
        size, _, got = got.partition(b"\r\n")
        piece, got = got[: int(size, 16)], got[int(size, 16) + 2 :]
        if not piece:
            return got, True
        chunks.append(piece)
    return got, False


async def connected(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = url.removeprefix("http://").rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def exchanged(url: str, *pieces: bytes, pause: float = 0.0, wait: float = 5.0, count: int | None = None) -> bytes:
    """Writes and reads at the same time until the server closes, or so many answers have come.

    Raises TimeoutError if neither happens within `wait` seconds.
    """
    reader, writer = await connected(url)

    async def write() -> None:
        with suppress(ConnectionError):
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)

    writing = asyncio.create_task(write())
    got = b""
    try:
        async with asyncio.timeout(wait):
            with suppress(ConnectionError):
                while piece := await reader.read(65536):
                    got += piece
                    if count and b"\r\n\r\n" in got and sum(answered.whole for answered in answers(got)) == count:
                        break
    finally:
        writing.cancel()
        writer.close()
    return got


async def answer_to(url: str, *pieces: bytes, **options: float) -> Answered:
    """The first answer to what is written."""
    answered = answers(await exchanged(url, *pieces, **options, count=1))
    assert answered, "the connection was closed without an answer"
    return answered[0]
