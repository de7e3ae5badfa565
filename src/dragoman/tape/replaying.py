"""Answers from recorded exchanges, and never touches the network."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dragoman.connection import Broken
from dragoman.errors import ConfigError, UpstreamDisconnected
from dragoman.json import loaded
from dragoman.line import Line, Socket, Wire
from dragoman.tape.exchange import Exchange, Piece, Request, parsed
from dragoman.tape.files import read

ENDS_HERE = "the recording ends here"


class Replay:
    """A tape that answers each request with the recorded exchange that fits it best.

    It is one of the same method and path: if there are such, with the same query too; of these, one with the same
    body; of these, the one that was played least, and then the first. `paced`: as quickly as it was recorded.
    """

    def __init__(self, files: Sequence[Path], paced: bool) -> None:
        """Raises ConfigError if a file cannot be used."""
        if not files:
            raise ConfigError("there is no recorded exchange to replay")
        self._scenes = [_Scene(read(file)) for file in files]
        self._paced = paced

    def around(self, line: Line) -> Line:
        return _Line(self, line)

    async def dial(self, target: str, headers: Mapping[str, str], connect: Callable[[], Awaitable[Socket]]) -> Socket:
        socket = _Socket(self, target)
        if not self._reaching(socket.asked, socket=True):
            raise UpstreamDisconnected(detail=_unfit(socket.asked))
        return socket

    def fitting(self, asked: Request, socket: bool = False) -> Exchange:
        """The exchange that fits best. Raises Broken if there is none."""
        reaching = self._reaching(asked, socket)
        if not reaching:
            raise Broken(_unfit(asked))
        meaning = _meaning(asked.body)
        alike = [scene for scene in reaching if scene.means(meaning)] or reaching
        scene = min(alike, key=lambda scene: scene.played)
        scene.played += 1
        return scene.exchange

    def reel(self, exchange: Exchange) -> "_Reel":
        return _Reel(exchange, self._paced)

    def _reaching(self, asked: Request, socket: bool) -> "list[_Scene]":
        kind = [scene for scene in self._scenes if scene.exchange.answer.socket == socket]
        there = [scene for scene in kind if scene.reaches(asked)]
        return [scene for scene in there if scene.exchange.request.target == asked.target] or there


def _unfit(asked: Request) -> str:
    return f"no recorded exchange fits {asked.method} {asked.path}"


class _Scene:
    """A recorded exchange, and how often it was played."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.played = 0
        self._meaning = _meaning(exchange.request.body)
        # what was hidden in it, `(key)`, stands for anything
        self._path = re.compile("[^/]+".join(map(re.escape, re.split(r"\(\w+\)", exchange.request.path))))

    def reaches(self, asked: Request) -> bool:
        """Whether it is of this method and path."""
        return self.exchange.request.method == asked.method and self._path.fullmatch(asked.path) is not None

    def means(self, meaning: Any) -> bool:
        """Whether it was asked the same; over a WebSocket, as far as it goes."""
        known = self._meaning[: len(meaning)] if self.exchange.answer.socket else self._meaning
        return bool(known == meaning)


def _meaning(body: bytes | list[bytes]) -> Any:
    """What two bodies have in common if they say the same: the JSON if they are JSON."""
    if isinstance(body, list):
        return [_meaning(message) for message in body]
    try:
        return loaded(body)
    except ValueError:
        return body


class _Reel:
    """The pieces of an answer, one after the other, each when it is due."""

    def __init__(self, exchange: Exchange, paced: bool) -> None:
        self._pieces: list[Piece] = exchange.answer.pieces
        self._paced = paced
        self._next = 0
        self._due = asyncio.get_running_loop().time()

    @property
    def over(self) -> bool:
        return self._next == len(self._pieces)

    async def piece(self) -> bytes:
        """The next piece; one that nobody waited to the end for comes again."""
        seconds, said = self._pieces[self._next]
        due = self._due + seconds
        await asyncio.sleep(due - asyncio.get_running_loop().time() if self._paced else 0)
        self._due = due
        self._next += 1
        return said


class _Line:
    """A line whose answers are played."""

    def __init__(self, replay: Replay, line: Line) -> None:
        self.loop, self.target, self.authority = line.loop, line.target, line.authority
        self._replay, self._line = replay, line

    async def connection(self) -> Wire:
        return _Wire(self._replay)

    def give_back(self, connection: Wire) -> None:
        pass

    async def close(self) -> None:
        await self._line.close()


class _Wire:
    """A wire whose answers are played."""

    def __init__(self, replay: Replay) -> None:
        self._replay = replay
        self.send(b"")

    def send(self, request: bytes) -> None:
        self.status, self.complete = 0, False
        self.headers: dict[bytes, bytes] = {}
        self._request, self._held = request, b""

    async def begun(self) -> None:
        exchange = self._replay.fitting(parsed(self._request))
        self._answer, self._reel = exchange.answer, self._replay.reel(exchange)
        if not self._reel.over:
            self._held = await self._reel.piece()
        self.status = self._answer.status
        self.headers = {
            name.lower().encode("latin-1", "replace"): value.encode("latin-1", "replace")
            for name, value in self._answer.headers.items()
        }
        self._look()

    def taken(self) -> bytes:
        held, self._held = self._held, b""
        return held

    async def more(self) -> None:
        if self._reel.over:
            raise Broken(ENDS_HERE)
        self._held += await self._reel.piece()
        self._look()

    def _look(self) -> None:
        self.complete = self._reel.over and self._answer.whole


class _Socket:
    """A WebSocket whose answers are played: which, is settled by what was sent before the first is read."""

    def __init__(self, replay: Replay, target: str) -> None:
        self._replay, self._target = replay, target
        self._sent: list[bytes] = []
        self._exchange: Exchange | None = None

    @property
    def asked(self) -> Request:
        return Request(method="GET", target=self._target, body=self._sent)

    async def send(self, message: str | bytes) -> None:
        self._sent.append(message.encode() if isinstance(message, str) else message)

    async def read(self) -> bytes:
        if self._exchange is None:
            self._exchange = self._replay.fitting(self.asked, socket=True)
            self._reel = self._replay.reel(self._exchange)
        if not self._reel.over:
            return await self._reel.piece()
        if not self._exchange.answer.whole:
            raise UpstreamDisconnected(detail=ENDS_HERE)
        return b""

    async def close(self) -> None:
        pass
