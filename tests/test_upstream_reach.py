"""Backends that cannot be reached, or not now; and the connections to those that can."""

import asyncio
import json
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import trustme

from tests.doors import CHAT
from tests.faults import (
    RAW,
    SSE,
    WAYS,
    At,
    Fault,
    Heard,
    Way,
    a_moment,
    answered,
    assert_refused,
    close,
    doing,
    head,
    heard,
    met,
)
from tests.serving import QUESTION, gateway, http_backend, post
from tests.upstream import LAST_CHUNK, Connection, Received, answer, chunked, json_answer, listening, sse


@pytest.fixture(autouse=True)
def lookups(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The unknown hosts that were looked up; no name server is asked for them."""
    looked_up: list[str] = []
    real = socket.getaddrinfo

    def getaddrinfo(host: Any, *more: Any, **options: Any) -> Any:
        if not str(host).endswith(".invalid"):
            return real(host, *more, **options)
        looked_up.append(host)
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return looked_up


# Nobody there


@asynccontextmanager
async def nowhere(way: Way) -> AsyncIterator[str]:
    yield "http://nowhere.invalid:54321"


@asynccontextmanager
async def deaf(way: Way) -> AsyncIterator[str]:
    """A port that is taken, but nobody listens there."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


@asynccontextmanager
async def full(way: Way) -> AsyncIterator[str]:
    """A port whose queue of connections is full."""
    with ExitStack() as opened:
        listener = opened.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(4):
            waiting = opened.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(listener.getsockname())
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def insecure(way: Way) -> AsyncIterator[str]:
    """A server that knows no TLS, behind an https URL."""

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(answer(RAW.encode(), status="400 Bad Request"))
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as server:
        yield f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@cache
def authority() -> trustme.CA:
    return trustme.CA()


def certified(name: str, **options: Any) -> At:
    """A server with a certificate for that name."""

    @asynccontextmanager
    async def at(way: Way) -> AsyncIterator[str]:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        authority().issue_cert(name, **options).configure_cert(context)
        async with listening(doing(answer(way.body("Hello"), type=way.type)), ssl=context) as upstream:
            yield upstream.url.replace("http:", "https:")

    return at


@pytest.fixture(scope="session")
def ca(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority().cert_pem.write_to_path(str(file))
    return file


def unreachable(name: str, code: str, at: At, status: int = 502, **options: Any) -> Fault:
    return Fault(name, code, at, status, specified=500, options=options)


UNREACHABLE = [
    unreachable("unknown-host", "upstream_dns_error", nowhere),
    unreachable("refused", "upstream_connect_error", deaf),
    unreachable("not-accepted", "upstream_connect_timeout", full, 504, timeout={"connect": "100ms"}),
    unreachable("no-tls", "upstream_tls_error", insecure),
    unreachable("unknown-authority", "upstream_tls_error", certified("127.0.0.1")),
]
BADLY_CERTIFIED = [
    unreachable("another-name", "upstream_tls_error", certified("127.0.0.2")),
    unreachable("expired", "upstream_tls_error", certified("127.0.0.1", not_after=datetime(2020, 1, 1, tzinfo=UTC))),
]


@pytest.mark.parametrize("style", ["specified", "openai"])
@pytest.mark.parametrize("fault", UNREACHABLE, ids=str)
async def test_an_unreachable_backend_is_500_or_with_the_errors_of_openai_502_or_504(
    fault: Fault, style: str, subtests
):
    for told in await met(fault, style):
        assert_refused(told, fault, style)


@pytest.mark.parametrize("fault", BADLY_CERTIFIED, ids=str)
async def test_a_bad_certificate_is_refused_even_from_a_trusted_authority(fault: Fault, ca: Path):
    for told in await heard(fault.at, fault.ways, tls={"ca": str(ca)}):
        assert_refused(told, fault)


async def test_an_authority_of_ones_own_is_trusted(ca: Path):
    for told in await heard(certified("127.0.0.1"), WAYS, tls={"ca": str(ca)}):
        assert answered(told) == ("Hello", "stop")


async def test_a_name_that_was_not_found_is_not_looked_up_again_for_a_while(lookups: list[str], monkeypatch):
    monkeypatch.setattr("dragoman.upstream.DNS_FAILURE_HOLDS", 0.1)
    async with gateway(http_backend("http://nowhere.invalid", breaker=False)) as url:
        codes = [json.loads((await post(url, QUESTION))[2])["error"]["code"] for _ in range(3)]
        assert (codes, len(lookups)) == (["upstream_dns_error"] * 3, 1)
        await asyncio.sleep(0.15)
        await post(url, QUESTION)
        assert len(lookups) == 2


# Too many calls, old connections


@pytest.mark.parametrize("way", WAYS, ids=str)
async def test_a_call_too_many_is_told_to_come_back(way: Way):
    asked, release = asyncio.Event(), asyncio.Event()

    async def held(connection: Connection, received: Received) -> None:
        asked.set()
        await release.wait()
        await connection.send(answer(way.body("Hello"), type=way.type))

    busy = Fault("busy", "upstream_busy", nowhere, 503, "service_unavailable_error", headers={"retry-after": "1"})
    async with listening(held) as upstream:
        config = {"backends": {"b": way.backend(upstream.url, concurrency=1)}, "models": {way.name: "b"}}
        async with gateway(config) as url:
            first = asyncio.create_task(way.asked(url))
            await asked.wait()
            assert_refused(Heard(way, CHAT, upstream.url, *await way.asked(url)), busy)
            release.set()
            for got in (await first, await way.asked(url)):
                assert answered(Heard(way, CHAT, upstream.url, *got)) == ("Hello", "stop")


async def test_a_connection_that_was_closed_while_idle_is_replaced_unnoticed():
    async with (
        listening(doing(json_answer({"reply": "Hello"}), a_moment, close)) as upstream,
        gateway(http_backend(upstream.url)) as url,
    ):
        for count in (1, 2, 3):
            status, _, _ = await post(url, QUESTION)
            assert (status, len(upstream.connections), len(upstream.requests)) == (200, count, count)
            await upstream.connections[-1].closed.wait()


async def test_a_kept_connection_that_closes_on_a_request_fails_it_and_nothing_is_sent_twice():
    served: list[Connection] = []

    async def once(connection: Connection, received: Received) -> None:
        await (close(connection) if connection in served else connection.send(json_answer({"reply": "Hello"})))
        served.append(connection)

    async with listening(once) as upstream, gateway(http_backend(upstream.url)) as url:
        statuses = [(await post(url, QUESTION))[0] for _ in range(3)]
        assert (statuses, len(upstream.requests), len(upstream.connections)) == ([200, 502, 200], 3, 2)


async def test_an_answer_always_belongs_to_its_request():
    async def echo(connection: Connection, received: Received) -> None:
        words = chunked(*sse({"t": received.json["q"]}))
        await connection.send(head(SSE) + words, words, words + chunked(*sse("[DONE]")) + LAST_CHUNK, pause=0.002)

    async def asked(url: str, number: int) -> str:
        question = {**QUESTION, "stream": True, "messages": [{"role": "user", "content": f"<{number}>"}]}
        async with aiohttp.ClientSession() as session, session.post(f"{url}/v1/chat/completions", json=question) as got:
            body = await got.content.readany()
            return "left" if number % 2 else (body + await got.content.read()).decode()

    config = {"stream": {"framing": "sse", "text": "t"}}
    async with listening(echo) as upstream, gateway(http_backend(upstream.url, **config)) as url:
        for start in range(0, 200, 40):
            bodies = await asyncio.gather(*(asked(url, number) for number in range(start, start + 40)))
            for number, body in zip(range(start, start + 40, 2), bodies[::2], strict=True):
                assert body.count("<") == body.count(f'"content":"<{number}>"') == 3


async def test_a_connection_serves_again_after_a_whole_stream_and_never_after_a_broken_one():
    good = [head(SSE), chunked(SSE.body("Hello")), LAST_CHUNK]
    bad = [head(SSE), chunked(SSE.says("Hello"), b"data: {\n\n")]
    async with listening() as upstream, gateway(http_backend(upstream.url, **SSE.options)) as url:
        for steps, connections in ((good, 1), (good, 1), (bad, 1), (good, 2)):
            upstream.script = doing(*steps)
            await post(url, {**QUESTION, "stream": True})
            assert len(upstream.connections) == connections
