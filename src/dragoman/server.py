"""The server process: uvicorn with the caller's bounds kept before a request has even become one."""

import asyncio
import gc
import os
import resource
import signal
import socket
import struct
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import httptools
import uvicorn
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol
from uvicorn.supervisors import ChangeReload, Multiprocess
from uvicorn.supervisors.multiprocess import Process

from dragoman.app import Gateway
from dragoman.config import Config, Handed, hand_down, handed_down
from dragoman.edge import MAX_HEADER_BYTES, Bounds, request_id_in
from dragoman.errors import Failure, HeadersTooLarge, MalformedHTTP, TooManyConnections, TooSlow
from dragoman.life import Living
from dragoman.logs import log, note_failure, written

HEAD_SECONDS = 10.0
FRAMING = (b"content-length", b"transfer-encoding")
RESET = struct.pack("ii", 1, 0)
"""Closes a socket at once and drops what was not read, instead of keeping it for a peer that never reads."""
GC_THRESHOLDS = (10_000, 20, 20)
"""A call makes many objects and leaves no circles: looking for some less often saves 6 % of its time."""
FACTORY = "dragoman.server:served_app"
RESTART_SECONDS = 2.0
"""How long a worker that cannot start is left before another is tried in its place."""

_per_ip: Counter[str] = Counter()


class _Corked:
    """A transport that writes an answer's head together with what follows it in the same turn of the event loop."""

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        if self._head:
            self._transport.write(self._head + data)
            self._head = b""
        elif data.startswith(b"HTTP/1.1 "):
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def _flush(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""


class Protocol(HttpToolsProtocol):
    """uvicorn's HTTP/1.1 with a deadline and a size for the head, one `Host`, and errors in OpenAI's envelope."""

    def connection_made(self, transport: Any) -> None:
        super().connection_made(_Corked(transport, self.loop))  # type: ignore[arg-type]
        self._failure: Failure | None = None
        self._in_head = self._in_message = False
        self._head_size = 0
        self._stall: asyncio.TimerHandle | None = None
        terms = getattr(self.config.loaded_app, "terms", None)
        self._bounds: Bounds = terms.bounds if terms else Bounds()
        self._ip = self.client[0] if self.client else ""
        _per_ip[self._ip] += 1
        self._timer = self.loop.call_later(HEAD_SECONDS, self._check)
        most = self._bounds.connections_per_ip
        if len(self.connections) > self._bounds.connections or (most and _per_ip[self._ip] > most):
            self._refuse(TooManyConnections(headers={"retry-after": "1"}))

    def connection_lost(self, exc: Exception | None) -> None:
        self._timer.cancel()
        if self._stall:
            self._stall.cancel()
        _per_ip[self._ip] -= 1
        if not _per_ip[self._ip]:
            del _per_ip[self._ip]
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unread = self.transport.get_write_buffer_size()
        self._stall = self.loop.call_later(self._bounds.stalled, self._stalled)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._stall:
            self._stall.cancel()

    def _stalled(self) -> None:
        """Hangs up on a caller that has read nothing all the time."""
        unread, self._unread = self._unread, self.transport.get_write_buffer_size()
        if self._unread >= unread:
            self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.transport.abort()
        else:
            self._stall = self.loop.call_later(self._bounds.stalled, self._stalled)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        between = not self._in_message
        self._unset_keepalive_if_required()
        self._feed(data)
        if self._in_head:
            self._head_size += len(data)
            if self._head_size > MAX_HEADER_BYTES:
                self._refuse(HeadersTooLarge())
        if between and self._in_message:
            self._timer.cancel()
            self._timer = self.loop.call_later(HEAD_SECONDS, self._check)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as offer:
            self._decline(data[offer.args[0] :])
        except httptools.HttpParserError:
            self._refuse(self._failure or MalformedHTTP())

    def _decline(self, rest: bytes) -> None:
        """Goes on in HTTP/1.1 where a caller offers to speak something else, for which the parser has dropped the body.

        Java's HTTP client and `curl --http2` offer h2c with every request; a server may ignore that (RFC 9110, 7.8).
        """
        framing = [b"%b: %b\r\n" % header for header in self.headers if header[0] in FRAMING]
        listener = _Later(self)
        self.parser = httptools.HttpRequestParser(listener)
        self.parser.feed_data(b"POST / HTTP/1.1\r\n" + b"".join(framing) + b"\r\n")
        listener.listens = True
        if rest:
            self._feed(rest)

    def on_message_begin(self) -> None:
        self._in_head = self._in_message = True
        self._head_size = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        if [name for name, _ in self.headers].count(b"host") != 1 and self.parser.get_http_version() == "1.1":
            self._failure = MalformedHTTP("A request needs exactly one Host header.")
            raise ValueError("host")
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        self._in_message = False
        super().on_message_complete()

    def _check(self) -> None:
        """Ends a connection whose request head, or whose unwanted rest of a body, does not come to an end."""
        if self._in_head:
            self._refuse(TooSlow())
        elif self.cycle is None or (self._in_message and self.cycle.response_complete):
            self.transport.close()
        elif self._in_message:
            self._timer = self.loop.call_later(HEAD_SECONDS, self._check)

    def _refuse(self, failure: Failure) -> None:
        """Answers without the application, and closes; silently while another answer is on its way."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not (self._in_head or self.cycle.response_started):
            request_id = request_id_in(())
            note_failure(request_id, failure, failure.status)
            self.transport.write(_written(failure, request_id))
        self.transport.close()


class _Later:
    """Listens to a parser for a protocol, but not to the head that is repeated to it."""

    def __init__(self, protocol: Protocol) -> None:
        self.listens = False
        self._protocol = protocol
        self.on_body = protocol.on_body
        self.on_message_complete = protocol.on_message_complete

    def on_message_begin(self) -> None:
        if self.listens:
            self._protocol.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self.listens:
            self._protocol.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.listens:
            self._protocol.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self.listens:
            self._protocol.on_headers_complete()


def _written(failure: Failure, request_id: str) -> bytes:
    body = failure.envelope(request_id)
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-request-id": request_id,
        "connection": "close",
        **failure.headers,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return STATUS_LINE[failure.status] + lines.encode() + b"\r\n" + body


@asynccontextmanager
async def _settled() -> AsyncIterator[None]:
    """Spares what is there for good from garbage collection, which shortens its pauses."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    yield


def _app(handed: Handed, config: Config) -> Any:
    gateway = Gateway(config, handed.record)
    gateway.opens(_settled())
    gateway.opens(Living(gateway, handed.file, handed.watch))
    return gateway.app


def served_app() -> Any:
    """The application of a worker process, made from what the first process handed down."""
    handed = handed_down()
    config = handed.config
    written(handed.log_level, config.log)
    return _app(handed, config)


class _Workers(Multiprocess):
    """uvicorn's worker processes: told to reload instead of being replaced, and told again when told to end again.

    One that cannot start in the place of one that died does not end the others.
    """

    _again = False
    _not_before = 0.0

    def keep_subprocess_alive(self) -> None:
        if time.monotonic() < self._not_before or self.should_exit.is_set():
            return
        super().keep_subprocess_alive()
        if self.should_exit.is_set() and any(worker.process.is_alive() for worker in self.processes):
            self.should_exit.clear()
            self._not_before = time.monotonic() + RESTART_SECONDS
            log.error("worker failed to start", message="the others go on; the configuration may be wrong")
            self._replace_dead()

    def _replace_dead(self) -> None:
        for place, worker in enumerate(self.processes):
            if not worker.process.is_alive():
                self.processes[place] = Process(self.config, self.sockets)
                self.processes[place].start()

    def handle_hup(self) -> None:
        self._tell(signal.SIGHUP)

    def handle_term(self) -> None:
        self._again = self.should_exit.is_set()
        super().handle_term()

    def handle_int(self) -> None:
        self._again = self.should_exit.is_set()
        super().handle_int()

    def join_all(self) -> None:
        for worker in self.processes:
            while worker.process.is_alive():
                worker.process.join(0.1)
                if self.signal_queue or self._again:
                    self.signal_queue.clear()
                    self._again = False
                    self._tell(signal.SIGTERM)

    def _tell(self, number: signal.Signals) -> None:
        for worker in self.processes:
            if worker.pid and worker.process.is_alive():
                os.kill(worker.pid, number)


def bound(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=2048)


def serve(config: Config, listening: socket.socket, handed: Handed, workers: int = 1, reload: bool = False) -> None:
    """Serves until a signal ends it; `handed` says what the configuration was made of."""
    with suppress(ValueError, OSError):
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until there is something to reload
    many = workers > 1 or reload
    if many:
        hand_down(handed)
    options = settings(
        FACTORY if many else _app(handed, config),
        factory=many,
        workers=workers,
        reload=reload,
        reload_includes=["*.py", "*.yaml"] if reload else None,
    )
    if reload:
        ChangeReload(options, target=uvicorn.Server(options).run, sockets=[listening]).run()
    elif workers > 1:
        _Workers(options, sockets=[listening]).run()
    else:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, _over)  # uvicorn raises the signal again once it has ended
        uvicorn.Server(options).run(sockets=[listening])


def _over(number: int, frame: Any) -> None:
    raise SystemExit(0)


def settings(app: Any, **more: Any) -> uvicorn.Config:
    """How uvicorn serves the application."""
    return uvicorn.Config(
        app,
        http=Protocol,
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=5,
        **more,
    )
