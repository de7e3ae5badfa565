"""A Python function as a backend: sync or async, returning an answer or yielding it piece by piece."""

import asyncio
import inspect
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import asynccontextmanager
from contextvars import copy_context
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ImportString, model_validator

from dragoman.abilities import Ability, Supplied
from dragoman.asked import Embed, Texts
from dragoman.call import Call, Chunk, Handler
from dragoman.errors import (
    Failure,
    UpstreamBadResponse,
    UpstreamConnectError,
    UpstreamDeadline,
    UpstreamDNSError,
    UpstreamError,
    UpstreamIdleTimeout,
    UpstreamTimeout,
    UpstreamTLSError,
)
from dragoman.ground import Ground, by_kind
from dragoman.guard.options import Guarded
from dragoman.mapping.batches import Said, checked, chunks
from dragoman.mapping.completions import Completions, message
from dragoman.mapping.verdicts import verdict
from dragoman.patience import Patience
from dragoman.reach import Timeouts
from dragoman.units import PerSecond
from dragoman.vectors import vector

TAKES = ("request", "messages", "call")
TEXTS_TAKE = ("texts", "request", "call")

_AFTER_LAST = object()


def _taking(*there: str) -> AfterValidator:
    def takes_what_there_is(function: Any) -> Any:
        if not callable(function):
            raise ValueError("is not a function")
        for name, parameter in inspect.signature(function).parameters.items():
            several = parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
            if name not in there and parameter.default is parameter.empty and not several:
                raise ValueError(f"takes {name!r}, but a function may take {', '.join(there)}")
        return function

    return AfterValidator(takes_what_there_is)


class Pacing(BaseModel):
    """How the answer is streamed."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    pace: PerSecond | None = None
    """A typing effect: at most so many pieces a second, such as `40/s`."""


GIVEN: frozenset[Ability] = frozenset({"system", "developer", "history", "images", "audio", "files"})
"""What a function is given with the messages; what it makes of them is its own affair."""


class Python(Supplied, Guarded):
    """`kind: python`."""

    kind: Literal["python"]
    target: Annotated[ImportString[Any], _taking(*TAKES)] | None = None
    """`module:function`. It takes what it names out of `request`, `messages` and `call`, and gives text, a dict
    (an assistant message or a whole chat completion) or a Chunk, once or by yielding."""
    embeddings: Annotated[ImportString[Any], _taking(*TEXTS_TAKE)] | None = None
    """`module:function` that embeds. It takes what it names out of `texts`, `request` and `call`, and gives a list of
    numbers for each text, or an array of some library's."""
    moderations: Annotated[ImportString[Any], _taking(*TEXTS_TAKE)] | None = None
    """`module:function` that finds out what is wrong with `texts`. It gives for each a dict with `flagged`,
    `categories`, `scores`, or some of them."""
    timeout: Timeouts = Timeouts()
    stream: Pacing = Pacing()
    threads: Annotated[int, Field(ge=1, le=1000)] = 64
    """Threads for a function that is not async."""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if not (self.target or self.embeddings or self.moderations):
            raise ValueError("needs `target`, the function that answers, or `embeddings`, or `moderations`")
        return self

    @property
    def native(self) -> frozenset[Ability]:
        functions: dict[Ability, Any] = {
            "chat": self.target,
            "embeddings": self.embeddings,
            "moderations": self.moderations,
        }
        there = {ability for ability, function in functions.items() if function}
        yields = inspect.isasyncgenfunction(self.target) or inspect.isgeneratorfunction(self.target)
        return GIVEN.union(there, {"stream"} if yields else ())

    @property
    def pace(self) -> float | None:
        return self.stream.pace

    @property
    def limit(self) -> float:
        return self.timeout.total

    @asynccontextmanager
    async def opened(self, ground: Ground) -> AsyncIterator[Handler]:
        pool = ThreadPoolExecutor(self.threads, thread_name_prefix="dragoman-python")
        chat = _Calling(self, pool, self.target, TAKES).handle if self.target else None
        looking = [
            _Calling(self, pool, function, TEXTS_TAKE).look if function else None
            for function in (self.embeddings, self.moderations)
        ]
        try:
            yield by_kind(chat, *looking)
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


class _Calling:
    """The open backend."""

    def __init__(
        self, options: Python, pool: ThreadPoolExecutor, function: Callable[..., Any], takes: Sequence[str]
    ) -> None:
        self._options = options
        self._pool = pool
        self._function = function
        named = inspect.signature(self._function).parameters
        self._names = [name for name in takes if name in named]

    async def handle(self, call: Call) -> AsyncIterator[Chunk]:
        """What the function says."""
        finished = False
        completions = Completions()
        async for value in self._given(call):
            for chunk in _chunks(value, completions):
                finished = finished or chunk.finish is not None
                yield chunk
        if not finished:
            yield Chunk(finish="stop")

    async def look(self, call: Call) -> AsyncIterator[Chunk]:
        """What the function finds in each text."""
        request = call.request
        assert isinstance(request, Texts)
        found: Any = []
        async for value in self._given(call):
            found = value.tolist() if hasattr(value, "tolist") else value
        read = _embedded if isinstance(request, Embed) else _judged
        for chunk in chunks(checked(found, len(request.inputs), read), None):
            yield chunk

    async def _given(self, call: Call) -> AsyncIterator[Any]:
        """What the function gives, and the failures that its errors stand for."""
        try:
            async for value in self._values(call):
                yield value
        except (Failure, GeneratorExit):
            raise
        except BaseException as error:
            if isinstance(error, asyncio.CancelledError) and _cancelled():
                raise
            raise _named(error) from error

    async def _values(self, call: Call) -> AsyncIterator[Any]:
        """What the function gives, one value after the other, each within its time."""
        available = {"request": call.request, "messages": call.request.messages, "call": call}
        if isinstance(call.request, Texts):
            available["texts"] = call.request.inputs
        arguments = {name: available[name] for name in self._names}
        clock = _Clock(self._options.timeout)
        call.open.callback(clock.patience.close)
        given = await clock.wait(self._begun(arguments))
        if inspect.isasyncgen(given) or isinstance(given, AsyncIterator):
            if inspect.isasyncgen(given):
                call.open.push_async_callback(given.aclose)
            pull: Callable[[], Awaitable[Any]] = lambda: anext(given, _AFTER_LAST)  # noqa: E731
        elif isinstance(given, Iterator):
            lane = _Lane(self._pool, given)
            call.open.callback(lane.close)
            pull = lane.next
        else:
            yield given
            return
        while (value := await clock.wait(pull())) is not _AFTER_LAST:
            clock.begun = True
            yield value

    async def _begun(self, arguments: Mapping[str, Any]) -> Any:
        function = self._function
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            given = function(**arguments)
        else:
            context = copy_context()
            work = self._pool.submit(_contained, lambda: context.run(function, **arguments))
            given = await asyncio.wrap_future(work)
        return await given if inspect.isawaitable(given) else given


def _cancelled() -> bool:
    """Whether the call itself is being cancelled, and not something that the function did."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _contained(work: Callable[[], Any]) -> Any:
    """Runs a function's code in a thread; what would end the thread, or cannot pass a future, becomes an error."""
    try:
        return work()
    except Exception as error:
        if isinstance(error, StopIteration | StopAsyncIteration):
            raise RuntimeError(f"the function raised {type(error).__name__}") from error
        raise
    except BaseException as error:
        raise RuntimeError(f"the function raised {type(error).__name__}") from error


class _Lane:
    """A sync iterator, one step at a time in the pool; closed in the thread that ran its last step."""

    def __init__(self, pool: ThreadPoolExecutor, iterator: Iterator[Any]) -> None:
        self._pool = pool
        self._iterator = iterator
        self._step: Future[Any] | None = None

    async def next(self) -> Any:
        context = copy_context()
        self._step = self._pool.submit(_contained, lambda: context.run(next, self._iterator, _AFTER_LAST))
        return await asyncio.wrap_future(self._step)

    def close(self) -> None:
        close = getattr(self._iterator, "close", None)
        if self._step and close:
            self._step.add_done_callback(lambda step: close())


class _Clock:
    """The time a function may take: to begin, between two values, and in all."""

    def __init__(self, timeouts: Timeouts) -> None:
        self._timeouts = timeouts
        self.patience = Patience(asyncio.get_running_loop(), timeouts.total)
        self.begun = False

    async def wait(self, work: Awaitable[Any]) -> Any:
        patience = self.patience
        try:
            return await patience.wait(work, self._timeouts.idle if self.begun else self._timeouts.first)
        except TimeoutError as error:
            if not patience.over:
                raise
            raise self._failure() from error

    def _failure(self) -> Failure:
        if self.patience.spent:
            return UpstreamDeadline()
        return UpstreamIdleTimeout() if self.begun else UpstreamTimeout()


def _chunks(value: Any, completions: Completions) -> Iterator[Chunk]:
    match value:
        case str():
            yield Chunk(text=value)
        case Chunk():
            yield value
        case dict() if "choices" in value:
            chunks = completions.chunks(value)
            if not chunks:
                raise UpstreamBadResponse(detail="the function gave a chat completion without choices")
            yield from chunks
        case dict():
            yield _message(value)
        case _:
            raise UpstreamBadResponse(detail=f"the function gave {type(value).__name__}, not text, a dict or a Chunk")


def _embedded(value: Any) -> Said:
    return {"embedding": vector(value)}


def _judged(value: Any) -> Said:
    if not isinstance(value, dict):
        raise ValueError(f"the function gave {type(value).__name__} for a text, not a dict")
    scores = value.get("scores", value.get("category_scores"))
    return verdict(value.get("flagged"), value.get("categories"), scores, {})


def _message(value: dict[str, Any]) -> Chunk:
    try:
        chunk = message({key: value[key] for key in value if key not in ("finish_reason", "usage")})
    except ValueError as error:
        raise UpstreamBadResponse(detail=f"the function gave {error}") from None
    chunk.finish, chunk.usage = value.get("finish_reason"), value.get("usage")
    return chunk


def _named(error: BaseException) -> Failure:
    """The failure that the function's own error stands for: what could not be reached is told from what went wrong.

    HTTP libraries have errors of their own; their names, and what they were caused by, say what they are.
    """
    detail = f"the function raised {type(error).__name__}: {error}"
    cause: BaseException | None = error
    while cause is not None:
        names = " ".join(kind.__name__ for kind in type(cause).__mro__)
        match cause:
            case Failure():
                return cause
            case _ if "Timeout" in names:
                return UpstreamTimeout(detail=detail)
            case socket.gaierror():
                return UpstreamDNSError(detail=detail)
            case ssl.SSLError():
                return UpstreamTLSError(detail=detail)
            case _ if "Connect" in names or type(cause) is OSError:
                return UpstreamConnectError(detail=detail)
        cause = cause.__cause__ or cause.__context__
    return UpstreamError(detail=detail)
