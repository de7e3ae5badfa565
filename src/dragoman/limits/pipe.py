"""Commands to one Redis, many in flight at once on one connection, answered in order.

redis-py speaks for one caller at a time, at some ten times the cost of a command.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import import_module
from typing import Any

from dragoman.errors import ConfigError, MemoryDown
from dragoman.logs import log

CONNECT_SECONDS = 1.0
PAUSES = (0.05, 0.2, 0.5, 1.0)
"""Seconds before it is connected again, the last one from then on."""

Orphan = Callable[[Any], None]


def packed(parts: Sequence[bytes]) -> bytes:
    """A command as Redis reads it (RESP)."""
    return b"".join([b"*%d\r\n" % len(parts), *(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)])


class Pipe:
    """Stays connected while it is open. While it is not, everything asked of it raises MemoryDown at once."""

    def __init__(self, url: str, seconds: float = 1.0) -> None:
        """An answer may take so many seconds. Raises ConfigError for a URL that cannot be used."""
        self._place = _Place(url)
        self._seconds = seconds
        self._talk: _Talk | None = None
        self._keeping: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "Pipe":
        self._tried = asyncio.Event()
        self._keeping = asyncio.ensure_future(self._keep())
        await self._tried.wait()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._keeping:
            self._keeping.cancel()
            await asyncio.gather(self._keeping, return_exceptions=True)
        if self._talk:
            self._talk.end("closed")

    @property
    def up(self) -> bool:
        """Whether it is connected."""
        return self._talk is not None and not self._talk.ended.done()

    def ask(self, command: bytes, orphan: Orphan | None = None) -> "asyncio.Future[Any]":
        """The answer to a packed command, which may be an error of Redis's.

        The future fails with MemoryDown if there is none in time. If it is cancelled, `orphan` gets the answer.
        """
        if self._talk is None or self._talk.ended.done():
            raise MemoryDown("not connected")
        return self._talk.ask(command, orphan)

    async def _keep(self) -> None:
        """Connects, and again whenever the connection is lost."""
        failed = 0
        while True:
            try:
                async with asyncio.timeout(CONNECT_SECONDS):
                    talk = await self._place.talk(self._seconds)
            except (OSError, MemoryDown) as error:
                if not failed:
                    log.warning("redis not reached", message=type(error).__name__)
                self._tried.set()
                await asyncio.sleep(PAUSES[min(failed, len(PAUSES) - 1)])
                failed += 1
                continue
            failed, self._talk = 0, talk
            self._tried.set()
            try:
                await asyncio.wait([talk.ended])
            finally:
                self._talk = None
                talk.end("closed")


class _Talk(asyncio.Protocol):
    """One connection."""

    def __init__(self, reader: Any, seconds: float) -> None:
        self._reader, self._seconds = reader, seconds
        self._loop = asyncio.get_running_loop()
        self.ended = self._loop.create_future()
        self._waiting: deque[tuple[asyncio.Future[Any], float, Orphan | None]] = deque()
        self._unsent: list[bytes] = []
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def ask(self, command: bytes, orphan: Orphan | None = None) -> "asyncio.Future[Any]":
        answer = self._loop.create_future()
        now = self._loop.time()
        self._waiting.append((answer, now, orphan))
        if not self._unsent:
            self._loop.call_soon(self._send)
        self._unsent.append(command)
        if self._timer is None:
            self._timer = self._loop.call_later(self._seconds, self._check)
        return answer

    def _send(self) -> None:
        if not self.ended.done():
            self._transport.write(b"".join(self._unsent))
        self._unsent.clear()

    def data_received(self, data: bytes) -> None:
        self._reader.feed(data)
        try:
            while (answer := self._reader.gets()) is not False:
                self._give(answer)
        except Exception as error:
            self.end(f"it does not speak as Redis does: {type(error).__name__}")

    def _give(self, answer: Any) -> None:
        if not self._waiting:
            self.end("it answered what was not asked")
            return
        future, _, orphan = self._waiting.popleft()
        if not future.done():
            future.set_result(answer)
        elif orphan is not None:
            orphan(answer)

    def _check(self) -> None:
        """Ends a connection that has not answered for too long."""
        self._timer = None
        if not self._waiting:
            return
        late = self._waiting[0][1] + self._seconds - self._loop.time()
        if late <= 0:
            self.end("no answer in time")
        else:
            self._timer = self._loop.call_later(late, self._check)

    def connection_lost(self, error: Exception | None) -> None:
        self.end("the connection was lost")

    def end(self, why: str) -> None:
        """Ends it; who still waits is told why."""
        if self.ended.done():
            return
        self.ended.set_result(why)
        if self._timer:
            self._timer.cancel()
        self._transport.abort()
        while self._waiting:
            future, _, _ = self._waiting.popleft()
            if not future.done():
                future.set_exception(MemoryDown(why))


class _Place:
    """Where a Redis is, and how one logs in there."""

    def __init__(self, url: str) -> None:
        try:
            redis: Any = import_module("redis.asyncio.connection")
            self._hiredis: Any = import_module("hiredis")
        except ImportError:
            raise ConfigError("limits in Redis need its library: install dragoman[redis]") from None
        try:
            self._options: dict[str, Any] = redis.parse_url(url)
        except ValueError:
            raise ConfigError("this is no URL of a Redis") from None
        self._ssl = _context(self._options) if url.startswith("rediss:") else None

    async def talk(self, seconds: float) -> _Talk:
        """A connection that is logged in. Raises OSError, MemoryDown."""
        loop = asyncio.get_running_loop()

        def made() -> _Talk:
            return _Talk(self._hiredis.Reader(protocolError=ValueError), seconds)

        options = self._options
        if path := options.get("path"):
            _, talk = await loop.create_unix_connection(made, path)
        else:
            host, port = options.get("host", "localhost"), int(options.get("port", 6379))
            _, talk = await loop.create_connection(made, host, port, ssl=self._ssl)
        try:
            for answer in await asyncio.gather(*(talk.ask(packed(command)) for command in self._greeting())):
                if isinstance(answer, Exception):
                    raise MemoryDown(str(answer))
        except BaseException:
            talk.end("it could not log in")
            with suppress(asyncio.CancelledError):
                await talk.ended
            raise
        return talk

    def _greeting(self) -> list[list[bytes]]:
        user, password, number = (self._options.get(name) for name in ("username", "password", "db"))
        login = [part.encode() for part in (user, password) if part]
        greeting = [[b"AUTH", *login]] if password else []
        return [*greeting, [b"SELECT", b"%d" % int(number or 0)]]


def _context(options: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"))
    if options.get("ssl_certfile"):
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    if str(options.get("ssl_check_hostname", True)).lower() in ("false", "0", "no"):
        context.check_hostname = False
    if options.get("ssl_cert_reqs") == "none":
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context
