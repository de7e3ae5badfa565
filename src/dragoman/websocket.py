"""A WebSocket to the outside: bounded, timed, closed when the call is over; and whatever goes wrong has a name."""

import asyncio
import logging
import ssl
from contextlib import suppress
from functools import cache
from socket import SOCK_STREAM
from urllib.parse import quote, urlsplit

import aiohappyeyeballs
from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.exceptions import (
    ConnectionClosed,
    ConnectionClosedOK,
    InvalidHandshake,
    InvalidMessage,
    InvalidStatus,
    PayloadTooBig,
    ProtocolError,
    TooManyFragments,
)
from websockets.frames import DATA_OPCODES, Frame
from websockets.http11 import Request
from websockets.protocol import Event
from websockets.uri import WebSocketURI

from dragoman.connection import SAFE_IN_PATH, SECOND_TRY, Untrusted
from dragoman.errors import (
    UpstreamDeadline,
    UpstreamDisconnected,
    UpstreamFailure,
    UpstreamIdleTimeout,
    UpstreamProtocolError,
    UpstreamTimeout,
    UpstreamTooLarge,
)
from dragoman.patience import Patience
from dragoman.reach import Timeouts
from dragoman.upstream import LOGGED_BODY, failure_of_status, unreached

MAX_MESSAGE = 1024 * 1024
MAX_MESSAGES = 100_000
"""Messages of one connection; pings and pongs are bounded by as many of their own."""
HELD_FRAMES = 4
"""Frames that are held for a reader before the other side is made to wait."""
PING_SECONDS = 20.0
CLOSE_SECONDS = 0.25
OWN_HEADERS = {"User-Agent": "dragoman"}

# never heard: its debug lines hold the headers, and thus the secrets
_SILENT = logging.Logger("websocket", logging.CRITICAL + 1)


async def connected(url: str, headers: dict[str, str], trust: ssl.SSLContext | None, timeouts: Timeouts) -> "WebSocket":
    """Opens ws:// or wss://; the opening handshake belongs to `timeouts.connect`. `trust` is the system's if None.

    Redirects are not followed, proxies not used. Close what it gives. Raises an UpstreamFailure.
    """
    patience = Patience(asyncio.get_running_loop(), timeouts.total)
    try:
        async with asyncio.timeout(timeouts.connect):
            connection = await _opened(_Opening(url, headers), trust)
    except (OSError, UnicodeError, Untrusted) as error:
        raise unreached(error) from error
    return WebSocket(connection, timeouts, patience)


class WebSocket:
    """An open WebSocket, on which one call is answered."""

    def __init__(self, connection: "_Connection", timeouts: Timeouts, patience: Patience) -> None:
        self._connection = connection
        self._timeouts = timeouts
        self._patience = patience
        self._count = 0

    async def send(self, message: str | bytes) -> None:
        """Sends a text message; bytes are its UTF-8. Raises an UpstreamFailure."""
        try:
            await self._patience.wait(self._connection.send(message, text=True), self._seconds)
        except TimeoutError as error:
            raise self._late() from error
        except ConnectionClosed as error:
            raise self._connection.named(error) from error

    async def read(self) -> bytes:
        """The next message, a text as its UTF-8; empty when the other side is done. Empty messages are none.

        Raises an UpstreamFailure.
        """
        message = b""
        while not message:
            try:
                message = await self._patience.wait(self._connection.recv(decode=False), self._seconds)
            except TimeoutError as error:
                raise self._late() from error
            except ConnectionClosedOK:
                return b""
            except ConnectionClosed as error:
                raise self._connection.named(error) from error
            self._count += 1
            if self._count > MAX_MESSAGES:
                raise UpstreamTooLarge(detail=f"more than {MAX_MESSAGES} messages")
        return message

    async def close(self) -> None:
        """Says goodbye, and waits no longer than CLOSE_SECONDS for an answer."""
        self._patience.close()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_SECONDS):
                    await self._connection.close()
        finally:
            self._connection.transport.abort()

    @property
    def _seconds(self) -> float:
        return self._timeouts.idle if self._count else self._timeouts.first

    def _late(self) -> UpstreamFailure:
        if self._patience.spent:
            return UpstreamDeadline()
        return UpstreamIdleTimeout() if self._count else UpstreamTimeout(detail="no message came")


class _Opening(ClientProtocol):
    """The protocol, with our headers in the place of the library's."""

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        super().__init__(_address(url), max_size=MAX_MESSAGE, logger=_SILENT)
        self._given = headers

    def connect(self) -> Request:
        request = super().connect()
        for name, value in (*OWN_HEADERS.items(), *self._given.items()):
            if name in request.headers:
                del request.headers[name]
            request.headers[name] = value
        return request


class _Connection(ClientConnection):
    """A connection that is over with what ends it, where the library waits for the other side to close."""

    def __init__(self, opening: _Opening) -> None:
        # whether an answer is late is not for pings to say
        super().__init__(
            opening,
            ping_interval=PING_SECONDS,
            ping_timeout=None,
            close_timeout=CLOSE_SECONDS,
            max_queue=HELD_FRAMES,
        )
        self._controls = 0
        self._ended_here = False

    async def shake_hands(self) -> None:
        """Raises an UpstreamFailure if the other side does not."""
        try:
            await self.handshake(None, None)
        except InvalidStatus as error:
            said = error.response
            detail = f"status {said.status_code}: {said.body[:LOGGED_BODY].decode(errors='replace')}"
            retry_after = ", ".join(said.headers.get_all("Retry-After"))
            raise failure_of_status(said.status_code, retry_after, detail) from error
        except (InvalidHandshake, ConnectionClosed) as error:
            detail = f"{error}: {error.__cause__}" if isinstance(error, InvalidMessage) else str(error)
            cut_off = isinstance(error, InvalidMessage | ConnectionClosed) and not self._ended_here
            raise (UpstreamDisconnected if cut_off else UpstreamProtocolError)(detail=detail[:LOGGED_BODY]) from error

    def named(self, error: ConnectionClosed) -> UpstreamFailure:
        """The failure that the connection's end stands for."""
        if self._controls > MAX_MESSAGES:
            return UpstreamTooLarge(detail=f"more than {MAX_MESSAGES} pings")
        cause = self.protocol.parser_exc or error.__cause__
        match cause:
            case PayloadTooBig() | TooManyFragments():
                return UpstreamTooLarge(detail=str(cause))
            case ProtocolError() | UnicodeDecodeError():
                return UpstreamProtocolError(detail=str(cause))
            case _:
                return UpstreamDisconnected(detail=str(error))

    def process_event(self, event: Event) -> None:
        self._controls += isinstance(event, Frame) and event.opcode not in DATA_OPCODES
        super().process_event(event)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.protocol.close_expected() or self._controls > MAX_MESSAGES:
            self._ended_here = True
            self.transport.close()


async def _opened(opening: _Opening, trust: ssl.SSLContext | None) -> _Connection:
    connection = await _dialled(opening, trust)
    try:
        await connection.shake_hands()
    except BaseException:
        connection.transport.abort()
        raise
    connection.start_keepalive()
    return connection


async def _dialled(opening: _Opening, trust: ssl.SSLContext | None) -> _Connection:
    loop, uri = asyncio.get_running_loop(), opening.uri
    addresses = await loop.getaddrinfo(uri.host, uri.port, type=SOCK_STREAM)
    sock = await aiohappyeyeballs.start_connection(addresses, happy_eyeballs_delay=SECOND_TRY, loop=loop)
    try:
        _, connection = await loop.create_connection(
            lambda: _Connection(opening),
            sock=sock,
            ssl=(trust or _system_trust()) if uri.secure else None,
            server_hostname=uri.host if uri.secure else None,
            ssl_shutdown_timeout=CLOSE_SECONDS if uri.secure else None,
        )
    except OSError as error:
        sock.close()
        raise (Untrusted(str(error)) if uri.secure else error) from error
    except BaseException:
        sock.close()
        raise
    return connection


def _address(url: str) -> WebSocketURI:
    parts = urlsplit(url)
    secure = parts.scheme == "wss"
    host = (parts.hostname or "").encode("idna").decode()
    path, query = (quote(part, safe=SAFE_IN_PATH) for part in (parts.path, parts.query))
    return WebSocketURI(secure, host, parts.port or (443 if secure else 80), path, query)


@cache
def _system_trust() -> ssl.SSLContext:
    return ssl.create_default_context()
