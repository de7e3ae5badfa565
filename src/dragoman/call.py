"""A call on its way: what is asked, who asks, and the one shape of everything that answers."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import reduce
from typing import Any, TypeAlias

from dragoman.errors import UpstreamBadResponse
from dragoman.grants import UNLIMITED, Grant
from dragoman.patience import NEVER
from dragoman.wire.chat import ChatRequest


@dataclass(frozen=True, slots=True)
class Key:
    """Who asks. Servers without keys know one: `anyone`."""

    id: str
    grant: Grant = UNLIMITED
    """What it may."""


ANYONE = Key("anyone")


@dataclass(frozen=True, slots=True)
class Call:
    """One request being answered."""

    request: ChatRequest
    key: Key
    open: AsyncExitStack
    """What was opened for this call; the edge closes it when the answer is done or the caller is gone."""
    id: str = ""
    """The request id that the caller reads in `x-request-id`."""
    headers: Sequence[tuple[bytes, bytes]] = ()
    """The caller's headers, their names in lower case."""
    due: float = NEVER
    """When the answer must be complete, in seconds of `time.monotonic`."""
    reached: float = NEVER
    """When a backend must have been reached, likewise."""
    surface: str = "chat"
    """Which of the doors it came through."""

    def header(self, name: str) -> str:
        """A header's value, by its name in lower case; empty if the caller did not send it."""
        wanted = name.encode()
        return next((value.decode("latin-1") for given, value in self.headers if given == wanted), "")

    def asking(self, **changes: Any) -> "Call":
        """The same call with other request fields. They are taken as they are, not validated again."""
        return self._with(self.request.model_copy(update=changes))

    def without(self, *fields: str) -> "Call":
        """The same call as if the caller had not sent these request fields."""
        return self._with(self.request.without(*fields))

    def apart(self, reached: float = NEVER) -> "Call":
        """The same call with an `open` of its own, so that what it opens can be closed before the rest is.

        `reached` may shorten the time to reach a backend.
        """
        own = AsyncExitStack()
        self.open.push_async_exit(own)
        reached = min(reached, self.reached)
        return Call(self.request, self.key, own, self.id, self.headers, self.due, reached, self.surface)

    def by(self, due: float) -> "Call":
        """The same call, to be complete at that time."""
        due = min(due, self.due)
        reached = min(due, self.reached)
        return Call(self.request, self.key, self.open, self.id, self.headers, due, reached, self.surface)

    def _with(self, request: ChatRequest) -> "Call":
        return Call(request, self.key, self.open, self.id, self.headers, self.due, self.reached, self.surface)


@dataclass(slots=True)
class Chunk:
    """A piece of an answer.

    `finish` is an OpenAI finish reason; each choice ends with exactly one. `tool_calls` are OpenAI's tool call deltas,
    `usage` is OpenAI's usage object. What else a backend says travels in `delta` (beside the text), `choice` (beside
    the delta) and `answer` (beside the choices). `about` tells facts for the `x-dragoman-…` headers; only the first
    chunk's are read. `stopped` is the stop word that has ended it, where that is known.
    """

    text: str = ""
    finish: str | None = None
    index: int = 0
    tool_calls: list[dict[str, Any]] | None = None
    usage: dict[str, Any] | None = None
    delta: dict[str, Any] | None = None
    choice: dict[str, Any] | None = None
    answer: dict[str, Any] | None = None
    about: dict[str, str] | None = None
    stopped: str | None = None

    @property
    def says(self) -> bool:
        """Whether it says anything at all."""
        return bool(
            self.text or self.finish or self.tool_calls or self.usage or self.delta or self.choice or self.answer
        )


Handler: TypeAlias = Callable[[Call], AsyncIterator[Chunk]]
Middleware: TypeAlias = Callable[[Handler], Handler]


def stack(handler: Handler, middleware: Iterable[Middleware]) -> Handler:
    """The handler with middleware before it, the first one outermost."""
    return reduce(lambda inner, outer: outer(inner), reversed(list(middleware)), handler)


class Telling:
    """A stream of chunks whose first tells facts about the answer; the rest passes untouched."""

    __slots__ = ("_chunks", "_facts")

    def __init__(self, chunks: AsyncIterator[Chunk], facts: dict[str, str]) -> None:
        self._chunks = chunks
        self._facts: dict[str, str] | None = facts

    def __aiter__(self) -> "Telling":
        return self

    def __anext__(self) -> Awaitable[Chunk]:
        return self._chunks.__anext__() if self._facts is None else self._first(self._facts)

    async def _first(self, facts: dict[str, str]) -> Chunk:
        self._facts = None
        chunk = await self._chunks.__anext__()
        chunk.about = {**(chunk.about or {}), **facts}
        return chunk


class Begun:
    """A stream of chunks whose first has arrived."""

    __slots__ = ("_held", "_rest", "first")

    def __init__(self, first: Chunk, rest: AsyncIterator[Chunk]) -> None:
        self.first = first
        self._held: Chunk | None = first
        self._rest = rest

    def __aiter__(self) -> "Begun":
        return self

    def __anext__(self) -> Awaitable[Chunk]:
        return self._rest.__anext__() if self._held is None else self._released()

    async def _released(self) -> Chunk:
        self._held = None
        return self.first


class Settled:
    """A stream whose beginning must be found first; from there on it passes untouched."""

    __slots__ = ("_call", "_find", "_rest")

    def __init__(self, find: Callable[[Call], Awaitable[Begun]], call: Call) -> None:
        self._find, self._call = find, call
        self._rest: Begun | None = None

    def __aiter__(self) -> "Settled":
        return self

    def __anext__(self) -> Awaitable[Chunk]:
        return self._first() if self._rest is None else self._rest.__anext__()

    async def _first(self) -> Chunk:
        self._rest = await self._find(self._call)
        return await self._rest.__anext__()


async def begun(chunks: AsyncIterator[Chunk]) -> Begun:
    """Waits for the first chunk. Until it is there, anything may still change; what fails before it is raised here."""
    async for first in chunks:
        return Begun(first, chunks)
    raise UpstreamBadResponse(detail="the answer ended before it began")
