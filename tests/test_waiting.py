"""Callers that wait, do not read, or are many."""

import asyncio
import json
import socket
import time
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import openai
import pytest

from tests.http11 import Answered, answer_to, answers, asking, connected, exchanged
from tests.serving import QUESTION, client, gateway, http_backend, openai_backend
from tests.upstream import LAST_CHUNK, Connection, Received, Script, chunked, json_answer, listening, sse, stream_head
from tests.watching import becomes, resident

STREAMED = {**QUESTION, "stream": True}
PING = b": ping\n\n"
MIB = 1024 * 1024


def http(url: str, **bounds: Any) -> dict[str, Any]:
    return http_backend(url, bounds=bounds, stream={"framing": "sse", "text": "t"})


def late(*pieces: bytes, pause: float = 0.35) -> Script:
    """Answers late, and each piece later."""

    async def script(connection: Connection, received: Received) -> None:
        await asyncio.sleep(pause)
        await connection.send(*pieces, pause=pause)

    return script


HI = sse({"t": "Hi"}, {"t": " there"}, "[DONE]")
LATE = {
    "the first token": late(stream_head() + chunked(*HI) + LAST_CHUNK),
    "every token": late(stream_head(), *[chunked(event) for event in HI], LAST_CHUNK),
}


@pytest.mark.parametrize("script", [pytest.param(script, id=name) for name, script in LATE.items()])
async def test_comments_keep_a_silent_stream_alive_and_the_stream_stays_right(script: Script):
    async with listening(script) as upstream, gateway(http(upstream.url, keep_alive="100ms")) as url:
        answered = await answer_to(url, asking(STREAMED))
        assert answered.status == 200
        assert answered.chunks[0] == PING
        assert answered.body.count(PING) >= 2
        data = [json.loads(event[6:]) for event in answered.body.split(b"\n\n") if event.startswith(b"data: {")]
        assert [chunk["choices"][0]["delta"] for chunk in data] == [
            {"role": "assistant", "content": "", "refusal": None},
            {"content": "Hi"},
            {"content": " there"},
            {},
        ]
        assert answered.body.endswith(b"data: [DONE]\n\n")


@pytest.mark.parametrize("script", [pytest.param(script, id=name) for name, script in LATE.items()])
async def test_the_sdk_reads_a_stream_with_comments(script: Script):
    async with listening(script) as upstream, gateway(http(upstream.url, keep_alive="50ms")) as url:
        stream = await client(url).chat.completions.create(**STREAMED)
        assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "Hi there"


async def test_a_whole_answer_gets_no_comments():
    script = late(json_answer({"reply": "Hi"}))
    async with listening(script) as upstream, gateway(http(upstream.url, keep_alive="100ms")) as url:
        assert (await answer_to(url, asking(QUESTION))).text == "Hi"


FAILING = {
    "before the first token": late(json_answer({}, status="429 Too Many Requests")),
    "after the first token": late(stream_head(), chunked(HI[0]), LAST_CHUNK),
}


@pytest.mark.parametrize("script", [pytest.param(script, id=name) for name, script in FAILING.items()])
async def test_a_failure_after_a_comment_is_an_error_event(script: Script):
    options = {"stream": {"framing": "sse", "text": "t", "finish": "over"}, "bounds": {"keep_alive": "100ms"}}
    async with listening(script) as upstream, gateway(http_backend(upstream.url, **options)) as url:
        answered = await answer_to(url, asking(STREAMED), wait=1.5)
        assert (answered.status, answered.whole) == (200, False)
        assert answered.body.startswith(PING)
        assert b"[DONE]" not in answered.body
        error = json.loads(answered.body.split(b"data: ")[-1])["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert error["code"] in ("upstream_rate_limited", "upstream_disconnected")
        with pytest.raises(openai.APIError, match=r"backend"):
            _ = [chunk async for chunk in await client(url).chat.completions.create(**STREAMED)]


async def test_a_failure_without_a_comment_before_it_has_its_status():
    async with listening(FAILING["before the first token"]) as upstream, gateway(http(upstream.url)) as url:
        answered = await answer_to(url, asking(STREAMED))
        assert (answered.status, answered.error["code"]) == (429, "upstream_rate_limited")


class Endless:
    """Streams as fast as it is read; counts what it has sent."""

    def __init__(self) -> None:
        self.sent = 0

    async def __call__(self, connection: Connection, received: Received) -> None:
        piece = chunked(*sse({"t": "x" * 1000, "choices": [{"delta": {"content": "x" * 1000}}]})) * 20
        with suppress(ConnectionError):
            await connection.send(stream_head())
            while not connection.writer.transport.is_closing():
                await connection.send(piece)
                self.sent += len(piece)
                await asyncio.sleep(0)


async def deaf(url: str, body: Any) -> socket.socket:
    """A caller that asks and never reads."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(sock, (host, int(port)))
    await loop.sock_sendall(sock, asking(body))
    return sock


def held(url: str) -> int:
    """How many connections the server at that address holds (proc(5), /proc/net/tcp: local address, state, inode)."""
    port = f":{int(url.rpartition(':')[2]):04X}"
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(line[1].endswith(port) and line[3] != "0A" and line[9] != "0" for line in lines)


HURRIED = {"stalled": "300ms", "keep_alive": "100ms"}


@pytest.mark.parametrize("bounds", [{"stalled": "300ms"}, HURRIED], ids=["calm", "hurried"])
@pytest.mark.parametrize("kind", ["http", "openai"])
async def test_a_caller_that_does_not_read_ends_the_upstream_call(kind: str, bounds: dict[str, str]):
    script = Endless()
    backend = {"http": http, "openai": lambda url, **bounds: openai_backend(url, bounds=bounds)}[kind]
    async with listening(script) as upstream, gateway(backend(upstream.url, **bounds)) as url:
        before = resident()
        with await deaf(url, STREAMED):
            await becomes(lambda: len(upstream.requests) == 1)
            await asyncio.sleep(0.2)
            assert upstream.open == 1
            await asyncio.wait_for(upstream.connections[0].closed.wait(), 1.5)
        assert script.sent < 24 * MIB
        assert resident() - before < 48 * MIB


@pytest.mark.parametrize("body", [QUESTION, STREAMED], ids=["whole", "streamed"])
async def test_a_caller_that_does_not_read_is_hung_up_on(body: Any):
    script = Endless() if body is STREAMED else late(json_answer({"reply": "x" * 9 * MIB}), pause=0)
    async with listening(script) as upstream, gateway(http(upstream.url, **HURRIED)) as url:
        with await deaf(url, body):
            await becomes(lambda: held(url) == 1 and len(upstream.requests) == 1)
            await becomes(lambda: held(url) == 0)


async def test_a_caller_that_reads_slowly_gets_everything():
    script = late(stream_head() + chunked(*sse(*[{"t": "x" * 1000}] * 2000, "[DONE]")) + LAST_CHUNK, pause=0)
    async with listening(script) as upstream, gateway(http(upstream.url, stalled="300ms")) as url:
        reader, writer = await connected(url)
        writer.write(asking(STREAMED, "Connection: close"))
        got, began = b"", time.perf_counter()
        while piece := await reader.read(20_000):
            got += piece
            await asyncio.sleep(0.01)
        writer.close()
        assert time.perf_counter() - began > 0.6
        (answered,) = answers(got)
        assert answered.whole
        assert answered.body.count(b"x" * 1000) == 2000


async def hold(url: str, count: int, opened: AsyncExitStack) -> None:
    """So many connections, each of which is being answered."""
    for _ in range(count):
        _, writer = await connected(url)
        opened.callback(writer.close)
        writer.write(asking(STREAMED))


@pytest.mark.parametrize("bounds", [{"connections": 2}, {"connections_per_ip": 2}])
async def test_a_connection_too_many_is_refused_and_a_free_place_is_given(bounds: dict[str, int]):
    async def whole_or_never(connection: Connection, received: Received) -> None:
        if received.headers["accept"] == "text/event-stream":
            await connection.gone()
        await connection.send(json_answer({"reply": "Hi"}))

    async with listening(whole_or_never) as upstream, gateway(http(upstream.url, **bounds)) as url:
        async with AsyncExitStack() as opened:
            await hold(url, 2, opened)
            await asyncio.sleep(0.1)
            refused = await answer_to(url, asking(QUESTION))
            assert (refused.status, refused.error["code"]) == (503, "gateway_connections")
            assert refused.headers["retry-after"] == "1"
            assert refused.headers["connection"] == "close"
            assert len(upstream.requests) == 2
        await asyncio.sleep(0.1)
        for _ in range(4):
            assert (await answer_to(url, asking(QUESTION, "Connection: close"))).text == "Hi"


async def test_refused_connections_do_not_take_a_place():
    async with listening(Endless()) as upstream, gateway(http(upstream.url, connections=2)) as url:
        for _ in range(20):
            async with AsyncExitStack() as opened:
                await hold(url, 5, opened)
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.1)
        reader, writer = await connected(url)
        writer.write(asking(STREAMED))
        assert b" 200 " in await reader.readline()
        writer.close()


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_hundred_callers_at_once_each_get_their_own_answer(stream: bool):
    async def nonce(connection: Connection, received: Received) -> None:
        text = received.json["q"]
        await asyncio.sleep(hash(text) % 20 / 1000)
        if received.headers["accept"] == "application/json":
            await connection.send(json_answer({"reply": text}))
        else:
            events = [chunked(event) for event in sse(*({"t": sign} for sign in text), "[DONE]")]
            await connection.send(stream_head(), *events, LAST_CHUNK, pause=0.001)

    async def asked(url: str, text: str) -> Answered:
        body = {"model": "m", "messages": [{"role": "user", "content": text}], "stream": stream}
        return await answer_to(url, asking(body, f"X-Request-ID: {text}"), wait=20)

    texts = [f"nonce-{number:03}" for number in range(100)]
    async with listening(nonce) as upstream, gateway(http(upstream.url)) as url:
        for text, answered in zip(texts, await asyncio.gather(*[asked(url, text) for text in texts]), strict=True):
            assert answered.headers["x-request-id"] == text
            assert (said(answered) if stream else answered.text) == text


def said(answered: Answered) -> str:
    events = [json.loads(event[6:]) for event in answered.body.split(b"\n\n") if event.startswith(b"data: {")]
    return "".join(event["choices"][0]["delta"].get("content") or "" for event in events)


async def test_a_stream_and_the_next_request_share_a_connection():
    script = late(stream_head() + chunked(*HI) + LAST_CHUNK, pause=0)
    async with listening(script) as upstream, gateway(http(upstream.url)) as url:
        got = answers(await exchanged(url, asking(STREAMED) * 3, count=3))
        assert [said(answered) for answered in got] == ["Hi there"] * 3
        assert len(upstream.connections) == 1
