"""A server that is told to end takes no more calls, and finishes those that it has."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from tests.faults import text_in
from tests.http11 import asking, connected
from tests.life.running import Running, running, status
from tests.life.talking import Told, ask, backend, endless, loaded, telling
from tests.serving import QUESTION
from tests.upstream import Connection, Received, Upstream, chunked, listening, sse, stream_head
from tests.watching import becomes

WORKERS = pytest.mark.parametrize("workers", [1, 2], ids=["alone", "workers"])


def config(upstream: Upstream, **more: Any) -> dict[str, Any]:
    return {"backends": {"b": backend(upstream.url)}, "models": {"m": "b"}, **more}


async def streams(server: Running, upstream: Upstream, count: int) -> list[asyncio.Task[Told]]:
    """Callers in the middle of their streams."""
    before = len(upstream.requests)
    calls = [asyncio.create_task(ask(server.url, stream=True)) for _ in range(count)]
    await becomes(lambda: len(upstream.requests) == before + count, within=10)
    return calls


async def turned_away(server: Running) -> None:
    """Every new call is turned away, and whoever asks is told so."""
    told = await ask(server.url)
    assert (told.status, told.code, told.headers["connection"]) == (503, "gateway_draining", "close")
    assert (await ask(server.url, stream=True)).code == "gateway_draining"
    ready, body = await status(server.url, "/ready")
    assert (ready, body["error"]["code"]) == (503, "gateway_draining")
    assert await status(server.url, "/health") == (200, {"status": "ok"})


@WORKERS
async def test_streams_in_flight_are_told_whole_and_new_calls_are_turned_away(tmp_path: Path, workers: int):
    async with (
        listening(telling(3)) as upstream,
        running(tmp_path, config(upstream), workers=workers) as server,
    ):
        calls = await streams(server, upstream, 20)
        server.send(signal.SIGTERM)
        await server.logs("draining", workers)
        for _ in range(2 * workers):
            await turned_away(server)
        assert not any(call.done() for call in calls)
        assert [told.whole for told in await asyncio.gather(*calls)] == [True] * 20
        assert await server.ended() == 0
    assert sum(line["calls"] for line in server.logged("draining")) == 20
    assert [line["cut"] for line in server.logged("drained")] == [0] * workers
    assert "Traceback" not in server.log.read_text()


@WORKERS
async def test_under_load_no_call_is_lost_to_the_end(tmp_path: Path, workers: int):
    """Every call that was taken is told whole; others are turned away, and later ones find nobody."""
    async with listening(telling(0.5)) as upstream, running(tmp_path, config(upstream), workers=workers) as server:
        async with loaded(lambda number: ask(server.url, stream=number % 2 == 0), callers=8) as load:
            await becomes(lambda: len(load.told) > 20, within=10)
            told = time.monotonic()
            server.send(signal.SIGTERM)
            assert await server.ended() == 0
        whole = [each for each in load.told if each.whole]
        away = [each for each in load.told if (each.status, each.code) == (503, "gateway_draining")]
        assert len(whole) == len(upstream.requests)
        assert away
        assert [each for each in load.told if each not in whole + away] == []
        assert [began for began in load.refused if began < told] == []
    assert [line["cut"] for line in server.logged("drained")] == [0] * workers


async def never(connection: Connection, received: Received) -> None:
    await connection.gone()


@WORKERS
async def test_what_still_runs_when_the_time_is_over_is_told_why_it_ends(tmp_path: Path, workers: int):
    async with (
        listening(endless) as upstream,
        listening(never) as silent,
        running(tmp_path, short(upstream, silent), workers=workers) as server,
    ):
        calls = await streams(server, upstream, 6)
        calls += [asyncio.create_task(ask(server.url, "silent", stream)) for stream in (False, True)]
        await becomes(lambda: len(silent.requests) == 2)
        began = time.monotonic()
        server.send(signal.SIGTERM)
        *streamed, whole, unbegun = await asyncio.gather(*calls)
        assert await server.ended() == 0
        assert 0.5 <= time.monotonic() - began < 5
        await becomes(lambda: upstream.open + silent.open == 0)
    for told in streamed:
        assert (told.status, told.code) == (200, "gateway_draining")
        assert told.body.endswith(b"}\n\n<unfinished>")
        assert b"[DONE]" not in told.body
        assert text_in(told.events[:-1]).startswith("word word")
    assert {(told.status, told.code) for told in (whole, unbegun)} == {(503, "gateway_draining")}
    assert sum(line["cut"] for line in server.logged("drained")) == 8


def short(upstream: Upstream, silent: Upstream) -> dict[str, Any]:
    made = config(upstream, drain="500ms")
    made["backends"]["silent"] = backend(silent.url)
    made["models"]["silent"] = "silent"
    return made


@pytest.mark.parametrize(("workers", "number"), [(1, signal.SIGINT), (2, signal.SIGTERM)], ids=["alone", "workers"])
async def test_a_second_signal_ends_at_once(tmp_path: Path, workers: int, number: signal.Signals):
    async with listening(endless) as upstream, running(tmp_path, config(upstream), workers=workers) as server:
        calls = await streams(server, upstream, 4)
        server.send(number)
        await server.logs("draining", workers)
        assert (await status(server.url, "/health"))[0] == 200
        began = time.monotonic()
        server.send(number)
        assert await server.ended() == 0
        assert time.monotonic() - began < 5
        assert {told.code for told in await asyncio.gather(*calls)} == {"gateway_draining"}


async def test_a_server_without_calls_ends_right_away(tmp_path: Path):
    async with listening(telling(0)) as upstream, running(tmp_path, config(upstream)) as server:
        assert (await ask(server.url)).whole
        began = time.monotonic()
        server.send(signal.SIGINT)
        assert await server.ended() == 0
        assert time.monotonic() - began < 3


async def flooding(connection: Connection, received: Received) -> None:
    """More than any buffer on the way holds."""
    await connection.send(stream_head())
    while True:
        await connection.send(chunked(*sse({"t": "word " * 2000})))


async def test_a_caller_that_does_not_read_keeps_nobody_from_ending(tmp_path: Path):
    made = {"drain": "200ms"}
    async with listening(flooding) as upstream, running(tmp_path, config(upstream, **made)) as server:
        _, writer = await connected(server.url)
        writer.transport.pause_reading()
        writer.write(asking({**QUESTION, "stream": True}))
        await becomes(lambda: len(upstream.requests) == 1)
        server.send(signal.SIGTERM)
        assert await server.ended(15) == 0
        writer.close()
