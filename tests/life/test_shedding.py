"""A gateway that has enough to do says so at once, and one that cannot answer says so before it is asked."""

import asyncio
from typing import Any

from tests.life.running import status
from tests.life.talking import Told, ask, backend, endless, telling
from tests.serving import gateway
from tests.upstream import Script, Upstream, answer, listening
from tests.watching import becomes


def config(upstream: Upstream, **more: Any) -> dict[str, Any]:
    return {"backends": {"b": backend(upstream.url)}, "models": {"m": "b"}, **more}


def assert_overloaded(told: Told) -> None:
    assert (told.status, told.code) == (503, "gateway_overloaded")
    assert int(told.headers["retry-after"]) > 0


async def test_one_call_too_many_is_turned_away_and_the_others_are_told_whole():
    async with listening(telling(0.5)) as upstream, gateway(config(upstream, bounds={"calls": 2})) as url:
        for _ in range(2):
            calls = [asyncio.create_task(ask(url, stream=True)) for _ in range(2)]
            before = len(upstream.requests)
            await becomes(lambda before=before: len(upstream.requests) == before + 2)
            for stream in (False, True):
                assert_overloaded(await ask(url, stream=stream))
            assert await status(url, "/health") == (200, {"status": "ok"})
            assert [told.whole for told in await asyncio.gather(*calls)] == [True, True]
            assert (await ask(url)).whole


async def test_a_caller_that_leaves_makes_room():
    async with listening(endless) as upstream, gateway(config(upstream, bounds={"calls": 1})) as url:
        call = asyncio.create_task(ask(url, stream=True))
        await becomes(lambda: len(upstream.requests) == 1)
        assert_overloaded(await ask(url))
        call.cancel()
        await becomes(lambda: upstream.open == 0)
        upstream.script = telling(0)
        assert (await ask(url)).whole


async def test_of_a_crowd_as_many_are_answered_as_there_is_room_for():
    async with listening(telling(0.3)) as upstream, gateway(config(upstream, bounds={"calls": 5})) as url:
        crowd = await asyncio.gather(*(ask(url, stream=True) for _ in range(100)))
        whole = [told for told in crowd if told.whole]
        assert 5 <= len(whole) < 100
        for told in crowd:
            if told not in whole:
                assert_overloaded(told)
        assert len(upstream.requests) == len(whole)
        assert len(upstream.connections) <= 5
        again = await asyncio.gather(*(ask(url, stream=True) for _ in range(5)))
        assert [told.whole for told in again] == [True] * 5


def sometimes(down: list[bool]) -> Script:
    """Fails as long as it is down."""

    async def tell(connection: Any, received: Any) -> None:
        if down[0]:
            await connection.send(answer(b"{}", status="500 Broken"))
        else:
            await telling(0)(connection, received)

    return tell


async def test_ready_is_no_while_a_models_only_backend_is_down_and_yes_once_it_is_back():
    down = [True]
    async with listening(sometimes(down)) as bad, listening(telling(0)) as good:
        breaker = {"breaker": {"open": "300ms", "longest": "300ms"}}
        made = {
            "backends": {"bad": backend(bad.url, **breaker), "good": backend(good.url)},
            "models": {"alone": "bad", "sturdy": {"backends": ["bad", "good"]}},
        }
        async with gateway(made) as url:
            assert await status(url, "/ready") == (200, {"status": "ready"})
            while (await status(url, "/ready"))[0] == 200:
                assert (await ask(url, "alone")).status == 502
                assert len(bad.requests) <= 5
            ready, body = await status(url, "/ready")
            assert (ready, body["error"]["code"]) == (503, "gateway_not_ready")
            assert "'alone'" in body["error"]["message"]
            assert "'sturdy'" not in body["error"]["message"]
            assert await status(url, "/health") == (200, {"status": "ok"})
            assert (await ask(url, "sturdy")).whole
            down[0] = False
            async with asyncio.timeout(5):
                while not (await ask(url, "alone")).whole:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            assert await status(url, "/ready") == (200, {"status": "ready"})


async def test_ready_stays_yes_while_another_backend_can_answer():
    async with listening(telling(0)) as good:
        made = {
            "backends": {"bad": backend("http://127.0.0.1:1"), "good": backend(good.url)},
            "models": {"sturdy": {"backends": ["bad", "good"]}},
        }
        async with gateway(made) as url:
            assert [(await ask(url, "sturdy")).whole for _ in range(8)] == [True] * 8
            assert (await status(url, "/ready"))[0] == 200
