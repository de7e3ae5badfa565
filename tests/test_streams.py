"""How answers travel: what their heads say, and each event at once, whole and by itself."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.answering import events, streamed
from tests.http11 import answer_to, asking, connected
from tests.serving import QUESTION, client, gateway, http_backend
from tests.upstream import LAST_CHUNK, Connection, Received, always, chunked, json_answer, listening, sse, stream_head

STREAMED = {**QUESTION, "stream": True}
HTTP = {
    "response": {"text": "reply", "usage": {"prompt": "in", "completion": "out"}},
    "stream": {"framing": "sse", "text": "t", "request": {"live": True}},
}


async def plain(connection: Connection, received: Received) -> None:
    if received.json.get("live"):
        await connection.send(stream_head() + chunked(*sse({"t": "Hi"}, {"t": " there"}, "[DONE]")) + LAST_CHUNK)
    else:
        await connection.send(json_answer({"reply": "Hi there", "in": 3, "out": 4}))


async def test_an_answer_tells_its_type_and_may_not_be_kept():
    async with listening(plain) as upstream, gateway(http_backend(upstream.url, **HTTP)) as url:
        completion = (await answer_to(url, asking(QUESTION))).headers
        stream = (await answer_to(url, asking(STREAMED))).headers
    assert completion["content-type"] == "application/json"
    assert completion["content-length"]
    assert stream["content-type"].partition(";")[0] == "text/event-stream"
    assert (stream["cache-control"], stream["x-accel-buffering"]) == ("no-cache", "no")
    assert "content-length" not in stream
    for headers in (completion, stream):
        assert headers["x-request-id"].startswith("req_")
        assert 0 <= int(headers["openai-processing-ms"]) < 5000
        assert headers["openai-version"] == "2020-10-01"
        assert "content-encoding" not in headers
        assert len(headers) == len(set(headers))


async def test_ids_are_never_the_same_and_times_are_now():
    began = int(time.time())
    async with listening(plain) as upstream, gateway(http_backend(upstream.url, **HTTP)) as url:
        requests = [asking(QUESTION), asking(STREAMED)] * 100
        answered = await asyncio.gather(*[answer_to(url, request) for request in requests])
    told = [json.loads(one.body) if "content-length" in one.headers else events(one.body)[0] for one in answered]
    assert len({one["id"] for one in told}) == len({one.headers["x-request-id"] for one in answered}) == 200
    assert all(began <= one["created"] <= time.time() for one in told)
    assert {one["model"] for one in told} == {"m"}


async def test_the_sdk_reads_what_is_beside_the_answer():
    async with listening(plain) as upstream, gateway(http_backend(upstream.url, **HTTP)) as url:
        completion = await client(url).chat.completions.create(**QUESTION)
        assert completion._request_id.startswith("req_")
        assert completion.usage.total_tokens == 7


WORDS = [f" word-{number}" for number in range(10)]
EVENTS = [chunked(event) for event in sse(*({"t": word} for word in WORDS), "[DONE]")]


async def test_each_event_that_comes_by_itself_is_written_by_itself():
    script = always(stream_head(), *EVENTS, LAST_CHUNK, pause=0.03)
    async with listening(script) as upstream, gateway(http_backend(upstream.url, **HTTP)) as url:
        answered = await answer_to(url, asking(STREAMED))
    streamed(answered.body)
    assert [[word for word in WORDS if word.encode() in chunk] for chunk in answered.chunks] == [
        *([word] for word in WORDS),
        [],
    ]
    assert all(chunk.startswith(b"data: ") and chunk.endswith(b"\n\n") for chunk in answered.chunks)


@pytest.mark.parametrize("size", [1000, 100_000], ids=["1 KB reads", "100 KB reads"])
async def test_events_that_come_together_are_written_together(size: int):
    count = 1000
    burst = stream_head() + chunked(*sse(*[{"t": "x" * 10}] * count, "[DONE]")) + LAST_CHUNK
    pieces = [burst[place : place + size] for place in range(0, len(burst), size)]
    async with listening(always(*pieces)) as upstream, gateway(http_backend(upstream.url, **HTTP)) as url:
        answered = await answer_to(url, asking(STREAMED))
    assert len(streamed(answered.body)) == count + 2
    assert len(answered.chunks) < count / 5
    assert all(chunk.startswith(b"data: ") and chunk.endswith(b"\n\n") for chunk in answered.chunks)


async def test_each_event_goes_on_before_the_next_has_come():
    read = asyncio.Semaphore(0)

    async def one_by_one(connection: Connection, received: Received) -> None:
        await connection.send(stream_head())
        for event in EVENTS[:-1]:
            await connection.send(event)
            await read.acquire()
        await connection.send(EVENTS[-1] + LAST_CHUNK)

    async with listening(one_by_one) as upstream, gateway(http_backend(upstream.url, **HTTP)) as url:
        reader, writer = await connected(url)
        writer.write(asking(STREAMED))
        async with asyncio.timeout(3):
            for word in WORDS:
                await reader.readuntil(word.encode())
                read.release()
            await reader.readuntil(b"data: [DONE]\n\n")
        writer.close()


async def test_the_finish_goes_on_before_the_upstream_has_closed():
    async def lingering(connection: Connection, received: Received) -> None:
        await connection.send(stream_head() + b"".join(EVENTS))
        await connection.gone()

    async with listening(lingering) as upstream, gateway(http_backend(upstream.url, **HTTP)) as url:
        began = time.perf_counter()
        assert (await answer_to(url, asking(STREAMED))).whole
        assert time.perf_counter() - began < 1


async def gushing(request: Any) -> AsyncIterator[str]:
    for _ in range(2000):
        yield "x" * 1000


async def test_what_never_pauses_is_written_in_bounded_pieces():
    config = {"backends": {"b": {"kind": "python", "target": "tests.test_streams:gushing"}}, "models": {"m": "b"}}
    async with gateway(config) as url:
        answered = await answer_to(url, asking(STREAMED))
    assert len(streamed(answered.body)) == 2002
    assert max(map(len, answered.chunks)) < 128 * 1024


async def test_a_large_event_comes_in_one_piece():
    text = "x" * 500_000
    script = always(stream_head() + chunked(*sse({"t": text}, "[DONE]")) + LAST_CHUNK)
    async with listening(script) as upstream, gateway(http_backend(upstream.url, **HTTP)) as url:
        answered = await answer_to(url, asking(STREAMED))
    assert "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in streamed(answered.body)) == text
    assert all(chunk.endswith(b"\n\n") for chunk in answered.chunks)
