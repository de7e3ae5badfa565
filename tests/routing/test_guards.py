"""Retries, breakers, queues, deadlines: what keeps one bad backend from becoming everybody's."""

import asyncio
import time

import aiohttp
import pytest

from dragoman import Gateway
from tests.redis_server import needs_redis, redis_server
from tests.routing.places import after, fails, placed, says
from tests.serving import QUESTION, gateway, http_backend, post
from tests.upstream import json_answer, listening

ONE = {"m": "a"}


async def status(url: str, path: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(f"{url}{path}") as got:
        return got.status


def failing_first(times: int, script):
    left = [times]

    async def scripted(connection, received):
        left[0] -= 1
        await (script if left[0] >= 0 else says("a"))(connection, received)

    return scripted


async def test_a_short_wait_that_a_backend_asks_for_is_waited():
    scripts = {"a": failing_first(1, fails("429 Slow", "Retry-After: 1"))}
    async with placed(scripts, ONE) as place:
        began = time.monotonic()
        heard = await place.ask()
        assert (heard.status, place.asked("a")) == (200, 2)
        assert time.monotonic() - began >= 1


@pytest.mark.parametrize(
    "script", [fails(), fails("503 Later"), fails("429 Slow", "Retry-After: 30"), fails("400 No"), says("")]
)
async def test_what_may_have_been_taken_is_not_asked_again(script):
    async with placed({"a": script}, ONE) as place:
        await place.ask()
        assert place.asked("a") == 1


async def test_a_configuration_may_ask_again_after_more():
    models = {"m": {"backend": "a", "retry": {"on": ["upstream_error"]}}}
    async with placed({"a": failing_first(2, fails())}, models) as place:
        assert ((await place.ask()).status, place.asked("a")) == (200, 3)


async def test_the_caller_is_told_not_to_try_again_once_ours_are_spent():
    models = {"m": {"backend": "a", "retry": {"on": ["upstream_error"]}}}
    async with placed({"a": fails()}, models) as place:
        heard = await place.ask()
        assert (heard.headers["x-should-retry"], place.asked("a")) == ("false", 3)


async def test_retries_stay_within_a_fifth_of_the_calls():
    models = {"m": {"backend": "a", "retry": {"on": ["upstream_error"]}}}
    async with placed({"a": fails()}, models, {"breaker": False}) as place:
        await asyncio.gather(*(place.ask() for _ in range(100)))
        assert place.asked("a") <= 100 * 1.2 + 10


BREAKER = {"breaker": {"open": "300ms", "calls": 4, "failures": 0.5}}


async def test_a_backend_that_fails_is_left_alone_and_then_tried_by_one():
    models = {"m": {"backend": "a", "retry": {"attempts": 0}}}
    async with placed({"a": fails()}, models, BREAKER) as place:
        for _ in range(4):
            assert (await place.ask()).code == "upstream_error"
        assert place.asked("a") == 4
        heard = await place.ask()
        assert (heard.status, heard.code, heard.headers["retry-after"]) == (502, "upstream_error", "1")
        assert place.asked("a") == 4
        assert (await status(place.url, "/ready"), await status(place.url, "/health")) == (503, 200)
        await asyncio.sleep(0.35)
        assert await status(place.url, "/ready") == 200
        place.upstreams["a"].script = after(0.2, says("back"))
        statuses = [heard.status for heard in await asyncio.gather(*(place.ask() for _ in range(10)))]
        assert (min(statuses), statuses.count(200), place.asked("a")) == (200, 1, 5)
        assert {heard.status for heard in await place.many(3)} == {200}


async def test_a_probe_whose_caller_leaves_lets_another_try():
    async with placed({"a": fails()}, ONE, BREAKER) as place:
        await place.many(4)
        await asyncio.sleep(0.35)
        place.upstreams["a"].script = after(30, says("late"))
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await place.ask()
        place.upstreams["a"].script = says("back")
        async with asyncio.timeout(5):
            while (await place.ask()).status != 200:  # noqa: ASYNC110
                await asyncio.sleep(0.05)


async def test_slow_counts_as_failed_where_the_configuration_says_so():
    options = {"breaker": {"slow": "50ms", "calls": 3}}
    models = {"m": {"backends": ["a", "b"]}}
    async with placed({"a": after(0.1, says("a")), "b": says("b")}, models, options) as place:
        assert [heard.backend for heard in await place.many(5)] == ["a", "a", "a", "b", "b"]


async def test_requests_that_are_refused_do_not_open_a_breaker():
    async with placed({"a": fails("400 No")}, ONE, BREAKER) as place:
        await place.many(8)
        assert place.asked("a") == 8


async def test_a_backend_is_left_alone_for_as_long_as_it_says():
    models = {"m": {"backends": ["a", "b"]}}
    async with placed({"a": fails("429 Slow", "Retry-After: 60"), "b": says("b")}, models) as place:
        assert {heard.backend for heard in await place.many(5)} == {"b"}
        assert place.asked("a") == 1


@needs_redis
async def test_processes_may_share_what_they_know_of_a_backend():
    with redis_server() as url:
        await _told_by_one_known_by_the_other(url)


async def _told_by_one_known_by_the_other(url: str):
    async with listening(fails()) as upstream:
        config = {**http_backend(upstream.url, breaker={"calls": 3, "open": "20s", "shared": True}), "redis": url}
        async with gateway(config) as one, gateway(config) as other:
            for _ in range(3):
                await post(one, QUESTION)
            async with asyncio.timeout(5):
                while (await status(other, "/ready")) == 200:
                    await post(other, QUESTION)
                    await asyncio.sleep(0.3)
            asked = len(upstream.requests)
            await post(other, QUESTION)
            assert len(upstream.requests) == asked


async def test_calls_wait_for_a_place_and_no_more_than_may():
    options = {"concurrency": {"limit": 2, "queue": 3, "wait": "5s"}}
    async with placed({"a": after(0.2, says("a"))}, ONE, options) as place:
        heard = await asyncio.gather(*(place.ask() for _ in range(8)))
        assert sorted(each.status for each in heard) == [200] * 5 + [503] * 3
        assert {each.code for each in heard} == {None, "upstream_busy"}


async def test_a_place_that_does_not_come_in_time_is_not_waited_for():
    options = {"concurrency": {"limit": 1, "queue": 5, "wait": "150ms"}}
    async with placed({"a": after(1, says("a"))}, ONE, options) as place:
        began = time.monotonic()
        heard = await asyncio.gather(*(place.ask() for _ in range(3)))
        assert sorted(each.status for each in heard) == [200, 503, 503]
        assert time.monotonic() - began < 3


async def test_those_who_leave_the_queue_leave_no_hole():
    options = {"concurrency": {"limit": 1, "queue": 5, "wait": "10s"}}
    async with placed({"a": after(0.3, says("a"))}, ONE, options) as place:
        first = asyncio.create_task(place.ask())
        await asyncio.sleep(0.1)
        gone = asyncio.create_task(place.ask())
        await asyncio.sleep(0.05)
        gone.cancel()
        assert (await first).status == 200
        assert {heard.status for heard in await asyncio.gather(*(place.ask() for _ in range(3)))} == {200}


async def test_an_adaptive_limit_sinks_as_answers_slow_down_and_rises_again():
    busy, most = 0, []

    async def crowded(connection, received):
        nonlocal busy
        busy += 1
        most.append(busy)
        await asyncio.sleep(0.005 * busy)
        busy -= 1
        await connection.send(json_answer({"reply": "a"}))

    options = {"concurrency": {"limit": 200, "queue": 200, "wait": "10s", "adaptive": True}, "breaker": False}
    async with placed({"a": crowded}, ONE, options) as place:
        await asyncio.gather(*(place.ask() for _ in range(150)))
    assert max(most) < 100


async def test_a_caller_may_want_its_answer_sooner():
    async with placed({"a": after(5, says("a"))}, ONE) as place:
        began = time.monotonic()
        heard = await place.ask(headers={"x-dragoman-timeout": "200ms"})
        assert (heard.status, heard.code) == (504, "deadline_exceeded")
        assert time.monotonic() - began < 2
        streamed = await place.ask(headers={"x-dragoman-timeout": "0.2"}, stream=True)
        assert streamed.code == "deadline_exceeded"
        wrong = await place.ask(headers={"x-dragoman-timeout": "soon"})
        assert (wrong.status, wrong.code) == (422, "invalid_timeout")


async def test_one_call_more_than_the_gateway_takes_is_told_to_come_back():
    async with placed({"a": after(0.3, says("a"))}, ONE, bounds={"calls": 2}) as place:
        heard = await asyncio.gather(*(place.ask() for _ in range(4)))
        assert sorted(each.status for each in heard) == [200, 200, 503, 503]
        refused = next(each for each in heard if each.status == 503)
        assert (refused.code, refused.headers["retry-after"]) == ("gateway_overloaded", "1")
        assert (await place.ask()).status == 200


async def test_short_memory_takes_no_more_calls():
    made = Gateway({"backends": {"d": {"kind": "demo"}}, "models": {"m": "d"}})
    async with gateway(made) as url:
        made._measured(0.95)
        assert (await post(url, QUESTION))[0] == 503
        made._measured(0.5)
        assert (await post(url, QUESTION))[0] == 200
