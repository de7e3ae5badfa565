"""Connections to the outside: kept where that is safe, and never where it is not."""

import asyncio
from urllib.parse import quote

import pytest

from dragoman import connection
from tests.serving import QUESTION, gateway, http_backend, post
from tests.upstream import (
    LAST_CHUNK,
    Connection,
    Received,
    always,
    answer,
    chunked,
    json_answer,
    listening,
    stream_head,
)

HI = json_answer({"reply": "Hi"})
TO_THE_END = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"reply": "Hi"}'


async def asked(url: str, times: int = 3) -> None:
    for _ in range(times):
        status, _, body = await post(url, QUESTION)
        assert (status, b'"content":"Hi"' in body) == (200, True)


@pytest.mark.parametrize(
    ("said", "connections"),
    [
        (HI, 1),
        (stream_head("application/json") + chunked(b'{"reply"', b': "Hi"}') + LAST_CHUNK, 1),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + HI, 1),
        (json_answer({"reply": "Hi"}, "Connection: close"), 3),
        (HI.replace(b"HTTP/1.1", b"HTTP/1.0"), 3),
        (HI + b"and something else", 3),
        (HI + HI, 3),
    ],
    ids=["length", "chunked", "hints", "close", "http-1.0", "garbage-after", "answer-after"],
)
async def test_a_connection_serves_again_only_if_nothing_is_left_on_it(said: bytes, connections: int):
    async with listening(always(said)) as upstream, gateway(http_backend(upstream.url)) as url:
        await asked(url)
        assert len(upstream.connections) == connections


async def test_an_answer_without_a_length_lasts_to_the_end_of_its_connection():
    async def script(connection: Connection, received: Received) -> None:
        await connection.send(TO_THE_END[:-5], TO_THE_END[-5:], pause=0.02)
        connection.writer.close()

    async with listening(script) as upstream, gateway(http_backend(upstream.url)) as url:
        await asked(url)
        assert len(upstream.connections) == 3


async def test_a_connection_that_nobody_needs_is_closed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection, "IDLE_SECONDS", 0.1)
    async with listening(always(HI)) as upstream, gateway(http_backend(upstream.url)) as url:
        await asked(url)
        [kept] = upstream.connections
        await asyncio.wait_for(kept.closed.wait(), 2)
        await asked(url)


async def test_a_reader_that_is_slow_makes_the_upstream_wait():
    async def script(connection: Connection, received: Received) -> None:
        await connection.send(answer(b'{"reply": "' + b"x" * (9 << 20) + b'"}'))

    async with listening(script) as upstream, gateway(http_backend(upstream.url)) as url:
        status, _, body = await post(url, QUESTION)
        assert (status, body.count(b"x") >= 9 << 20) == (200, True)


@pytest.mark.parametrize("path", ["", "/", "/a%20b/c", "/ä?q=ü&r=%2F", "/a;b=c/~d"])
async def test_the_path_that_is_configured_is_the_one_that_is_asked(path: str):
    async with listening(always(HI)) as upstream, gateway(http_backend(upstream.url + path)) as url:
        await asked(url, times=1)
        asked_for = upstream.requests[0].head.split(" ")[1]
        assert asked_for == quote(path or "/", safe="/%?=&;~")
        assert upstream.requests[0].headers["host"] == upstream.url.removeprefix("http://")


@pytest.mark.parametrize("name", ["Host", "host", "User-Agent", "accept"])
async def test_a_configured_header_takes_the_place_of_our_own(name: str):
    async with listening(always(HI)) as upstream:
        async with gateway(http_backend(upstream.url, headers={name: "mine"})) as url:
            await asked(url, times=1)
        assert upstream.requests[0].headers[name.lower()] == "mine"
