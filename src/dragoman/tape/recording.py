"""Writes down what is said to a backend and what it answers: one file for each exchange."""

from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from time import monotonic

from dragoman.line import Line, Socket, Wire
from dragoman.tape.exchange import Answer, Exchange, Piece, Request, parsed
from dragoman.tape.folder import Folder, drop
from dragoman.tape.hiding import Hide, without_secrets

MAX_RECORDED = 10 * 1024 * 1024
"""Bytes that are kept of an answer, and of what is sent over a WebSocket."""
MAX_PIECES = 100_000
OF_EVERY_REQUEST = frozenset({"host", "user-agent", "accept-encoding", "content-length"})
OF_THE_CONNECTION = frozenset({"content-length", "transfer-encoding", "connection", "keep-alive", "date"})


class Recorder:
    """A tape that makes a file of every exchange, numbered in the order of the requests. It fails no call."""

    def __init__(self, folder: Path, name: str, hidden: Hide) -> None:
        """`hidden` gives a text without the secrets that are known. Raises ConfigError if there can be no folder."""
        self.folder = Folder(folder, name)
        self._hidden = hidden

    def around(self, line: Line) -> Line:
        return _Line(self, line)

    async def dial(self, target: str, headers: Mapping[str, str], connect: Callable[[], Awaitable[Socket]]) -> Socket:
        return _Socket(self, await connect(), target, headers)

    def begin(self) -> "_Take | None":
        """A take of an exchange that begins; None if there can be none."""
        part = self.folder.part()
        return _Take(part) if part else None

    def end(self, take: "_Take", exchange: Callable[[], Exchange]) -> None:
        """Writes what was taken."""
        self.folder.write(take.part, lambda: without_secrets(exchange(), self._hidden))

    async def settled(self) -> None:
        """Waits until the exchanges that are over are written."""
        await self.folder.settled()


class _Take:
    """The pieces of an exchange while it happens, and the file that they will be written into."""

    def __init__(self, part: Path) -> None:
        self.part = part
        self.pieces: list[Piece] = []
        self.cut = False
        """Whether a part of the answer is missing."""
        self._room = MAX_RECORDED
        self._since = monotonic()

    def note(self, said: bytes) -> None:
        kept = said[: self._room] if len(self.pieces) < MAX_PIECES else b""
        self.cut = self.cut or len(kept) < len(said)
        if kept:
            now = monotonic()
            self.pieces.append((round(now - self._since, 3), kept))
            self._room -= len(kept)
            self._since = now


class _Line:
    """A line whose exchanges are recorded."""

    def __init__(self, recorder: Recorder, line: Line) -> None:
        self.loop, self.target, self.authority = line.loop, line.target, line.authority
        self._recorder, self._line = recorder, line

    async def connection(self) -> Wire:
        return _Wire(self._recorder, await self._line.connection())

    def give_back(self, connection: Wire) -> None:
        assert isinstance(connection, _Wire)
        connection.finish()
        self._line.give_back(connection.wire)

    async def close(self) -> None:
        await self._line.close()
        await self._recorder.settled()


class _Wire:
    """A wire whose exchanges are recorded."""

    def __init__(self, recorder: Recorder, wire: Wire) -> None:
        self.wire = wire
        self._recorder = recorder
        self._take: _Take | None = None

    def send(self, request: bytes) -> None:
        self.finish()
        self.wire.send(request)
        self._look()
        self._request, self._take = request, self._recorder.begin()

    async def begun(self) -> None:
        await self.wire.begun()
        self._look()

    def taken(self) -> bytes:
        said = self.wire.taken()
        self._look()
        if said and self._take:
            self._take.note(said)
        return said

    async def more(self) -> None:
        if not self.wire.complete:
            await self.wire.more()
        self._look()

    def finish(self) -> None:
        """The exchange is over; without an answer, there is nothing to record."""
        if self._take is None:
            return
        self.taken()
        take, self._take = self._take, None
        if self.status:
            self._recorder.end(take, _heard(self._request, self.status, self.headers, self.complete, take))
        else:
            drop(take.part)

    def _look(self) -> None:
        self.status, self.headers, self.complete = self.wire.status, self.wire.headers, self.wire.complete


def _heard(
    request: bytes, status: int, headers: dict[bytes, bytes], complete: bool, take: _Take
) -> Callable[[], Exchange]:
    def exchange() -> Exchange:
        asked = parsed(request)
        named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers.items()}
        return Exchange(
            request=asked.model_copy(update={"headers": _without(asked.headers, OF_EVERY_REQUEST)}),
            answer=Answer(
                status=status,
                headers=_without(named, OF_THE_CONNECTION),
                body=take.pieces,
                whole=complete and not take.cut,
            ),
        )

    return exchange


def _without(headers: Mapping[str, str], names: frozenset[str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items() if name.lower() not in names}


class _Socket:
    """A WebSocket that is recorded."""

    def __init__(self, recorder: Recorder, socket: Socket, target: str, headers: Mapping[str, str]) -> None:
        self._recorder, self._socket = recorder, socket
        self._target, self._headers = target, _without(headers, OF_EVERY_REQUEST)
        self._take = recorder.begin()
        self._sent: list[bytes] = []
        self._room = MAX_RECORDED

    async def send(self, message: str | bytes) -> None:
        await self._socket.send(message)
        sent = message.encode() if isinstance(message, str) else message
        self._room -= len(sent)
        if self._room >= 0 and len(self._sent) < MAX_PIECES:
            self._sent.append(sent)

    async def read(self) -> bytes:
        try:
            message = await self._socket.read()
        except BaseException:
            if self._take:
                self._take.cut = True
            raise
        if message and self._take:
            self._take.note(message)
        return message

    async def close(self) -> None:
        try:
            await self._socket.close()
        finally:
            if take := self._take:
                self._take = None
                self._recorder.end(take, lambda: self._exchange(take))

    def _exchange(self, take: _Take) -> Exchange:
        return Exchange(
            request=Request(method="GET", target=self._target, headers=self._headers, body=self._sent),
            answer=Answer(status=101, messages=take.pieces, whole=not take.cut),
        )
