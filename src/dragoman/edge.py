"""The caller's side of a call: its body read within bounds, its answer written, its leaving noticed."""

import asyncio
import re
import secrets
import time
from collections.abc import Awaitable, Callable, Generator, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any, TypeAlias, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from dragoman.errors import (
    Encoded,
    ErrorStyle,
    Failure,
    GatewayError,
    HeadersTooLarge,
    TooLarge,
    TooSlow,
)
from dragoman.logs import note_failure, note_request
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
BATCH = 64 * 1024
PING = b": ping\n\n"
EVENT_STREAM: Headers = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
]

Result = TypeVar("Result")

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


class Gone(Exception):
    """The caller has left, or does not read."""


def failure_of(error: Exception) -> Failure:
    """The failure that an error stands for: itself, or the gateway's own with the error as its cause."""
    if isinstance(error, Failure):
        return error
    failure = GatewayError(detail=f"{type(error).__name__}: {error}")
    failure.__cause__ = error
    return failure


def request_id_in(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's own `x-request-id` if it is harmless, otherwise a new one."""
    for name, value in headers:
        if name == b"x-request-id" and _SAFE_ID.fullmatch(value):
            return value.decode()
    return f"req_{secrets.token_hex(16)}"


def check_headers(headers: Headers) -> None:
    """Raises HeadersTooLarge."""
    if len(headers) > MAX_HEADERS or sum(len(name) + len(value) for name, value in headers) > MAX_HEADER_BYTES:
        raise HeadersTooLarge()


def answer_headers(request_id: str, more: Mapping[str, str]) -> Headers:
    """The headers of every answer."""
    return [(b"x-request-id", request_id.encode())] + [(key.encode(), value.encode()) for key, value in more.items()]


class Caller:
    """Who waits for one answer."""

    def __init__(
        self, scope: Mapping[str, Any], receive: Receive, send: Send, bounds: Bounds, style: ErrorStyle
    ) -> None:
        self.headers: Headers = scope["headers"]
        self.id = request_id_in(self.headers)
        self.came = time.perf_counter()
        self.send, self.bounds = send, bounds
        self.begun = self.ended = False
        self._scope, self._receive = scope, receive
        self._style = style
        self._left = False

    async def body(self) -> bytes:
        """The request body. Raises TooLarge, TooSlow, HeadersTooLarge, Encoded, or Gone."""
        check_headers(self.headers)
        self._check_announced()
        message = await self._received(BODY_SECONDS)
        body: bytes = message.get("body", b"")
        if message.get("more_body"):
            body = await self._rest(body)
        if len(body) > self.bounds.body:
            raise self._too_large()
        note_request(self.id, self._scope["method"], self._scope["path"], self.headers, body)
        return body

    async def _rest(self, first: bytes) -> bytes:
        """The whole of a body that comes in parts, within a time that grows with what has come."""
        began, parts, size, more = time.monotonic(), [first], len(first), True
        while more:
            allowed = min(MOST_BODY_SECONDS, BODY_SECONDS + size * BODY_SECONDS_PER_BYTE)
            message = await self._received(began + allowed - time.monotonic())
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            more = message.get("more_body", False)
            if size > self.bounds.body:
                raise self._too_large()
        return b"".join(parts)

    async def _received(self, seconds: float) -> Message:
        try:
            async with asyncio.timeout(seconds):
                message = await self._receive()
        except TimeoutError:
            raise TooSlow(headers={"connection": "close"}) from None
        if message["type"] == "http.disconnect":
            raise Gone()
        return message

    def _check_announced(self) -> None:
        for name, value in self.headers:
            if name == b"content-length" and value.isdigit() and int(value) > self.bounds.body:
                raise self._too_large()
            if name == b"content-encoding" and value.lower() not in (b"", b"identity"):
                raise Encoded()

    def _too_large(self) -> TooLarge:
        return TooLarge(f"The request body is too large. At most {self.bounds.body} bytes are accepted.")

    @contextmanager
    def present(self) -> Iterator[None]:
        """While the caller is there: when it leaves, what happens inside is cancelled and Gone is raised."""
        task = asyncio.current_task()
        assert task is not None
        watch = asyncio.get_running_loop().create_task(self._watch(task))
        try:
            yield
        except asyncio.CancelledError:
            if not self._left:
                raise
            task.uncancel()
            raise Gone() from None
        finally:
            watch.cancel()

    async def _watch(self, task: "asyncio.Task[Any]") -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.leave(task)

    def leave(self, task: "asyncio.Task[Any]") -> None:
        """Ends the task that answers, because nobody waits for it any more."""
        if not self._left and not self.ended:
            self._left = True
            task.cancel()

    async def tell(self, status: int, body: bytes, more: Mapping[str, str]) -> None:
        """Answers with JSON."""
        headers = answer_headers(self.id, more)
        headers += [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        self.begun = True
        await self.send({"type": "http.response.start", "status": status, "headers": headers})
        self.ended = True
        await self.send({"type": "http.response.body", "body": body})

    async def refuse(self, failure: Failure) -> None:
        """Answers with a failure."""
        note_failure(self.id, failure, self.begun)
        if not self.begun:
            await self.tell(failure.status_in(self._style), failure.envelope(self.id), failure.headers)

    def stream(self) -> "EventStream":
        """An answer in server-sent events."""
        return EventStream(self)


class EventStream:
    """Server-sent events to a caller: written together while they come together, with comments while nothing comes."""

    def __init__(self, caller: Caller) -> None:
        self.headers: Mapping[str, str] = {}
        self._caller = caller
        self._send, self._bounds = caller.send, caller.bounds
        self._waiting: list[bytes] = []
        self._size = 0
        self._lock = asyncio.Lock()
        self._loop = asyncio.get_running_loop()
        self._since = self._loop.time()
        self._task = asyncio.current_task()
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

    async def broken(self, failure: Failure) -> None:
        """Writes what waits and the failure. The answer is left unfinished, so that nobody takes it for complete."""
        note_failure(self._caller.id, failure, begun=True)
        self.put(b"data: " + failure.envelope(self._caller.id) + b"\n\n")
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
            self._since = self._loop.time()

    async def _begin(self) -> None:
        self._caller.begun = True
        headers = answer_headers(self._caller.id, self.headers)
        await self._send({"type": "http.response.start", "status": 200, "headers": headers + EVENT_STREAM})

    def _tick(self) -> None:
        """Sends a comment after a silence; hangs up on a caller that has not read for too long."""
        writing = self._lock.locked()
        due = self._since + (self._bounds.stalled if writing else self._bounds.keep_alive)
        now = self._loop.time()
        if now >= due and writing and self._task:
            self._caller.leave(self._task)
            return
        if now >= due:
            self._ping = self._loop.create_task(self._write(PING))
        self._timer = self._loop.call_later(max(due - now, min(1.0, self._bounds.keep_alive)), self._tick)


class promptly(Awaitable[Result]):
    """Awaits, and calls `flush` first if there is something to wait for.

    What is there already goes on at once; what has been gathered meanwhile is written before the event loop turns.
    """

    __slots__ = ("_awaitable", "_flush")

    def __init__(self, awaitable: Awaitable[Result], flush: Callable[[], Awaitable[None]]) -> None:
        self._awaitable = awaitable
        self._flush = flush

    def __await__(self) -> Generator[Any, Any, Result]:
        steps = self._awaitable.__await__()
        error: BaseException | None = None
        flushed = False
        while True:
            try:
                waiting = steps.send(None) if error is None else steps.throw(error)
            except StopIteration as done:
                return done.value  # type: ignore[no-any-return]
            error = None
            try:
                if not flushed:
                    flushed = True
                    yield from self._flush().__await__()
                yield waiting
            except BaseException as raised:
                error = raised
