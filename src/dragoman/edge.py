"""The caller's side of a call: its body read within bounds, its answer written, its leaving noticed."""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Annotated, Any, Self, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from dragoman.cors import Cors
from dragoman.errors import (
    Encoded,
    ErrorStyle,
    Failure,
    GatewayError,
    HeadersTooLarge,
    TooLarge,
    TooSlow,
)
from dragoman.ids import unique
from dragoman.load import Load
from dragoman.logs import note_failure, note_request
from dragoman.patience import Patience, Rest
from dragoman.units import Bytes, Seconds

Message: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
Headers: TypeAlias = list[tuple[bytes, bytes]]

MAX_HEADERS = 100
MAX_HEADER_BYTES = 32 * 1024
BODY_SECONDS = 10.0
BODY_SECONDS_PER_BYTE = 1 / (100 * 1024)
MOST_BODY_SECONDS = 60.0
BLINK = 0.02
"""Seconds before it is worth watching whether the caller stays."""
BATCH = 64 * 1024
PING = b": ping\n\n"
EVENT_STREAM: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]

DEPLOYMENT = "dragoman.deployment"
"""Where a scope tells the model that its path named."""

Item = TypeVar("Item")

_SAFE_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")


class Bounds(BaseModel):
    """What a caller may take."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    body: Bytes = 8 * 1024 * 1024
    """The largest request body."""
    keep_alive: Seconds = 15.0
    """After so much silence a stream gets a comment, so that nothing on the way gives it up."""
    stalled: Seconds = 60.0
    """A caller that does not read for so long is hung up on."""
    connections: Annotated[int, Field(ge=1)] = 10_000
    """Connections open at once, each worker by itself."""
    connections_per_ip: Annotated[int, Field(ge=0)] = 0
    """The same from one address; 0 for no limit, which suits a reverse proxy in front."""
    calls: Annotated[int, Field(ge=1)] = 10_000
    """Calls answered at once, each worker by itself; one more is answered 503."""
    memory: Annotated[float, Field(gt=0, le=1)] = 0.9
    """The share of the memory that its control group grants, beyond which calls are answered 503."""


@dataclass(slots=True)
class Terms:
    """On what terms callers are answered. The loop is remembered: asking for it is a system call."""

    bounds: Bounds
    style: ErrorStyle
    cors: Cors | None = None
    loop: asyncio.AbstractEventLoop | None = None
    load: Load = field(default_factory=Load)


class Gone(Exception):
    """The caller has left, or does not read."""


@dataclass(frozen=True, slots=True)
class Manners:
    """How a dialect behaves beside its answers."""

    refusal: Callable[[Failure, str], bytes]
    """A failure as JSON, by the request's id."""
    id_names: tuple[bytes, ...] = (b"x-request-id",)
    """The headers that tell the request's id."""
    facts: Callable[[float], dict[str, str]] = lambda milliseconds: {}
    """What the headers of an answer tell of the server, and of the time it took until the answer began."""
    besides: Callable[[Mapping[str, str]], Mapping[str, str]] | None = None
    """What our headers tell, once more by the dialect's own names."""


OPENAI = Manners(
    Failure.envelope,
    facts=lambda milliseconds: {"openai-processing-ms": f"{milliseconds:.0f}", "openai-version": "2020-10-01"},
)


def failure_of(error: Exception) -> Failure:
    """The failure that an error stands for: itself, or the gateway's own with the error as its cause."""
    if isinstance(error, Failure):
        return error
    failure = GatewayError(detail=f"{type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def request_id_in(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's own `x-request-id` if it is harmless, otherwise a new one."""
    return _safe_id(dict(headers).get(b"x-request-id"))


def _safe_id(given: bytes | None) -> str:
    return given.decode() if given and _SAFE_ID.fullmatch(given) else unique("req_")


def address_in(scope: Mapping[str, Any]) -> str:
    """The address that a request came from."""
    client = scope.get("client")
    return str(client[0]) if client else ""


def check_headers(headers: Headers) -> None:
    """Raises HeadersTooLarge."""
    if len(headers) > MAX_HEADERS or len(b"".join(chain.from_iterable(headers))) > MAX_HEADER_BYTES:
        raise HeadersTooLarge()


def answer_headers(request_id: str, more: Mapping[str, str], manners: Manners = OPENAI) -> Headers:
    """The headers of every answer."""
    told = [(name, request_id.encode()) for name in manners.id_names]
    if manners.besides:
        more = {**more, **manners.besides(more)}
    return told + [(key.encode(), value.encode()) for key, value in more.items()]


class Caller:
    """Who waits for one answer."""

    def __init__(
        self, scope: Mapping[str, Any], receive: Receive, send: Send, terms: Terms, manners: Manners = OPENAI
    ) -> None:
        self.headers: Headers = scope["headers"]
        self.model: str | None = scope.get(DEPLOYMENT)
        """The model that the path names, whatever the body says."""
        self.manners = manners
        self.facts: dict[str, str] = {}
        """What the answer's `x-dragoman-…` headers tell of what was asked; a surface may add to it."""
        self.named = dict(self.headers)
        self.id = _safe_id(self.named.get(b"x-request-id"))
        self.came = time.perf_counter()
        self.receive, self.send, self.bounds = receive, send, terms.bounds
        self.begun = self.ended = False
        self._scope, self.style, self.load = scope, terms.style, terms.load
        self._loop = terms.loop or asyncio.get_running_loop()

    @property
    def address(self) -> str:
        """Where the caller is."""
        return address_in(self._scope)

    def check(self) -> None:
        """Raises Overloaded, Draining, or HeadersTooLarge."""
        self.load.check(self.bounds.calls)
        check_headers(self.headers)

    async def body(self) -> bytes:
        """The request body. Raises TooLarge, TooSlow, Encoded, or Gone."""
        self._check_announced()
        patience = Patience(self._loop, MOST_BODY_SECONDS)
        try:
            body = await self._whole(patience)
        finally:
            patience.close()
        note_request(self.id, self._scope["method"], self._scope["path"], self.headers, body)
        return body

    async def _whole(self, patience: Patience) -> bytes:
        """A body that may come in parts, within a time that grows with what has come."""
        began, parts, size, more = self._loop.time(), [], 0, True
        while more:
            allowed = BODY_SECONDS + size * BODY_SECONDS_PER_BYTE + began - self._loop.time()
            message = await self._received(patience, allowed)
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size > self.bounds.body:
                raise self._too_large()
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _received(self, patience: Patience, seconds: float) -> Message:
        try:
            message = await patience.wait(self.receive(), seconds)
        except TimeoutError:
            raise TooSlow(headers={"connection": "close"}) from None
        if message["type"] == "http.disconnect":
            raise Gone()
        return message

    def _check_announced(self) -> None:
        length, encoding = self.named.get(b"content-length", b""), self.named.get(b"content-encoding", b"")
        if length.isdigit() and int(length) > self.bounds.body:
            raise self._too_large()
        if encoding.lower() not in (b"", b"identity"):
            raise Encoded()

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The request body is too large. At most {self.bounds.body} bytes are accepted.")

    def present(self) -> "Presence":
        """While the caller is there: when it leaves, what happens inside is cancelled and Gone is raised.

        Raises Overloaded or Draining if the call is not taken.
        """
        return Presence(self, self._loop)

    async def tell(self, status: int, body: bytes, more: Mapping[str, str]) -> None:
        """Answers with JSON."""
        headers = answer_headers(self.id, more, self.manners)
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        self.begun = True
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        self.ended = True
        await self.send({"type": "http.response.body", "body": body})

    async def refuse(self, failure: Failure) -> None:
        """Answers with a failure."""
        status = failure.status_in(self.style)
        note_failure(self.id, failure, status, self.begun)
        if not self.begun:
            await self.tell(status, self.manners.refusal(failure, self.id), failure.headers)

    def stream(self) -> "EventStream":
        """An answer in server-sent events."""
        return EventStream(self, self._loop)


class Presence:
    """Watches that the caller stays, once an answer takes longer than a blink."""

    def __init__(self, caller: Caller, loop: asyncio.AbstractEventLoop) -> None:
        self._caller = caller
        self._loop = loop
        self._task = asyncio.current_task(loop)
        self._watch: asyncio.Task[None] | None = None
        self._ending: Exception | None = None

    def end(self, failure: Failure) -> None:
        """Cancels what happens inside, so that the failure is raised."""
        self._cancel(failure)

    def __enter__(self) -> Self:
        self._caller.load.check(self._caller.bounds.calls)
        self._caller.load.enter(self)
        self._timer = self._loop.call_later(BLINK, self._begin)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        self._timer.cancel()
        self._caller.load.leave(self)
        if self._watch:
            self._watch.cancel()
        if self._ending and kind is asyncio.CancelledError and self._task:
            self._task.uncancel()
            raise self._ending from None

    def _begin(self) -> None:
        self._watch = self._loop.create_task(self._watching())

    async def _watching(self) -> None:
        while (await self._caller.receive())["type"] != "http.disconnect":
            pass
        self._cancel(Gone())

    def _cancel(self, reason: Exception) -> None:
        if not self._caller.ended and self._task and not self._ending:
            self._ending = reason
            self._task.cancel()


class EventStream:
    """Server-sent events to a caller: written together while they come together, with comments while nothing comes."""

    def __init__(self, caller: Caller, loop: asyncio.AbstractEventLoop) -> None:
        self.headers: Mapping[str, str] = {}
        self._caller = caller
        self._send, self._bounds = caller.send, caller.bounds
        self._waiting: list[bytes] = []
        self._size = 0
        self._lock = asyncio.Lock()
        self._loop = loop
        self._since = loop.time()
        self._ping: asyncio.Task[None] | None = None
        self._timer = self._loop.call_later(self._bounds.keep_alive, self._tick)

    def put(self, events: bytes) -> bool:
        """Adds events to be written; true when so much is waiting that `flush` is due."""
        if events:
            self._waiting.append(events)
            self._size += len(events)
        return self._size >= BATCH

    async def flush(self) -> None:
        """Writes what waits."""
        if self._waiting:
            await self._write(self._taken())

    async def end(self) -> None:
        """Writes what waits, and ends the answer as complete."""
        await self._write(self._taken(), more=False)

    async def broken(self, failure: Failure, told: bytes) -> None:
        """Writes what waits, and how the failure is told. The answer is left unfinished, so that nobody takes it for
        complete."""
        note_failure(self._caller.id, failure, failure.status_in(self._caller.style), begun=True)
        self.put(told)
        await self.flush()

    def close(self) -> None:
        """Stops the comments."""
        self._timer.cancel()
        if self._ping:
            self._ping.cancel()

    def _taken(self) -> bytes:
        body = b"".join(self._waiting)
        self._waiting.clear()
        self._size = 0
        return body

    async def _write(self, body: bytes, more: bool = True) -> None:
        async with self._lock:
            self._since = self._loop.time()
            if not self._caller.begun:
                await self._begin()
            if not more:
                self._caller.ended = True
            await self._send({"type": "http.response.body", "body": body, "more_body": more})

    async def _begin(self) -> None:
        self._caller.begun = True
        headers = answer_headers(self._caller.id, self.headers, self._caller.manners)
        await self._send({"type": "http.response.start", "status": 200, "headers": headers + EVENT_STREAM})

    def _tick(self) -> None:
        """Sends a comment after a silence."""
        silent = self._loop.time() - self._since
        if silent >= self._bounds.keep_alive and not self._lock.locked():
            self._ping = self._loop.create_task(self._write(PING))
            silent = 0.0
        self._timer = self._loop.call_later(max(self._bounds.keep_alive - silent, 0.01), self._tick)


async def promptly(
    items: AsyncIterator[Item], take: Callable[[Item], bool], flush: Callable[[], Awaitable[None]]
) -> None:
    """Gives each item to `take`, and calls `flush` whenever there is something to wait for, or `take` says so.

    Items that are there already are taken one after the other, without a turn of the event loop.
    """
    while True:
        steps = items.__anext__().__await__()
        try:
            waiting = steps.send(None)
        except StopIteration as ready:
            item = ready.value
        except StopAsyncIteration:
            return
        else:
            try:
                item = await Rest(steps, waiting, flush)
            except StopAsyncIteration:
                return
        if take(item):
            await flush()
