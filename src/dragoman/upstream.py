"""HTTP to the outside: bounded, timed, closed when the call is over; and whatever goes wrong there has a name."""

import asyncio
import socket
import zlib
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import lru_cache
from time import monotonic
from types import TracebackType
from typing import Any, Self

from dragoman.call import Call
from dragoman.connection import Broken, NotHTTP, Origin, Untrusted
from dragoman.errors import (
    UpstreamAuthError,
    UpstreamBadEncoding,
    UpstreamBadResponse,
    UpstreamConnectError,
    UpstreamConnectTimeout,
    UpstreamDeadline,
    UpstreamDisconnected,
    UpstreamDNSError,
    UpstreamError,
    UpstreamFailure,
    UpstreamIdleTimeout,
    UpstreamNotFound,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRedirectRefused,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTLSError,
    UpstreamTooLarge,
    UpstreamUnauthorized,
    UpstreamUnavailable,
)
from dragoman.json import dumped, loaded
from dragoman.line import Line, Wire
from dragoman.outgoing import Login, Outgoing
from dragoman.patience import NEVER, Patience
from dragoman.reach import Reach, http_url, trusting
from dragoman.tape import Tape

DNS_FAILURE_HOLDS = 5.0
LONGEST_RETRY_AFTER = 120
LOGGED_BODY = 2048
DRAIN_BYTES = 64 * 1024
DRAIN_SECONDS = 0.25
INFLATED_AT_ONCE = 256 * 1024
HEADS_KEPT = 256
OWN_HEADERS = {"User-Agent": "dragoman", "Accept-Encoding": "identity"}
JSON_TYPE = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Explained:
    """What a backend's error says that callers may read."""

    message: str | None = None
    code: str | None = None
    param: str | None = None
    status: int | None = None
    """What the status should have been."""


Explain = Callable[[Any, int], Explained | None]
"""What an error's JSON says, and its status."""


class Upstream:
    """One URL outside. Open it with `async with`, or let `Gateway.opens` do so."""

    def __init__(
        self,
        url: str,
        reach: Reach | None = None,
        explain: Explain | None = None,
        login: Login | None = None,
        tape: Tape | None = None,
    ) -> None:
        self._url = http_url(url)
        self._reach = reach or Reach()
        self._explain = explain
        self._login = login
        self._tape = tape
        self._line: Line | None = None
        self._unknown_until = 0.0

    async def __aenter__(self) -> Self:
        trust = trusting(self._reach.tls) if self._reach.tls else None
        origin = Origin(self._url, trust, self._reach.timeout.connect)
        self._line = origin if self._tape is None else self._tape.around(origin)
        self.target = origin.target
        self._own = {"Host": origin.authority, **OWN_HEADERS, **self._reach.headers}
        self._host = next(value for name, value in reversed(self._own.items()) if name.lower() == "host")
        self._head = lru_cache(HEADS_KEPT)(self._made_head)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._line:
            await self._line.close()

    def _made_head(self, method: str, target: str, accept: str, given: tuple[tuple[str, str], ...]) -> bytes:
        """The head of a request but for its length. What is configured or given takes the place of our own."""
        named: dict[str, tuple[str, str]] = {"accept": ("Accept", accept)}
        for name, value in (*self._own.items(), *given):
            named[name.lower()] = (name, value)
        lines = "".join(f"{name}: {value}\r\n" for name, value in named.values())
        return f"{method} {target} HTTP/1.1\r\n{lines}".encode("latin-1")

    async def ask(self, call: Call, payload: Any, accept: str = "application/json") -> "Answer":
        """Posts the payload as JSON (bytes are sent as they are) and waits for a good answer to begin.

        Its body is closed with the call. Raises an UpstreamFailure, which tells what went wrong.
        """
        body = payload if isinstance(payload, bytes) else dumped(payload)
        return await self.send(call.open, Outgoing("POST", "", JSON_TYPE, body), accept, call.reached)

    async def send(
        self, open: AsyncExitStack, asked: Outgoing, accept: str = "application/json", reached: float = NEVER
    ) -> "Answer":
        """Sends a request (its target is the URL's own if it is empty) and waits for a good answer to begin.

        What is open is closed with `open`. `reached` is when a connection must be there, in seconds of
        `time.monotonic`. Raises an UpstreamFailure.
        """
        answer = await self._answered(asked, accept, reached)
        if answer.status == 401 and self._login and self._login.refused():
            await self._refused(answer)
            answer = await self._answered(asked, accept, reached)
        if not 200 <= answer.status < 300 or answer.status == 204:
            raise await self._refused(answer)
        open.push_async_exit(answer)
        return answer

    async def json(self, asked: Outgoing, what: str, reached: float = NEVER) -> Any:
        """Sends a request and reads the JSON that it is answered; `what` is what the log calls it.

        Raises an UpstreamFailure.
        """
        async with AsyncExitStack() as once:
            body = await (await self.send(once, asked, reached=reached)).whole()
        try:
            return loaded(body)
        except ValueError as error:
            raise UpstreamBadResponse(detail=f"{what}: not JSON: {error}") from error

    async def _answered(self, asked: Outgoing, accept: str, reached: float) -> "Answer":
        """The answer whose head has arrived, whatever its status."""
        if self._line is None:
            raise RuntimeError("an Upstream must be opened before it is asked: `gateway.opens(upstream)`")
        answer = Answer(self, self._reach, Patience(self._line.loop, self._reach.timeout.total))
        try:
            if self._login:
                named = replace(asked, target=asked.target or self.target, host=self._host)
                asked = await self._login.signed(named)
            await self._begin(answer, self._request(asked, accept), reached)
        except BaseException:
            await answer.__aexit__()
            raise
        return answer

    def _request(self, asked: Outgoing, accept: str) -> bytes:
        head = self._head(asked.method, asked.target or self.target, accept, tuple(asked.headers.items()))
        return b"%bContent-Length: %d\r\n\r\n%b" % (head, len(asked.body), asked.body)

    def release(self, connection: Wire | None) -> None:
        """Takes a connection back."""
        if connection and self._line:
            self._line.give_back(connection)

    async def _begin(self, answer: "Answer", request: bytes, reached: float) -> None:
        assert self._line is not None
        if self._line.loop.time() < self._unknown_until:
            raise UpstreamDNSError(detail="the name could not be resolved a moment ago")
        try:
            await answer.patience.wait(self._sent(self._line, answer, request, reached), self._reach.timeout.first)
        except TimeoutError as error:
            raise UpstreamTimeout(detail="no answer began") from error
        except (Broken, NotHTTP) as error:
            raise _named(error) from error

    async def _sent(self, line: Line, answer: "Answer", request: bytes, reached: float) -> None:
        try:
            connection = await (line.connection() if reached == NEVER else _soon(line, reached))
        except (OSError, Untrusted) as error:
            failure = unreached(error)
            if isinstance(failure, UpstreamDNSError):
                self._unknown_until = line.loop.time() + DNS_FAILURE_HOLDS
            raise failure from error
        answer.connection = connection
        connection.send(request)
        await connection.begun()
        answer.begin(connection)

    async def _refused(self, answer: "Answer") -> UpstreamFailure:
        """What an answer's status stands for. Closes it."""
        said = b""
        async with answer:
            with suppress(UpstreamFailure):
                said = await answer.whole()
        detail = f"status {answer.status}: {said[:LOGGED_BODY].decode(errors='replace')}"
        explained = self._explained(said, answer.status)
        status = answer.status if explained is None else explained.status or answer.status
        return failure_of_status(status, answer.header("retry-after"), detail, explained)

    def _explained(self, said: bytes, status: int) -> Explained | None:
        if self._explain is None:
            return None
        try:
            return self._explain(loaded(said), status)
        except ValueError:
            return None


class Answer:
    """A backend's answer whose head has arrived."""

    def __init__(self, upstream: Upstream, reach: Reach, patience: Patience) -> None:
        self.patience = patience
        self.connection: Wire | None = None
        self.ended = False
        """Set by a reader that knows by the content that nothing more will come."""
        self._upstream, self._reach = upstream, reach
        self._inflate: _Inflate | None = None
        self._size = 0

    async def __aenter__(self) -> Self:
        return self

    def begin(self, connection: Wire) -> None:
        """Takes the head."""
        self._body = connection
        self.status = connection.status
        if encoding := self.header("content-encoding"):
            self._inflate = _inflating(encoding)

    def header(self, name: str) -> str:
        """A header's value, by its name in lower case; empty if it is not there."""
        return self._body.headers.get(name.encode(), b"").decode("latin-1")

    async def __aexit__(self, *error: object) -> None:
        """Gives the connection back if the body was read or has as good as ended, otherwise closes it."""
        self.patience.close()
        try:
            if self.ended and not self._body.complete:
                await self._drain()
        finally:
            self._upstream.release(self.connection)

    async def _drain(self) -> None:
        drained = 0
        with suppress(TimeoutError, Broken, NotHTTP):
            async with asyncio.timeout(DRAIN_SECONDS):
                while drained <= DRAIN_BYTES and not self._body.complete:
                    await self._body.more()
                    drained += len(self._body.taken())

    @property
    def type(self) -> str:
        """The media type, in lower case, without parameters; empty when there is none."""
        return self.header("content-type").partition(";")[0].strip().lower()

    async def whole(self) -> bytes:
        """The body, decompressed. Raises UpstreamTooLarge beyond `max_answer`."""
        pieces = []
        while piece := await self.read(self._reach.max_answer):
            pieces.append(piece)
        return b"".join(pieces)

    async def read(self, limit: int | None = None) -> bytes:
        """The next piece of the body as it arrives, decompressed; empty at its end.

        Raises UpstreamTooLarge if it makes the body longer than `limit` bytes.
        """
        piece = await self._received() if self._inflate is None else await self._inflated(self._inflate)
        self._size += len(piece)
        if limit is not None and self._size > limit:
            raise UpstreamTooLarge(detail=f"more than {limit} bytes")
        return piece

    async def _inflated(self, inflate: "_Inflate") -> bytes:
        while True:
            if piece := inflate.more():
                return piece
            received = await self._received()
            if not received:
                inflate.check_whole()
                return b""
            inflate.feed(received)

    async def _received(self) -> bytes:
        body = self._body
        try:
            while not (received := body.taken()) and not body.complete:
                await self.patience.wait(body.more(), self._reach.timeout.idle)
        except TimeoutError as error:
            raise (UpstreamDeadline() if self.patience.spent else UpstreamIdleTimeout()) from error
        except (Broken, NotHTTP) as error:
            raise _named(error, begun=True) from error
        return received


class _Inflate:
    """Decompresses in bounded pieces, so that a bomb costs no memory. One gzip member may follow another (RFC 1952)."""

    def __init__(self) -> None:
        self._stream = _zlib_stream()
        self._fed = b""

    def feed(self, received: bytes) -> None:
        self._fed += received

    def more(self) -> bytes:
        """The next piece of what was fed; empty when more must be fed. Raises UpstreamBadEncoding."""
        while self._fed:
            if self._stream.eof:
                self._stream = _zlib_stream()
            try:
                piece: bytes = self._stream.decompress(self._fed, INFLATED_AT_ONCE)
            except zlib.error as error:
                raise UpstreamBadEncoding(detail="a broken content-encoding") from error
            self._fed = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail
            if piece:
                return piece
        return b""

    def check_whole(self) -> None:
        """Raises UpstreamBadEncoding if what was fed is cut off."""
        if not self._stream.eof:
            raise UpstreamBadEncoding(detail="a content-encoding that is cut off")


def _zlib_stream() -> Any:
    return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)


def _inflating(encoding: str) -> _Inflate | None:
    match encoding.strip().lower():
        case "" | "identity":
            return None
        case "gzip" | "x-gzip" | "deflate":
            return _Inflate()
        case _:
            raise UpstreamBadEncoding(detail="an unknown content-encoding, although identity was asked for")


async def _soon(line: Line, reached: float) -> Wire:
    """A connection that is there in time. Raises as `Line.connection` does."""
    async with asyncio.timeout(reached - monotonic()):
        return await line.connection()


def unreached(error: Exception) -> UpstreamFailure:
    """The failure that keeps a connection from being made."""
    detail = f"{type(error).__name__}: {error}"
    match error:
        case Untrusted():
            return UpstreamTLSError(detail=detail)
        case socket.gaierror():
            return UpstreamDNSError(detail=detail)
        case TimeoutError():
            return UpstreamConnectTimeout(detail=detail)
        case _:
            return UpstreamConnectError(detail=detail)


def _named(error: Exception, begun: bool = False) -> UpstreamFailure:
    """The failure that a connection's end stands for."""
    if isinstance(error, NotHTTP) and not begun:
        return UpstreamProtocolError(detail=str(error))
    return UpstreamDisconnected(detail=str(error))


def failure_of_status(
    status: int, retry_after: str, detail: str, explained: Explained | None = None
) -> UpstreamFailure:
    """The failure that a status other than success stands for; `retry_after` is that header's value, or empty."""
    match status:
        case 401:
            return UpstreamUnauthorized(detail=detail)
        case 402 | 403 | 407:
            return UpstreamAuthError(detail=detail)
        case 429:
            return UpstreamRateLimited(detail=detail, headers=_waiting(retry_after))
        case 503:
            return UpstreamUnavailable(detail=detail, headers=_waiting(retry_after))
        case status if 300 <= status < 400:
            return UpstreamRedirectRefused(detail=detail)
        case status if 400 <= status < 500:
            said = explained or Explained()
            kind = UpstreamNotFound if status in (404, 410) else UpstreamRejected
            return kind(said.message, code=said.code, param=said.param, detail=detail)
        case status if 500 <= status < 600:
            return UpstreamError(detail=detail)
        case _:
            return UpstreamBadResponse(detail=detail)


def _waiting(retry_after: str) -> dict[str, str]:
    with suppress(ValueError):
        wait = float(retry_after) if retry_after.replace(".", "", 1).isdigit() else _until(retry_after)
        return {"retry-after": str(round(max(0, min(LONGEST_RETRY_AFTER, wait))))}
    return {}


def _until(date: str) -> float:
    when = parsedate_to_datetime(date)
    return ((when if when.tzinfo else when.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
