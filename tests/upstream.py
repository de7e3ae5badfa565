"""A local upstream that answers byte for byte as a test tells it to."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Received:
    """A request as it arrived."""

    head: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Connection:
    """One connection to the upstream; `closed` is set when the other side has closed it."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    closed: asyncio.Event = field(default_factory=asyncio.Event)

    async def send(self, *pieces: bytes, pause: float = 0.0) -> None:
        """Writes each piece by itself, with a pause before each but the first."""
        for number, piece in enumerate(pieces):
            if number and pause:
                await asyncio.sleep(pause)
            self.writer.write(piece)
            await self.writer.drain()

    def reset(self) -> None:
        """Closes with a TCP reset."""
        import socket
        import struct

        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def gone(self) -> None:
        """Waits until the other side closes."""
        with suppress(ConnectionError):
            while await self.reader.read(65536):
                pass
        self.closed.set()


Script = Callable[[Connection, Received], Awaitable[None]]


@dataclass
class Upstream:
    """Where it listens, what it was asked, and what it answers: `upstream.script = …`."""

    port: int = 0
    script: Script | None = None
    requests: list[Received] = field(default_factory=list)
    connections: list[Connection] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def open(self) -> int:
        """Connections that are open now."""
        return sum(not connection.writer.transport.is_closing() for connection in self.connections)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Connection(reader, writer)
        self.connections.append(connection)
        try:
            while (received := await _read(reader)) is not None:
                self.requests.append(received)
                assert self.script is not None, "the test set no script"
                await self.script(connection, received)
                if writer.transport.is_closing():
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            connection.closed.set()
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Received | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    lines = head.split("\r\n")
    headers: dict[str, str] = {}
    for name, _, value in (line.partition(":") for line in lines[1:] if line):
        headers[name.lower()] = (
            f"{headers[name.lower()]}, {value.strip()}" if name.lower() in headers else value.strip()
        )
    body = await reader.readexactly(int(headers.get("content-length", 0)))
    return Received(lines[0], headers, body)


@asynccontextmanager
async def listening(script: Script | None = None, **options: Any) -> AsyncIterator[Upstream]:
    """An upstream on a free port."""
    upstream = Upstream(script=script)
    server = await asyncio.start_server(upstream.serve, "127.0.0.1", 0, **options)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        for connection in upstream.connections:
            connection.writer.transport.abort()
        server.close()
        await server.wait_closed()


def answer(body: bytes, *headers: str, status: str = "200 OK", type: str = "application/json") -> bytes:
    """A whole HTTP answer with a content-length."""
    lines = [f"HTTP/1.1 {status}", f"Content-Type: {type}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def json_answer(value: Any, *headers: str, status: str = "200 OK") -> bytes:
    return answer(json.dumps(value).encode(), *headers, status=status)


def stream_head(type: str = "text/event-stream") -> bytes:
    """The head of a chunked answer."""
    return f"HTTP/1.1 200 OK\r\nContent-Type: {type}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()


def chunked(*pieces: bytes) -> bytes:
    """Pieces as HTTP chunks."""
    return b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces)


LAST_CHUNK = b"0\r\n\r\n"


def always(*pieces: bytes, pause: float = 0.0) -> Script:
    """A script that writes the same bytes for every request."""

    async def script(connection: Connection, received: Received) -> None:
        await connection.send(*pieces, pause=pause)

    return script


def sse(*values: Any) -> list[bytes]:
    """Server-sent events; a text stands for itself, anything else for its JSON."""
    texts = [value if isinstance(value, str) else json.dumps(value) for value in values]
    return [f"data: {text}\n\n".encode() for text in texts]
