"""HTTP/1.1 to one origin, for the hot path: a request in one write, its answer as it arrives, connections kept."""

import asyncio
import ipaddress
import socket
import ssl
from typing import Any
from urllib.parse import quote, urlsplit

import aiohappyeyeballs
import httptools

MAX_HEADERS = 128
MAX_HEAD = 64 * 1024
HELD = 256 * 1024
"""Bytes of a body that are held for a reader before the other side is made to wait."""
IDLE_SECONDS = 15.0
ADDRESSES_HOLD = 10.0
SECOND_TRY = 0.25
"""Seconds after which a host's next address is tried beside the first (RFC 8305)."""
SAFE_IN_PATH = "/%:@!$&'()*+,;=~-._?"


class Broken(Exception):
    """The connection ended before the answer was whole."""


class NotHTTP(Exception):
    """What came is not an HTTP/1.1 answer within bounds."""


class Untrusted(Exception):
    """The other side did not prove who it is."""


class Connection(asyncio.Protocol):
    """One connection, and the answer that is arriving on it."""

    def __init__(self, origin: "Origin") -> None:
        self._origin = origin
        self._waiter: asyncio.Future[None] | None = None
        self._parser: Any = None
        self.transport: Any = None
        self.lost = False
        self.since = 0.0

    def send(self, request: bytes) -> None:
        """Sends a request; what was said of an earlier answer is forgotten."""
        self.status = 0
        self.headers: dict[bytes, bytes] = {}
        self.complete = self._begun = self._interim = self._to_end = self._keep = False
        self._fields: list[tuple[bytes, bytes]] = []
        self._pieces: list[bytes] = []
        self._held = self._head = 0
        self._failure: Exception | None = None
        self._parser = httptools.HttpResponseParser(self)
        self.transport.write(request)

    async def begun(self) -> None:
        """Waits for the answer's head. Raises Broken or NotHTTP."""
        while not self._begun:
            await self.more()

    def taken(self) -> bytes:
        """What has arrived of the body since the last time."""
        if not self._pieces:
            return b""
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        if self._held > HELD and not self.lost:
            self.transport.resume_reading()
        self._held = 0
        return body

    async def more(self) -> None:
        """Waits until there is more to take. Raises Broken or NotHTTP."""
        if self._failure:
            raise self._failure
        self._waiter = waiter = self._origin.loop.create_future()
        try:
            await waiter
        finally:
            if self._waiter is waiter:  # and not already that of the next call
                self._waiter = None
        if self._failure and not self._pieces:
            raise self._failure

    @property
    def reusable(self) -> bool:
        """Whether another request may follow."""
        return self.complete and self._keep and not self.lost and not self.transport.is_closing()

    def close(self) -> None:
        """Closes it at once, and drops whatever is under way."""
        if self.transport:
            self.transport.abort()

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        if self._parser is None or self.complete:
            self._keep = False
            self.close()
            return
        self._head += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._begun = self.complete = True
        except httptools.HttpParserError as error:
            if not self.complete:
                self._fail(NotHTTP(str(error)))
            self._keep = False
        if not self._begun and self._head > MAX_HEAD:
            self._fail(NotHTTP(f"a head of more than {MAX_HEAD} bytes"))
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        self._origin.forget(self)
        if self._parser is None or self.complete:
            return
        if self._to_end and exc is None:
            self.complete = True
        else:
            self._fail(Broken(str(exc or "closed by the other side")))
        self._wake()

    def on_message_begin(self) -> None:
        if self.complete:
            raise ValueError("more than one answer")
        self._fields = []

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields.append((name.lower(), value))
        if len(self._fields) > MAX_HEADERS:
            raise ValueError("too many headers")

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        self._interim = 100 <= status < 200 and status != 101
        if self._interim:
            return
        if sum(len(name) + len(value) for name, value in self._fields) > MAX_HEAD:
            raise ValueError("too large headers")
        self.status, self.headers, self._begun = status, dict(self._fields), True
        headers = self.headers
        self._to_end = b"content-length" not in headers and b"transfer-encoding" not in headers

    def on_body(self, body: bytes) -> None:
        self._pieces.append(body)
        before, self._held = self._held, self._held + len(body)
        if before <= HELD < self._held:
            self.transport.pause_reading()

    def on_message_complete(self) -> None:
        if not self._interim:
            self.complete = True
            self._keep = self._parser.should_keep_alive()

    def _fail(self, failure: Exception) -> None:
        self._failure = self._failure or failure
        self.close()

    def _wake(self) -> None:
        if self._waiter and not self._waiter.done():
            self._waiter.set_result(None)


class Origin:
    """Where requests go: one scheme, host and port, with the connections that are kept to it."""

    def __init__(self, url: str, trust: ssl.SSLContext | None, connect_seconds: float) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        self.loop = asyncio.get_running_loop()
        host = parts.hostname or ""
        self.host = host if _is_address(host) else host.encode("idna").decode()
        self.port = parts.port or (443 if secure else 80)
        self.target = quote((parts.path or "/") + (f"?{parts.query}" if parts.query else ""), safe=SAFE_IN_PATH)
        shown = f"[{self.host}]" if ":" in self.host else self.host
        self.authority = shown if parts.port is None else f"{shown}:{self.port}"
        self._trust = (trust or ssl.create_default_context()) if secure else None
        self._connect_seconds = connect_seconds
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._addresses: list[Any] = []
        self._addresses_until = 0.0
        self._sweeper: asyncio.TimerHandle | None = None

    async def connection(self) -> Connection:
        """A connection that is open, kept or new. Raises socket.gaierror, Untrusted, TimeoutError or OSError."""
        while self._idle:
            kept = self._idle.pop()
            if kept.reusable:
                return kept
        async with asyncio.timeout(self._connect_seconds):
            return await self._connected()

    def give_back(self, connection: Connection) -> None:
        """Keeps a connection for another request if it can serve one, and closes it otherwise."""
        if not connection.reusable:
            connection.close()
            return
        connection.since = self.loop.time()
        self._idle.append(connection)
        if self._sweeper is None:
            self._sweeper = self.loop.call_later(IDLE_SECONDS, self._sweep)

    def forget(self, connection: Connection) -> None:
        """A connection is lost."""
        self._open.discard(connection)

    async def close(self) -> None:
        """Closes all connections."""
        if self._sweeper:
            self._sweeper.cancel()
        for connection in list(self._open):
            connection.close()
        await asyncio.sleep(0)

    def _sweep(self) -> None:
        """Closes what has been idle for long."""
        now = self.loop.time()
        for connection in self._idle:
            if now - connection.since >= IDLE_SECONDS:
                connection.close()
        self._idle = [connection for connection in self._idle if now - connection.since < IDLE_SECONDS]
        self._sweeper = self.loop.call_later(IDLE_SECONDS, self._sweep) if self._idle else None

    async def _connected(self) -> Connection:
        sock = await aiohappyeyeballs.start_connection(
            await self._resolved(), happy_eyeballs_delay=SECOND_TRY, loop=self.loop
        )
        connection = Connection(self)
        try:
            name = self.host if self._trust else None
            await self.loop.create_connection(lambda: connection, sock=sock, ssl=self._trust, server_hostname=name)
        except OSError as error:
            sock.close()
            raise (Untrusted(str(error)) if self._trust else error) from error
        except BaseException:
            sock.close()
            raise
        self._open.add(connection)
        return connection

    async def _resolved(self) -> list[Any]:
        if self.loop.time() < self._addresses_until:
            return self._addresses
        if _is_address(self.host):
            self._addresses = socket.getaddrinfo(
                self.host, self.port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
            )
        else:
            self._addresses = await self.loop.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        self._addresses_until = self.loop.time() + ADDRESSES_HOLD
        return self._addresses


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
