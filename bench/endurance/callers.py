"""Cheap callers: raw sockets, kept open as long as they are of use."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass

from tests.upstream import Connection


@dataclass(frozen=True, slots=True)
class Heard:
    """What arrived of an answer; `whole` says that its end did."""

    body: bytes
    whole: bool

    @property
    def status(self) -> int:
        return int(self.body[9:12] or 0)


@dataclass(frozen=True, slots=True)
class Leaving:
    """When a caller leaves: after so many seconds, or when so many bytes of the answer have come."""

    seconds: float | None = None
    size: float = float("inf")
    reset: bool = False


STAYING = Leaving()


class Caller:
    """One caller, one call at a time."""

    def __init__(self, url: str) -> None:
        host, _, port = url.removeprefix("http://").rpartition(":")
        self._host, self._port = host, int(port)
        self._connection: Connection | None = None

    async def ask(self, request: bytes, leaving: Leaving = STAYING) -> Heard:
        """Asks, and leaves when it is time to if the answer is not whole by then."""
        got = bytearray()
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(leaving.seconds):
                await self._asked(request, got, leaving.size)
        whole = ended(got)
        if not whole or b"connection: close\r\n" in got:
            self.leave(leaving.reset)
        return Heard(bytes(got), whole)

    async def _asked(self, request: bytes, got: bytearray, size: float) -> None:
        if self._connection is None:
            self._connection = Connection(*await asyncio.open_connection(self._host, self._port))
        self._connection.writer.write(request)
        while not ended(got) and len(got) < size:
            piece = await self._connection.reader.read(65536)
            if not piece:
                return
            got += piece

    def leave(self, reset: bool = False) -> None:
        """Closes the connection, or resets it."""
        if self._connection:
            if reset:
                self._connection.reset()
            self._connection.writer.close()
        self._connection = None


def ended(got: bytes | bytearray) -> bool:
    """Whether an answer is whole."""
    head, separator, body = got.partition(b"\r\n\r\n")
    if not separator:
        return False
    if b"transfer-encoding: chunked" in head:
        return body.endswith(b"0\r\n\r\n")
    return len(body) >= int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0])


def asking(model: str, prompt: str, stream: bool) -> bytes:
    """A request as bytes."""
    messages = [{"role": "user", "content": prompt}]
    body = json.dumps({"model": model, "messages": messages, "stream": stream}).encode()
    head = f"POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def many(count: int, at_once: int, work: Callable[[int], Awaitable[None]]) -> None:
    """Does the work for each number, so many at once."""
    numbers = iter(range(count))

    async def worker() -> None:
        for number in numbers:
            await work(number)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
