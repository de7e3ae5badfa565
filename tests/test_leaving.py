"""Callers that leave: whatever was done for them ends at once, and nothing of it stays."""

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from tests.http11 import answer_to, asking, connected
from tests.serving import QUESTION, gateway, http_backend, openai_backend
from tests.upstream import Connection, Received, Script, chunked, listening, sse, stream_head
from tests.watching import becomes, leaving_nothing

AT_ONCE = 0.1
SLACK = 0.2
STREAMED = {**QUESTION, "stream": True}
EVENT = {"choices": [{"index": 0, "delta": {"content": "word "}}], "t": "word "}


async def silent(connection: Connection, received: Received) -> None:
    await connection.gone()


async def talking(connection: Connection, received: Received) -> None:
    """Streams one event, then nothing more."""
    await connection.send(stream_head() + chunked(*sse(EVENT)))
    await connection.gone()


async def chattering(connection: Connection, received: Received) -> None:
    """Streams without end."""
    listening = asyncio.create_task(connection.gone())
    await connection.send(stream_head())
    with suppress(ConnectionError):
        while not listening.done():
            await connection.send(chunked(*sse(EVENT)))
            await asyncio.sleep(0.005)
    await listening


async def halting(connection: Connection, received: Received) -> None:
    """Begins a whole answer and does not end it."""
    await connection.send(b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 999\r\n\r\n{"reply":')
    await connection.gone()


def http(url: str, **options: Any) -> dict[str, Any]:
    return http_backend(url, stream={"framing": "sse", "text": "t"}, **options)


async def leave(url: str, body: Any, when: Callable[[bytes], bool], reset: bool = False) -> float:
    """Asks, reads until what it has read is enough, and leaves. The time of its leaving."""
    reader, writer = await connected(url)
    writer.write(asking(body))
    got = b""
    async with asyncio.timeout(5):
        while not when(got):
            with suppress(TimeoutError):
                got += await asyncio.wait_for(reader.read(65536), 0.01)
    left = time.perf_counter()
    if reset:
        Connection(reader, writer).reset()
    writer.close()
    return left


UPSTREAMS = {
    "before the first token": (silent, STREAMED, b""),
    "between two tokens": (talking, STREAMED, b"word"),
    "amid many tokens": (chattering, STREAMED, b"word"),
    "before a whole answer": (silent, QUESTION, b""),
    "amid a whole answer": (halting, QUESTION, b""),
}


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("backend", [http, openai_backend])
@pytest.mark.parametrize(("script", "body", "word"), [pytest.param(*case, id=name) for name, case in UPSTREAMS.items()])
async def test_a_caller_that_leaves_ends_the_upstream_call(
    script: Script, body: Any, word: bytes, backend: Callable[..., Any], reset: bool
):
    async with listening(script) as upstream, gateway(backend(upstream.url)) as url:
        await leave(url, body, lambda got: word in got and len(upstream.requests) == 1)
        await asyncio.wait_for(upstream.connections[0].closed.wait(), 2)
        async with leaving_nothing(upstream):
            left = await leave(url, body, lambda got: word in got and len(upstream.requests) == 2, reset)
            await asyncio.wait_for(upstream.connections[1].closed.wait(), 2)
            assert time.perf_counter() - left < AT_ONCE + SLACK


began: list[str] = []
ended: list[str] = []


@contextmanager
def noted(name: str) -> Iterator[None]:
    began.append(name)
    try:
        yield
    finally:
        ended.append(name)


async def waits(request: Any) -> str:
    with noted("waits"):
        await asyncio.sleep(30)
        return "never"


async def yields(request: Any) -> AsyncIterator[str]:
    with noted("yields"):
        yield "word "
        await asyncio.sleep(30)


async def yields_nothing(request: Any) -> AsyncIterator[str]:
    with noted("yields_nothing"):
        await asyncio.sleep(30)
        yield "never"


def yields_in_a_thread(request: Any) -> Iterator[str]:
    with noted("yields_in_a_thread"):
        for _ in range(3000):
            yield "word "
            time.sleep(0.01)


def python(name: str, **options: Any) -> dict[str, Any]:
    backend = {"kind": "python", "target": f"tests.test_leaving:{name}", **options}
    return {"backends": {"b": backend}, "models": {"m": "b"}}


@pytest.mark.parametrize(
    ("name", "body", "word"),
    [
        ("waits", QUESTION, b""),
        ("waits", STREAMED, b""),
        ("yields", QUESTION, b""),
        ("yields", STREAMED, b"word"),
        ("yields_nothing", STREAMED, b""),
        ("yields_in_a_thread", QUESTION, b""),
        ("yields_in_a_thread", STREAMED, b"word"),
    ],
)
async def test_a_caller_that_leaves_ends_the_function(name: str, body: Any, word: bytes):
    began.clear()
    ended.clear()
    async with gateway(python(name)) as url:
        await leave(url, body, lambda got: word in got and began == [name])
        await becomes(lambda: ended == [name])
        async with leaving_nothing():
            left = await leave(url, body, lambda got: word in got and began == [name] * 2)
            await becomes(lambda: ended == [name] * 2)
            assert time.perf_counter() - left < AT_ONCE + SLACK


@pytest.mark.parametrize("body", [QUESTION, STREAMED], ids=["whole", "streamed"])
@pytest.mark.parametrize("kind", ["http", "openai"])
async def test_two_hundred_callers_leave_at_random_and_nothing_stays(kind: str, body: Any):
    scripts = itertools.cycle([silent, talking, chattering] if body is STREAMED else [silent, halting])

    async def any_of(connection: Connection, received: Received) -> None:
        await next(scripts)(connection, received)

    async def come_and_go(url: str, seed: int) -> None:
        reader, writer = await connected(url)
        chance = random.Random(seed)
        writer.write(asking(body)[: chance.choice([10, -1, *[10_000] * 6])])
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(chance.random() * 0.5):
                while await reader.read(1000):
                    pass
        if chance.random() < 0.3:
            Connection(reader, writer).reset()
        writer.close()

    backend = http if kind == "http" else openai_backend
    async with listening(any_of) as upstream, gateway(backend(upstream.url)) as url:
        await leave(url, body, lambda got: len(upstream.requests) == 1)
        await asyncio.wait_for(upstream.connections[0].closed.wait(), 2)
        async with leaving_nothing(upstream), asyncio.TaskGroup() as group:
            for seed in range(200):
                group.create_task(come_and_go(url, seed))
        assert 20 < len(upstream.requests) < 200


async def test_the_next_caller_gets_its_own_answer_after_many_left():
    """A connection on which an answer was cut off never serves again."""

    async def numbered(connection: Connection, received: Received) -> None:
        nonce = received.json["q"]
        pieces = [chunked(*sse({"t": nonce})), chunked(*sse({"t": nonce}, "[DONE]")) + b"0\r\n\r\n"]
        await connection.send(stream_head(), *pieces, pause=0.002)

    def asked(nonce: str, **more: Any) -> bytes:
        return asking({"model": "m", "messages": [{"role": "user", "content": nonce}], "stream": True, **more})

    async def come_and_go(url: str, number: int) -> None:
        _, writer = await connected(url)
        writer.write(asked(f"gone-{number}"))
        await asyncio.sleep(number % 10 / 1000)
        writer.close()

    async with listening(numbered) as upstream, gateway(http(upstream.url)) as url:
        for number in range(100):
            await asyncio.gather(come_and_go(url, number), come_and_go(url, number + 1))
            body = (await answer_to(url, asked(f"stays-{number}"))).body
            assert body.count(b"stays-%d" % number) == 2
            assert b"gone" not in body


async def test_leaving_frees_the_place_in_the_backend():
    async with listening(silent) as upstream, gateway(http(upstream.url, concurrency=1)) as url:
        for count in range(1, 6):
            await leave(url, STREAMED, lambda got, count=count: len(upstream.requests) == count)
            await asyncio.wait_for(upstream.connections[-1].closed.wait(), 2)


async def test_leaving_frees_the_place_in_the_function():
    began.clear()
    ended.clear()
    async with gateway(python("yields", concurrency=1)) as url:
        for count in range(1, 6):
            await leave(url, STREAMED, lambda got: b"word" in got)
            await becomes(lambda count=count: len(ended) == count)
