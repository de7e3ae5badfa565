"""WebSockets to a backend: one for each call, closed with it."""

from collections.abc import AsyncIterator
from time import monotonic
from urllib.parse import urlsplit

from dragoman.call import Call
from dragoman.errors import UpstreamUnauthorized
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

    async def messages(self, call: Call, asked: Outgoing) -> AsyncIterator[bytes]:
        """Sends the body as a message, and gives those that come. Raises an UpstreamFailure."""
        socket = await self._connected(asked, call.reached)
        call.open.push_async_callback(socket.close)
        await socket.send(asked.body.decode(errors="replace"))
        while message := await socket.read():
            yield message

    async def _connected(self, asked: Outgoing, reached: float) -> Socket:
        try:
            return await self._dialled(asked, reached)
        except UpstreamUnauthorized:
            if not (self._login and self._login.refused()):
                raise
            return await self._dialled(asked, reached)

    async def _dialled(self, asked: Outgoing, reached: float) -> Socket:
        opening = Outgoing("GET", asked.target, {}, b"", self._host)
        signed = await self._login.signed(opening) if self._login else opening
        given = {name: value for name, value in asked.headers.items() if name != "Content-Type"}
        headers = {**self._reach.headers, **given, **signed.headers}

        own = self._reach.timeout
        waits = own.model_copy(update={"connect": max(0.001, min(own.connect, reached - monotonic()))})

        async def connect() -> Socket:
            return await connected(self._base + signed.target, headers, self._trust, waits)

        return await (self._tape.dial(asked.target, headers, connect) if self._tape else connect())
