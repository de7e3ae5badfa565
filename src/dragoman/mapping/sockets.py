"""WebSockets to a backend: one for each call, closed with it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from urllib.parse import urlsplit

from dragoman.errors import UpstreamBusy, UpstreamUnauthorized
from dragoman.line import Socket
from dragoman.outgoing import Login, Outgoing
from dragoman.reach import Reach, trusting
from dragoman.tape import Tape
from dragoman.websocket import connected


class Sockets:
    """Where WebSockets to one origin come from."""

    def __init__(self, base: str, reach: Reach, login: Login | None, tape: Tape | None) -> None:
        self._base, self._reach, self._login, self._tape = base, reach, login, tape
        self._trust = trusting(reach.tls) if reach.tls else None
        self._host = urlsplit(base).netloc
        self._busy = 0

    async def messages(self, open: AsyncExitStack, asked: Outgoing) -> AsyncIterator[bytes]:
        """Sends the body as a message, and gives those that come. Raises an UpstreamFailure."""
        if self._busy >= self._reach.concurrency:
            raise UpstreamBusy(detail=f"{self._busy} calls are open")
        self._busy += 1
        open.callback(self._release)
        socket = await self._connected(asked)
        open.push_async_callback(socket.close)
        await socket.send(asked.body.decode(errors="replace"))
        while message := await socket.read():
            yield message

    async def _connected(self, asked: Outgoing) -> Socket:
        try:
            return await self._dialled(asked)
        except UpstreamUnauthorized:
            if not (self._login and self._login.refused()):
                raise
            return await self._dialled(asked)

    async def _dialled(self, asked: Outgoing) -> Socket:
        opening = Outgoing("GET", asked.target, {}, b"", self._host)
        signed = await self._login.signed(opening) if self._login else opening
        given = {name: value for name, value in asked.headers.items() if name != "Content-Type"}
        headers = {**self._reach.headers, **given, **signed.headers}

        async def connect() -> Socket:
            return await connected(self._base + signed.target, headers, self._trust, self._reach.timeout)

        return await (self._tape.dial(asked.target, headers, connect) if self._tape else connect())

    def _release(self) -> None:
        self._busy -= 1
