"""A WebSocket to a backend: what it says arrives, and whatever goes wrong has a name."""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress

import pytest
import trustme
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close, Frame, Opcode
from websockets.utils import accept_key

from dragoman import errors, websocket
from dragoman.errors import UpstreamFailure
from dragoman.reach import Timeouts
from dragoman.websocket import MAX_MESSAGE, WebSocket, connected
from tests.upstream import Connection, Received, Script, Upstream, always, answer, listening

PATIENT = Timeouts(connect=5, first=5, idle=5, total=10)
Failures = type[UpstreamFailure]


def frame(code: Opcode, data: bytes = b"", fin: bool = True, mask: bool = False) -> bytes:
    return Frame(code, data, fin).serialize(mask=mask)


def text(*messages: bytes) -> bytes:
    return b"".join(frame(Opcode.TEXT, message) for message in messages)


def closing(code: int) -> bytes:
    return frame(Opcode.CLOSE, Close(code, "because").serialize() if code else b"")


def handshake(received: Received, *headers: str, key: str | None = None) -> bytes:
    accepted = accept_key(received.headers["sec-websocket-key"]) if key is None else key
    lines = ["HTTP/1.1 101 x", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accepted}"]
    return "\r\n".join([*lines, *headers, "", ""]).encode()


def speaking(*pieces: bytes, pause: float = 0.0, then: Callable[[Connection], None] | None = None) -> Script:
    """Shakes hands, writes these bytes, and stays, unless there is something else to do then."""

    async def script(connection: Connection, received: Received) -> None:
        await connection.send(handshake(received))
        await connection.send(*pieces, pause=pause)
        if then:
            then(connection)
        else:
            await connection.gone()

    return script


def finish(connection: Connection) -> None:
    connection.writer.close()


@asynccontextmanager
async def talking(
    script: Script, timeouts: Timeouts = PATIENT, trust: ssl.SSLContext | None = None, **options: ssl.SSLContext
) -> AsyncIterator[tuple[WebSocket, Upstream]]:
    """An open WebSocket to an upstream that does as the script says."""
    async with listening(script, **options) as upstream:
        scheme = "wss" if trust else "ws"
        opened = await connected(f"{scheme}://localhost:{upstream.port}/chat", {}, trust, timeouts)
        try:
            yield opened, upstream
        finally:
            await opened.close()


@asynccontextmanager
async def served(handler: Callable[[ServerConnection], Awaitable[None]]) -> AsyncIterator[WebSocket]:
    """An open WebSocket to a server of the usual kind."""
    async with serve(handler, "127.0.0.1", 0) as server:
        opened = await connected(f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}", {}, None, PATIENT)
        try:
            yield opened
        finally:
            await opened.close()


async def heard(opened: WebSocket) -> list[bytes]:
    messages = []
    while message := await opened.read():
        messages.append(message)
    return messages


async def unopened(url: str, timeouts: Timeouts = PATIENT, trust: ssl.SSLContext | None = None) -> UpstreamFailure:
    with pytest.raises(UpstreamFailure) as raised:
        await connected(url, {}, trust, timeouts)
    return raised.value


HALF, MORE = frame(Opcode.TEXT, b"x", fin=False), frame(Opcode.CONT, b"x", fin=False)


# What is said


async def test_messages_go_both_ways():
    async def echo(other: ServerConnection) -> None:
        async for message in other:
            await other.send([message[:1], message[1:]] if len(message) > 1 else message)
            if message == "bye":
                return

    async with served(echo) as opened:
        for said in ("Hällo", '{"a": 1}', b'{"b": "\xc3\xa4"}', "x" * 100_000):
            await opened.send(said)
            assert await opened.read() == (said.encode() if isinstance(said, str) else said)
        await opened.send("bye")
        assert [await opened.read(), await opened.read(), await opened.read()] == [b"bye", b"", b""]


async def test_what_is_sent_is_text_even_if_it_is_given_as_bytes():
    heard: list[str | bytes] = []

    async def listen(other: ServerConnection) -> None:
        heard.extend([await other.recv(), await other.recv()])

    async with served(listen) as opened:
        await opened.send("ä")
        await opened.send("ö".encode())
        assert await opened.read() == b""
    assert heard == ["ä", "ö"]


PARTS = frame(Opcode.TEXT, b"a\xc3", fin=False) + frame(Opcode.PING, b"?") + frame(Opcode.CONT, b"\xa4")


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (text(b"a", b"", b"b"), [b"a", b"b"]),
        (frame(Opcode.BINARY, b"\x00\xff") + text(b"\xff"), [b"\x00\xff", b"\xff"]),
        (PARTS + text(b"c"), ["aä".encode(), b"c"]),
        (frame(Opcode.PONG, b"x") + text(b"x" * MAX_MESSAGE), [b"x" * MAX_MESSAGE]),
        (text(*[b"%d" % number for number in range(300)]), [b"%d" % number for number in range(300)]),
    ],
    ids=["empty", "binary", "fragments", "large", "many"],
)
@pytest.mark.parametrize("end", [1000, 1001, None])
async def test_a_message_is_a_message_however_it_comes(said: bytes, expected: list[bytes], end: int):
    whole = said + closing(end)
    pieces = [whole] if len(whole) > 500 else [whole[at : at + 1] for at in range(len(whole))]
    for cut in ([whole], pieces):
        async with talking(speaking(*cut, pause=0.0001)) as (opened, _):
            began = time.monotonic()
            assert await heard(opened) == expected
            assert await opened.read() == b""
            assert time.monotonic() - began < 2, "it stays connected, but all is said"


async def test_the_handshake_says_who_asks_and_nothing_that_was_not_asked_for():
    async with listening(speaking(closing(1000), then=finish)) as upstream:
        given = {"Authorization": "Bearer x", "user-agent": "mine", "HOST": "there"}
        for headers in ({}, given):
            url = f"ws://127.0.0.1:{upstream.port}/a%20b/ä c?q=ü&r={{1}}"
            opened = await connected(url, headers, None, PATIENT)
            await opened.close()
        own, configured = upstream.requests
        assert own.head.startswith("GET /a%20b/%C3%A4%20c?q=%C3%BC&r=%7B1%7D HTTP/1.1")
        assert (own.headers["user-agent"], own.headers["host"]) == ("dragoman", f"127.0.0.1:{upstream.port}")
        assert not own.headers.keys() & {"sec-websocket-extensions", "sec-websocket-protocol", "authorization"}
        assert {name.lower(): configured.headers[name.lower()] for name in given} == {
            name.lower(): value for name, value in given.items()
        }


async def test_secrets_of_the_handshake_are_not_logged(caplog: pytest.LogCaptureFixture):
    caplog.set_level(logging.DEBUG)
    async with listening(always(answer(b"no", status="401 No"))) as upstream:
        with pytest.raises(errors.UpstreamAuthError):
            await connected(f"ws://127.0.0.1:{upstream.port}/?key=sk-1", {"X-Key": "sk-2"}, None, PATIENT)
    assert "sk-" not in caplog.text


# Nobody there, or nobody to talk to


async def test_who_cannot_be_reached_is_told_by_the_reason(monkeypatch: pytest.MonkeyPatch):
    def unknown(host: str, *more: object, **options: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        assert type(await unopened(f"ws://127.0.0.1:{deaf.getsockname()[1]}")) is errors.UpstreamConnectError
    assert type(await unopened(f"ws://{'a' * 64}.example")) is errors.UpstreamConnectError
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert type(await unopened("wss://nowhere.invalid")) is errors.UpstreamDNSError


async def test_the_whole_opening_must_be_over_in_time():
    async def silence(connection: Connection, received: Received) -> None:
        await connection.gone()

    async with listening(silence) as upstream:
        for scheme in ("ws", "wss"):
            url = f"{scheme}://127.0.0.1:{upstream.port}"
            failure = await unopened(url, Timeouts(connect=0.1))
            assert type(failure) is errors.UpstreamConnectTimeout
        await asyncio.wait_for(upstream.connections[0].closed.wait(), 2)


def certified(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


async def test_only_who_is_trusted_is_talked_to():
    authority = trustme.CA()
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    async with talking(speaking(text(b"Hi")), trust=trust, ssl=certified(authority, "localhost")) as (opened, _):
        assert await opened.read() == b"Hi"
        began = time.monotonic()
    assert time.monotonic() - began < 2
    for context, trusted, scheme, expected in (
        (certified(authority, "localhost"), None, "wss", errors.UpstreamTLSError),
        (certified(authority, "elsewhere"), trust, "wss", errors.UpstreamTLSError),
        (certified(authority, "localhost"), None, "ws", errors.UpstreamDisconnected),
    ):
        async with listening(always(b"what?"), ssl=context) as upstream:
            failure = await unopened(f"{scheme}://localhost:{upstream.port}", trust=trusted)
            assert type(failure) is expected


async def test_who_speaks_no_tls_is_not_trusted():
    def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 hello\r\n")
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
        failure = await unopened(f"wss://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    assert type(failure) is errors.UpstreamTLSError


async def test_proxies_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch):
    async with listening(always(answer(b""))) as proxy:
        for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy", "wss_proxy", "socks_proxy"):
            monkeypatch.setenv(name, proxy.url)
            monkeypatch.setenv(name.upper(), proxy.url)
        async with talking(speaking(text(b"Hi"))) as (opened, _):
            assert await opened.read() == b"Hi"
        assert proxy.connections == []


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        ("200 OK", errors.UpstreamBadResponse),
        ("204 No Content", errors.UpstreamBadResponse),
        ("400 Bad Request", errors.UpstreamRejected),
        ("401 Unauthorized", errors.UpstreamUnauthorized),
        ("403 Forbidden", errors.UpstreamAuthError),
        ("404 Not Found", errors.UpstreamNotFound),
        ("426 Upgrade Required", errors.UpstreamRejected),
        ("429 Too Many Requests", errors.UpstreamRateLimited),
        ("500 Internal Server Error", errors.UpstreamError),
        ("503 Service Unavailable", errors.UpstreamUnavailable),
    ],
)
async def test_a_refusal_is_called_as_it_is_over_http(status: str, expected: Failures):
    async with listening(always(answer(b"the raw reason", "Retry-After: 7", status=status))) as upstream:
        failure = await unopened(f"ws://127.0.0.1:{upstream.port}")
    assert (type(failure), "raw reason" in failure.message) == (expected, False)
    assert status[:3] in failure.detail
    assert ("raw reason" in failure.detail) is (status[:3] != "204")
    assert failure.headers.get("retry-after") == ("7" if status[:3] in ("429", "503") else None)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 399])
@pytest.mark.parametrize("location", ["ws://{}/there", "http://{}/", "/there", "://:x", ""])
async def test_a_redirect_is_not_followed(status: int, location: str):
    async with listening(speaking()) as there:
        header = f"Location: {location.format(there.url.removeprefix('http://'))}"
        async with listening(always(answer(b"", header, status=f"{status} There"))) as upstream:
            failure = await unopened(f"ws://127.0.0.1:{upstream.port}")
            assert len(upstream.requests) == 1
        assert (type(failure), there.connections) == (errors.UpstreamRedirectRefused, [])


async def unaccepted(script: Script) -> UpstreamFailure:
    async with listening(script) as upstream:
        began = time.monotonic()
        failure = await unopened(f"ws://127.0.0.1:{upstream.port}")
        assert time.monotonic() - began < 2
        return failure


@pytest.mark.parametrize(
    "garbage",
    [
        b"\n",
        b"hello\n",
        b"SSH-2.0-x\r\n",
        b"HTTP/1.0 404 Not Found\r\n\r\n",
        b"HTTP/1.1 1e3 x\r\n\r\n",
        b"HTTP/1.1 101 x\r\n\r\n",
        b"HTTP/1.1 101 x\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 101 x\r\nConnection: \x01\r\n\r\n",
        b"HTTP/1.1 429 x\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\nx",
        b"HTTP/1.1 429 x\r\nContent-Length: 9999999\r\n\r\n",
        b"HTTP/1.1 429 x\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 101 x\r\n" + b"a: b\r\n" * 200,
        b"x" * 100_000,
        b"\x81\x02Hi\r\n",
    ],
    ids=lambda garbage: repr(garbage[:40]),
)
async def test_what_is_no_handshake_is_not_taken_for_one(garbage: bytes):
    async def script(connection: Connection, received: Received) -> None:
        await connection.send(garbage)
        await connection.gone()

    assert type(await unaccepted(script)) is errors.UpstreamProtocolError


@pytest.mark.parametrize(
    ("headers", "key"),
    [
        ([], "wrong"),
        ([], ""),
        (["Sec-WebSocket-Accept: again"], None),
        (["Sec-WebSocket-Extensions: permessage-deflate"], None),
        (["Sec-WebSocket-Protocol: chat"], None),
    ],
)
async def test_a_handshake_that_answers_another_question_is_refused(headers: list[str], key: str | None):
    async def script(connection: Connection, received: Received) -> None:
        await connection.send(handshake(received, *headers, key=key))
        await connection.gone()

    assert type(await unaccepted(script)) is errors.UpstreamProtocolError


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 101 x", b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\n"])
@pytest.mark.parametrize("leave", [finish, Connection.reset])
async def test_who_leaves_during_the_handshake_has_disconnected(said: bytes, leave: Callable[[Connection], None]):
    async def script(connection: Connection, received: Received) -> None:
        await connection.send(said)
        leave(connection)

    assert type(await unaccepted(script)) is errors.UpstreamDisconnected


# What ends it


@pytest.mark.parametrize(
    ("said", "then"),
    [
        (closing(1011), None),
        (closing(1008), None),
        (closing(4000), None),
        (b"", finish),
        (b"", Connection.reset),
        (text(b"x" * 100)[:50], finish),
        (HALF, finish),
        (HALF, Connection.reset),
    ],
    ids=["failed", "policy", "own-code", "end", "reset", "in-frame", "in-message", "in-message-reset"],
)
async def test_an_end_that_is_none_is_a_failure(said: bytes, then: Callable[[Connection], None] | None):
    async with talking(speaking(text(b"first") + said, pause=0.05, then=then)) as (opened, _):
        assert await opened.read() == b"first"
        began = time.monotonic()
        for _ in range(2):
            with pytest.raises(errors.UpstreamDisconnected):
                await opened.read()
        with pytest.raises(errors.UpstreamDisconnected):
            await opened.send("more")
        assert time.monotonic() - began < 2


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (text(b"x" * (MAX_MESSAGE + 1)), errors.UpstreamTooLarge),
        (text(b"x" * (MAX_MESSAGE + 1))[:20], errors.UpstreamTooLarge),
        (frame(Opcode.TEXT, b"x" * MAX_MESSAGE, fin=False) + frame(Opcode.CONT, b"x"), errors.UpstreamTooLarge),
        (b"\x81\x7f" + b"\x7f" * 8, errors.UpstreamTooLarge),
        (HALF + MORE * 5000, errors.UpstreamTooLarge),
        (frame(Opcode.CONT, b"x"), errors.UpstreamProtocolError),
        (HALF * 2, errors.UpstreamProtocolError),
        (HALF + closing(1000), errors.UpstreamProtocolError),
        pytest.param(frame(Opcode.TEXT, b"x", mask=True), errors.UpstreamProtocolError, id="masked"),
        (b"\xc1\x01x", errors.UpstreamProtocolError),
        (b"\x83\x00", errors.UpstreamProtocolError),
        (b"\x89\x7e\x00\x7e" + b"x" * 126, errors.UpstreamProtocolError),
        (b"\x88\x01x", errors.UpstreamProtocolError),
        (b"\x88\x04\x03\xe8\xff\xff", errors.UpstreamProtocolError),
        (b"HTTP/1.1 500 Oops\r\n\r\n" * 5, errors.UpstreamProtocolError),
    ],
)
async def test_what_breaks_the_rules_ends_at_once_after_what_came_before(said: bytes, expected: Failures):
    async with talking(speaking(text(b"first", b"second") + said)) as (opened, upstream):
        began = time.monotonic()
        assert [await opened.read(), await opened.read()] == [b"first", b"second"]
        with pytest.raises(UpstreamFailure) as raised:
            await opened.read()
        assert type(raised.value) is expected
        await asyncio.wait_for(upstream.connections[0].closed.wait(), 2)
        assert time.monotonic() - began < 2


@pytest.mark.parametrize("kind", [Opcode.TEXT, Opcode.PING, Opcode.PONG])
@pytest.mark.parametrize("data", [b"x", b""])
async def test_the_number_of_messages_is_bounded_even_of_silent_ones(
    monkeypatch: pytest.MonkeyPatch, kind: Opcode, data: bytes
):
    monkeypatch.setattr(websocket, "MAX_MESSAGES", 50)
    script = speaking(*[text(b"first"), frame(kind, data) * 49, frame(kind, data) * 2], pause=0.02)
    async with talking(script) as (opened, _):
        with pytest.raises(errors.UpstreamTooLarge):
            await heard(opened)


# How long it may take

SHORT = {"connect": 2, "first": 2, "idle": 2, "total": 4}


@pytest.mark.parametrize(
    ("timeouts", "pieces", "expected"),
    [
        ({"first": 0.2}, [], errors.UpstreamTimeout),
        ({"first": 0.2}, [frame(Opcode.PING)] * 30, errors.UpstreamTimeout),
        ({"idle": 0.2}, [text(b"x")], errors.UpstreamIdleTimeout),
        ({"idle": 0.2}, [text(b"x"), HALF, *[MORE] * 30], errors.UpstreamIdleTimeout),
        ({"total": 0.3}, [text(b"x")] * 30, errors.UpstreamDeadline),
        ({"total": 0.3}, [], errors.UpstreamDeadline),
    ],
    ids=["silent", "only-pings", "stopped", "never-whole", "dripping", "short"],
)
async def test_waiting_has_an_end(timeouts: dict[str, float], pieces: list[bytes], expected: Failures):
    began = time.monotonic()
    async with talking(speaking(*pieces, pause=0.05), Timeouts(**SHORT | timeouts)) as (opened, _):
        with pytest.raises(UpstreamFailure) as raised:
            await heard(opened)
    assert type(raised.value) is expected
    assert 0.15 < time.monotonic() - began < 2


async def not_reading(connection: Connection, received: Received) -> None:
    connection.writer.transport.pause_reading()
    await connection.send(handshake(received))
    await asyncio.sleep(5)


async def test_who_does_not_listen_is_not_talked_to_for_ever():
    async with talking(not_reading, Timeouts(**SHORT | {"first": 0.2})) as (opened, _):
        with pytest.raises(errors.UpstreamTimeout):
            await opened.send(b"x" * (32 << 20))
        began = time.monotonic()
        await opened.close()
        assert time.monotonic() - began < 1


async def test_a_reader_that_is_slow_makes_the_other_side_wait():
    sent = 0

    async def flood(connection: Connection, received: Received) -> None:
        nonlocal sent
        await connection.send(handshake(received))
        with suppress(ConnectionError):
            while True:
                await connection.send(text(b"x" * 100_000))
                sent += 1

    async with talking(flood) as (opened, _):
        await opened.read()
        await asyncio.sleep(0.3)
        waiting = sent
        await asyncio.sleep(0.2)
        assert sent == waiting < 300
        for _ in range(waiting + 20):
            assert len(await opened.read()) == 100_000


# Leaving


async def test_leaving_is_said_and_quick():
    left: list[int | None] = []

    async def listen(other: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            await other.recv()
        left.append(other.close_code)

    async with served(listen) as opened:
        began = time.monotonic()
        await opened.close()
        assert time.monotonic() - began < 1
        await opened.close()
        await asyncio.sleep(0.05)
        assert left == [1000]


async def test_who_does_not_answer_a_goodbye_is_left_anyway():
    async with talking(speaking(text(b"x"))) as (opened, upstream):
        began = time.monotonic()
        await opened.close()
        assert time.monotonic() - began < 1
        await asyncio.wait_for(upstream.connections[0].closed.wait(), 2)


@pytest.mark.parametrize("script", [speaking(), always(b"")], ids=["reading", "opening"])
async def test_a_wait_can_be_cancelled_and_leaves_nothing_open(script: Script):
    async with listening(script) as upstream:

        async def talk() -> None:
            opened = await connected(f"ws://127.0.0.1:{upstream.port}", {}, None, PATIENT)
            try:
                await opened.read()
            finally:
                await opened.close()

        task = asyncio.create_task(talk())
        await asyncio.sleep(0.1)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.wait_for(upstream.connections[0].closed.wait(), 2)
        assert len(asyncio.all_tasks()) <= 2
