"""HTTP to the outside: bounded, timed, closed when the call is over; and whatever goes wrong there has a name."""

import asyncio
import re
import ssl
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Annotated, Any, Self

import aiohttp
import orjson
from multidict import CIMultiDict
from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from yarl import URL

from dragoman.call import Call
from dragoman.errors import (
    UpstreamAuthError,
    UpstreamBadEncoding,
    UpstreamBadResponse,
    UpstreamBusy,
    UpstreamConnectError,
    UpstreamConnectTimeout,
    UpstreamDeadline,
    UpstreamDisconnected,
    UpstreamDNSError,
    UpstreamError,
    UpstreamFailure,
    UpstreamIdleTimeout,
    UpstreamProtocolError,
    UpstreamRateLimited,
    UpstreamRedirectRefused,
    UpstreamRejected,
    UpstreamTimeout,
    UpstreamTLSError,
    UpstreamTooLarge,
    UpstreamUnavailable,
)
from dragoman.json import dumped
from dragoman.patience import Patience
from dragoman.units import Bytes, Seconds

DNS_FAILURE_HOLDS = 5.0
LONGEST_RETRY_AFTER = 120
LOGGED_BODY = 2048
DRAIN_BYTES = 64 * 1024
DRAIN_SECONDS = 0.25
INFLATED_AT_ONCE = 256 * 1024
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
OWN_HEADERS = {"Content-Type": "application/json", "User-Agent": "dragoman", "Accept-Encoding": "identity"}


def _http_url(value: str) -> str:
    url = URL(value)
    if url.scheme not in ("http", "https") or not url.host:
        raise ValueError("must be an http:// or https:// URL with a host")
    if url.user or url.password:
        raise ValueError("must not hold credentials; put them into headers")
    return value


def _header(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ValueError("a header must be printable ASCII")
    return value


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError("a header's name is made of letters, digits and hyphens")
    return name


def _authority(file: Path) -> Path:
    try:
        ssl.create_default_context(cafile=str(file))
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"cannot be used as a certificate authority: {error.strerror or error}") from None
    return file


HTTPURL = Annotated[str, AfterValidator(_http_url)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderText = Annotated[str, AfterValidator(_header)]


class Timeouts(BaseModel):
    """How long a backend may take, in seconds or as `20s`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connect: Seconds = 5.0
    """To accept a connection, name lookup and TLS included."""
    first: Seconds = 60.0
    """To begin its answer."""
    idle: Seconds = 30.0
    """Between two pieces of its answer."""
    total: Seconds = 600.0
    """To finish its answer."""


class TLS(BaseModel):
    """How a backend proves who it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ca: Annotated[Path, AfterValidator(_authority)]
    """A PEM file with the certificate authority to trust instead of the system's."""


class Reach(BaseModel):
    """What every backend behind HTTP can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    headers: dict[HeaderName, HeaderText] = {}
    """Sent with every request."""
    timeout: Timeouts = Timeouts()
    tls: TLS | None = None
    concurrency: Annotated[int, Field(ge=1)] = 1000
    """Calls that may be open at once; one more is answered 503."""
    max_answer: Bytes = 10 * 1024 * 1024
    """The largest whole answer, decompressed."""


@dataclass(frozen=True, slots=True)
class Explained:
    """What a backend's error says that callers may read."""

    message: str
    code: str | None = None
    param: str | None = None


Explain = Callable[[Any], Explained | None]


class Upstream:
    """One URL outside. Open it with `async with`, or let `Gateway.opens` do so."""

    def __init__(self, url: str, reach: Reach | None = None, explain: Explain | None = None) -> None:
        self._url = URL(_http_url(url), encoded=True)
        self._reach = reach or Reach()
        self._explain = explain
        self._session: aiohttp.ClientSession | None = None
        self._headers = CIMultiDict(OWN_HEADERS)
        self._headers.update(self._reach.headers)
        self._busy = 0
        self._unknown_until = 0.0

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        connector = aiohttp.TCPConnector(limit=0, ssl=_trusting(self._reach.tls))
        timeout = aiohttp.ClientTimeout(total=None, connect=self._reach.timeout.connect)
        self._session = aiohttp.ClientSession(
            connector=connector,
            timeout=timeout,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            headers=self._headers,
            skip_auto_headers=(*OWN_HEADERS, "Accept"),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session:
            await self._session.close()

    async def ask(self, call: Call, payload: Any, accept: str = "application/json") -> "Answer":
        """Posts the payload as JSON (bytes are sent as they are) and waits for a good answer to begin.

        Its body is closed with the call. Raises an UpstreamFailure, which tells what went wrong.
        """
        if self._session is None:
            raise RuntimeError("an Upstream must be opened before it is asked: `gateway.opens(upstream)`")
        if self._busy >= self._reach.concurrency:
            raise UpstreamBusy(detail=f"{self._busy} calls are open")
        self._busy += 1
        body = payload if isinstance(payload, bytes) else dumped(payload)
        answer = Answer(self, self._reach, Patience(self._loop, self._reach.timeout.total))
        call.open.push_async_exit(answer)
        await self._begin(answer, body, accept)
        if not 200 <= answer.status < 300 or answer.status == 204:
            raise await self._refused(answer)
        return answer

    def release(self) -> None:
        """One call less is open."""
        self._busy -= 1

    async def _begin(self, answer: "Answer", body: bytes, accept: str) -> None:
        if self._loop.time() < self._unknown_until:
            raise UpstreamDNSError(detail="the name could not be resolved a moment ago")
        try:
            answer.begin(await answer.patience.wait(self._sent(body, accept), self._reach.timeout.first))
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = _named(error)
            if isinstance(failure, UpstreamDNSError):
                self._unknown_until = self._loop.time() + DNS_FAILURE_HOLDS
            raise failure from error

    async def _sent(self, body: bytes, accept: str) -> aiohttp.ClientResponse:
        try:
            return await self._post(body, accept)
        except aiohttp.ClientConnectionResetError as reset:
            if "closing transport" not in str(reset):
                raise
            return await self._post(body, accept)  # nothing was written: a kept connection had just been closed

    async def _post(self, body: bytes, accept: str) -> aiohttp.ClientResponse:
        assert self._session is not None
        headers = None if "Accept" in self._headers else {"Accept": accept}
        return await self._session.request("POST", self._url, data=body, headers=headers, allow_redirects=False)

    async def _refused(self, answer: "Answer") -> UpstreamFailure:
        said = b""
        with suppress(UpstreamFailure):
            said = await answer.whole()
        detail = f"status {answer.status}: {said[:LOGGED_BODY].decode(errors='replace')}"
        return _failure(answer, detail, self._explained(said))

    def _explained(self, said: bytes) -> Explained | None:
        if self._explain is None:
            return None
        try:
            return self._explain(orjson.loads(said))
        except orjson.JSONDecodeError:
            return None


class Answer:
    """A backend's answer whose head has arrived."""

    def __init__(self, upstream: Upstream, reach: Reach, patience: Patience) -> None:
        self.patience = patience
        self.ended = False
        """Set by a reader that knows by the content that nothing more will come."""
        self._upstream, self._reach = upstream, reach
        self._response: aiohttp.ClientResponse | None = None
        self._inflate: _Inflate | None = None
        self._size = 0

    async def __aenter__(self) -> Self:
        return self

    def begin(self, response: aiohttp.ClientResponse) -> None:
        """Takes the head."""
        self._response = response
        self._content = response.content
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers
        if encoding := response.headers.get("Content-Encoding"):
            self._inflate = _inflating(encoding)

    async def __aexit__(self, *error: object) -> None:
        """Gives the connection back if the body was read or has as good as ended, otherwise closes it."""
        self.patience.close()
        self._upstream.release()
        if self._response is None:
            return
        try:
            if self.ended and not self._content.at_eof():
                await self._drain()
        finally:
            self._response.close()

    async def _drain(self) -> None:
        drained = 0
        with suppress(TimeoutError, aiohttp.ClientError, OSError, ValueError):
            async with asyncio.timeout(DRAIN_SECONDS):
                while drained <= DRAIN_BYTES and (received := await self._content.readany()):
                    drained += len(received)

    @property
    def type(self) -> str:
        """The media type, in lower case, without parameters; empty when there is none."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

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
        content = self._content
        try:
            if (received := content.read_nowait()) or content.at_eof():
                return received
            return await self.patience.wait(content.readany(), self._reach.timeout.idle)
        except TimeoutError as error:
            raise (UpstreamDeadline() if self.patience.spent else UpstreamIdleTimeout()) from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _named(error, begun=True) from error


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


def _trusting(tls: TLS | None) -> ssl.SSLContext | bool:
    return True if tls is None else ssl.create_default_context(cafile=str(tls.ca))


def _named(error: Exception, begun: bool = False) -> UpstreamFailure:
    """The failure that an error of the HTTP client stands for."""
    detail = f"{type(error).__name__}: {error}"
    match error:
        case aiohttp.ClientConnectorDNSError():
            return UpstreamDNSError(detail=detail)
        case aiohttp.ClientConnectorCertificateError() | aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
            return UpstreamTLSError(detail=detail)
        case aiohttp.ConnectionTimeoutError():
            return UpstreamConnectTimeout(detail=detail)
        case TimeoutError():
            return UpstreamTimeout(detail=detail)
        case aiohttp.ClientConnectorError():
            return UpstreamConnectError(detail=detail)
        case aiohttp.ClientConnectionError() | aiohttp.ClientPayloadError():
            return UpstreamDisconnected(detail=detail)
        case _:
            return UpstreamDisconnected(detail=detail) if begun else UpstreamProtocolError(detail=detail)


def _failure(answer: Answer, detail: str, explained: Explained | None) -> UpstreamFailure:
    """The failure that a status other than success stands for."""
    match answer.status:
        case 401 | 402 | 403 | 407:
            return UpstreamAuthError(detail=detail)
        case 429:
            return UpstreamRateLimited(detail=detail, headers=_retry_after(answer))
        case 503:
            return UpstreamUnavailable(detail=detail, headers=_retry_after(answer))
        case status if 300 <= status < 400:
            return UpstreamRedirectRefused(detail=detail)
        case status if 400 <= status < 500:
            return _rejected(detail, explained)
        case status if 500 <= status < 600:
            return UpstreamError(detail=detail)
        case _:
            return UpstreamBadResponse(detail=detail)


def _rejected(detail: str, explained: Explained | None) -> UpstreamRejected:
    if explained is None:
        return UpstreamRejected(detail=detail)
    return UpstreamRejected(explained.message, code=explained.code, param=explained.param, detail=detail)


def _retry_after(answer: Answer) -> dict[str, str]:
    given = answer.headers.get("Retry-After", "")
    with suppress(ValueError):
        wait = float(given) if given.replace(".", "", 1).isdigit() else _until(given)
        return {"retry-after": str(round(max(0, min(LONGEST_RETRY_AFTER, wait))))}
    return {}


def _until(date: str) -> float:
    when = parsedate_to_datetime(date)
    return ((when if when.tzinfo else when.replace(tzinfo=UTC)) - datetime.now(UTC)).total_seconds()
