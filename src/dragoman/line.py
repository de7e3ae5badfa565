"""What an upstream is spoken to through: a real origin, or one that is recorded or played back."""

import asyncio
from typing import Any, Protocol


class Wire(Protocol):
    """One exchange of a request and its answer (`connection.Connection` is the real one)."""

    status: int
    headers: dict[bytes, bytes]
    complete: bool

    def send(self, request: bytes) -> None:
        """Sends a request."""

    async def begun(self) -> None:
        """Waits for the answer's head. Raises Broken or NotHTTP."""

    def taken(self) -> bytes:
        """What has arrived of the body since the last time."""

    async def more(self) -> None:
        """Waits until there is more to take. Raises Broken or NotHTTP."""


class Socket(Protocol):
    """A WebSocket (`websocket.WebSocket` is the real one)."""

    async def send(self, message: str | bytes) -> None:
        """Sends a message. Raises an UpstreamFailure."""

    async def read(self) -> bytes:
        """The next message; empty when the other side has closed as it should. Raises an UpstreamFailure."""
        ...

    async def close(self) -> None:
        """Closes it."""


class Line(Protocol):
    """Where wires come from (`connection.Origin` is the real one)."""

    loop: asyncio.AbstractEventLoop
    target: str
    authority: str

    async def connection(self) -> Wire:
        """A wire that is open. Raises socket.gaierror, Untrusted, TimeoutError or OSError."""
        ...

    def give_back(self, connection: Any) -> None:
        """The exchange on a wire is over."""

    async def close(self) -> None:
        """Closes all wires."""
