"""An upstream for very many calls, which counts what is open and keeps nothing."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

from tests.upstream import Connection


@dataclass(frozen=True, slots=True)
class Asked:
    """What an upstream is asked."""

    prompt: str
    stream: bool
    mapped: bool
    """Whether in words of its own."""


Script = Callable[[Connection, Asked], Awaitable[None]]


@dataclass
class Upstream:
    """Where it listens, and what it has seen so far."""

    script: Script
    port: int = 0
    asked: int = 0
    accepted: int = 0
    open: int = 0
    """Connections that are open now."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serves one connection until either side ends it."""
        self.accepted += 1
        self.open += 1
        try:
            while not writer.transport.is_closing():
                asked = await _read(reader)
                self.asked += 1
                await self.script(Connection(reader, writer), asked)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        except RuntimeError:
            assert writer.transport.is_closing()  # what uvloop raises on writing to what is closed
        finally:
            self.open -= 1
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Asked:
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    size = head.partition(b"content-length:")[2].partition(b"\r\n")[0]
    body: dict[str, Any] = json.loads(await reader.readexactly(int(size)))
    mapped = "q" in body
    return Asked(body["q"] if mapped else body["messages"][-1]["content"], bool(body.get("stream")), mapped)


@asynccontextmanager
async def listening(script: Script) -> AsyncIterator[Upstream]:
    """An upstream on a free port."""
    upstream = Upstream(script)
    serving: set[asyncio.Task[None]] = set()

    def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.ensure_future(upstream.serve(reader, writer))
        serving.add(task)
        task.add_done_callback(serving.discard)

    server = await asyncio.start_server(connected, "127.0.0.1", 0, backlog=1024)
    upstream.port = server.sockets[0].getsockname()[1]
    try:
        yield upstream
    finally:
        server.close()
        for task in list(serving):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await asyncio.gather(*serving)


@asynccontextmanager
async def refusing() -> AsyncIterator[str]:
    """A URL where nobody listens; its port is kept, so that nobody else comes to listen there."""
    with socket.socket() as kept:
        kept.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{kept.getsockname()[1]}"
