"""Limits in a real Redis, exact over processes, and what becomes of them when it goes away."""

import asyncio
import json
import random
import signal
import subprocess
import sys
import time
from contextlib import asynccontextmanager, suppress

import pytest

from dragoman.errors import ConfigError, LimitsUnavailable, MemoryDown
from dragoman.limits import InProcess, Places, Purse, Rate, opened
from dragoman.limits.degrading import Degrading
from dragoman.limits.shared import Shared
from tests.redis_server import needs_redis, redis_server, tell
from tests.watching import becomes, descriptors, eventually

pytestmark = needs_redis
LONG = 1e6

HAMMER = """
import asyncio, json, sys, time
from dragoman.limits import Places, Purse, Rate
from dragoman.limits.shared import Shared

async def main(url, seconds):
    counts = {"rate": 0, "purse": 0, "most": 0}
    async with Shared(url, lease=1.0) as limits:
        print("up", flush=True)
        sys.stdin.readline()
        began = time.time()
        async def one():
            while time.time() < began + seconds:
                rate = [Rate("r", 600, 1)]
                if (await limits.take(rate)).refused is None:
                    counts["rate"] += 1
                purse = [Purse("p", 1000, 7, 3, 0, 3600.0)]
                if (await limits.take(purse)).refused is None:
                    counts["purse"] += 10
                places = [Places("c", 3)]
                taken = await limits.take(places)
                if taken.refused is None:
                    counts["most"] = max(counts["most"], 3 - taken.left[0])
                    await asyncio.sleep(0.001)
                    limits.settle(places, taken, [0])
        await asyncio.gather(*(one() for _ in range(8)))
        print(json.dumps({**counts, "seconds": time.time() - began}), flush=True)

asyncio.run(main(sys.argv[1], float(sys.argv[2])))
"""

HOLD = """
import asyncio, sys
from dragoman.limits import Places
from dragoman.limits.shared import Shared

async def main(url):
    async with Shared(url, lease=1.5) as limits:
        print((await limits.take([Places("c", 1)])).refused, flush=True)
        await asyncio.sleep(60)

asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture
def redis():
    with redis_server() as url:
        yield url


@asynccontextmanager
async def shared(url, **options):
    async with Shared(url, **options) as limits:
        yield limits


async def _many(limits, wants, count):
    taken = await asyncio.gather(*(limits.take(wants) for _ in range(count)))
    return [each for each in taken if each.refused is None]


async def test_of_many_at_once_exactly_so_many_fit(redis):
    async with shared(redis) as one, shared(redis) as other:
        for wants, fits in (
            ([Rate("slow", 10, 1)], 10),
            ([Places("places", 7)], 7),
            ([Purse("purse", 50, 10, 0, 0, LONG)], 5),
            ([Rate("all", 100, 10), Places("of", 50), Purse("them", 35, 10, 0, 0, LONG)], 4),
        ):
            taken = await asyncio.gather(_many(one, wants, 40), _many(other, wants, 40))
            assert len(taken[0]) + len(taken[1]) == fits


async def test_what_was_not_used_is_given_back_and_what_was_used_beyond_is_taken(redis):
    async with shared(redis) as limits:
        wants = [Rate("r", 100, 60), Places("c", 1), Purse("p", 100, 60, 0, 0, LONG)]
        taken = await limits.take(wants)
        assert (taken.left, list(taken.amounts)) == ([40, 0, 40], [60, 1, 60])
        limits.settle(wants, taken, [10, 0, 10])
        limits.settle(wants, taken, [10, 0, 10])

        async def left():
            again = await limits.take(wants)
            limits.settle(wants, again, [0, 0, 0])
            return again.refused is None and again.left[0] in range(30, 33) and again.left[2] == 30

        await eventually(left)


async def test_what_is_hoped_for_is_taken_as_far_as_it_fits(redis):
    async with shared(redis) as limits:
        assert list((await limits.take([Rate("r", 100, 30, 500)])).amounts) == [100]
        assert (await limits.take([Rate("r", 100, 30, 500)])).refused == 0


@pytest.mark.parametrize(
    "name", ["a b", "line\nline", "ключ", "\ud800", "x" * 10_000, "]]=] redis.call('FLUSHALL')", ""]
)
async def test_a_name_may_be_anything(redis, name):
    async with shared(redis) as limits:
        taken = await limits.take([Rate(name, 10, 1), Purse(f"{name}p", 10, 1, 0, 0, LONG)])
        assert taken.left == [9, 9]


def _started(script, *arguments):
    return subprocess.Popen(
        [sys.executable, "-c", script, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


async def test_two_processes_together_get_exactly_what_one_may(redis):
    processes = [_started(HAMMER, redis, "2") for _ in range(2)]
    for process in processes:
        assert await asyncio.to_thread(process.stdout.readline) == "up\n"
    began = time.time()
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    told = [json.loads((await asyncio.to_thread(process.communicate))[0]) for process in processes]
    took = time.time() - began
    assert 600 <= sum(each["rate"] for each in told) <= 600 + 10 * took + 1
    assert sum(each["purse"] for each in told) == 1000
    assert max(each["most"] for each in told) <= 3


async def test_places_of_a_killed_process_come_back_and_those_of_a_living_one_do_not(redis):
    process = _started(HOLD, redis)
    assert await asyncio.to_thread(process.stdout.readline) == "None\n"
    async with shared(redis, lease=1.5) as limits:
        await asyncio.sleep(3)
        assert (await limits.take([Places("c", 1)])).refused == 0, "its lease was not renewed"
        process.send_signal(signal.SIGKILL)
        await asyncio.to_thread(process.communicate)

        async def free():
            return (await limits.take([Places("c", 1)])).refused is None

        await eventually(free, 6)


async def test_a_caller_that_leaves_while_it_waits_takes_nothing_and_gets_no_others_answer(redis):
    chance = random.Random(6)
    async with shared(redis) as limits:

        async def come(number):
            wants = [Places("c", 10_000), Rate(f"r{number}", number + 1, 0, number + 1)]
            taken = await limits.take(wants)
            assert list(taken.amounts) == [1, number + 1]
            limits.settle(wants, taken, [0, 0])

        for start in range(0, 1000, 100):
            tasks = [asyncio.ensure_future(come(start + number)) for number in range(100)]
            for task in tasks:
                if chance.random() < 0.5:
                    await asyncio.sleep(0)
                    task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                assert result is None or isinstance(result, asyncio.CancelledError)

        async def all_free():
            taken = await limits.take([Places("c", 10_000)])
            limits.settle([Places("c", 10_000)], taken, [0])
            return taken.left == [9_999]

        await eventually(all_free)


async def test_scripts_that_redis_has_forgotten_are_told_again(redis):
    async with shared(redis) as limits:
        await limits.take([Rate("r", 10, 1)])
        tell(redis, "script flush")
        taken = await limits.take([Places("c", 1)])
        tell(redis, "script flush")
        limits.settle([Places("c", 1)], taken, [0])

        async def free():
            return (await limits.take([Places("c", 1)])).refused is None

        await eventually(free)


async def test_a_redis_that_hangs_is_given_up_and_then_found_again(redis):
    async with shared(redis, seconds=0.3) as limits:
        tell(redis, "client pause 1500 all")
        began = time.monotonic()
        with pytest.raises(MemoryDown):
            await limits.take([Rate("r", 10, 1)])
        assert 0.2 < time.monotonic() - began < 1.5
        began = time.monotonic()
        for _ in range(20):
            with pytest.raises(MemoryDown):
                await limits.take([Rate("r", 10, 1)])
        assert time.monotonic() - began < 0.5

        async def back():
            with suppress(MemoryDown):
                return (await limits.take([Rate("r", 10, 1)])).refused is None
            return False

        await eventually(back)


async def test_a_redis_that_was_restarted_is_found_again_and_settlements_wait_for_it():
    wants = [Rate("r", 100, 50)]
    with redis_server() as url:
        port = int(url.rpartition(":")[2])
        async with shared(url) as limits:
            taken = await limits.take(wants)
            tell(url, "shutdown nosave")
            await becomes(lambda: not limits._pipe.up)
            limits.settle(wants, taken, [80])
            with redis_server(port=port):

                async def settled():
                    with suppress(MemoryDown):
                        again = await limits.take([Rate("r", 100, 0)])
                        return again.left[0] in range(68, 76)  # 30 more were used than taken
                    return False

                await eventually(settled)


async def test_what_does_not_speak_as_redis_does_is_down_and_not_a_crash():
    async def garbage(reader, writer):
        await reader.read(10)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        with suppress(ConnectionError):
            await writer.drain()

    server = await asyncio.start_server(garbage, "127.0.0.1", 0)
    url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    began = time.monotonic()
    async with shared(url) as limits:
        assert time.monotonic() - began < 2
        with pytest.raises(MemoryDown):
            await limits.take([Rate("r", 10, 1)])
    server.close()


async def test_a_password_is_needed_and_not_told():
    with redis_server("--requirepass", "s3cret-of-redis") as url:
        async with shared(url.replace("://", "://:s3cret-of-redis@") + "/3") as limits:
            assert (await limits.take([Rate("r", 10, 1)])).left == [9]
        async with shared(url.replace("://", "://:wrong-s3cret@")) as limits:
            with pytest.raises(MemoryDown) as down:
                await limits.take([Rate("r", 10, 1)])
    assert "s3cret" not in str(down.value)


def test_a_url_that_is_none_is_told_without_its_password():
    with pytest.raises(ConfigError) as wrong:
        Shared("http://:s3cret@nowhere")
    assert "s3cret" not in str(wrong.value)


async def test_while_redis_is_down_limits_are_what_the_configuration_says(caplog):
    caplog.set_level("INFO", "dragoman")
    rate = [Rate("r", 3, 1)]
    with redis_server() as url:
        port = int(url.rpartition(":")[2])
        local = InProcess()
        async with (
            opened(url, local, "local") as own,
            opened(url, local, "allow") as open_,
            opened(url, local, "refuse") as shut,
        ):
            tell(url, "shutdown nosave")
            await asyncio.sleep(0.1)
            assert [(await own.take(rate)).refused for _ in range(5)] == [None] * 3 + [0] * 2
            assert [(await open_.take(rate)).refused for _ in range(5)] == [None] * 5
            for _ in range(5):
                with pytest.raises(LimitsUnavailable):
                    await shut.take(rate)
            assert caplog.text.count("limits store down") == 3
            assert isinstance(own, Degrading)
            assert own.missed == 5
            with redis_server(port=port):

                async def back():
                    return (await own.take([Rate("other", 1000, 1)])).left == [
                        999
                    ] and "limits store back" in caplog.text

                await eventually(back)


async def test_nothing_is_left_open_afterwards(redis):
    before, tasks = descriptors(), len(asyncio.all_tasks())
    for _ in range(5):
        async with shared(redis) as limits:
            await _many(limits, [Rate("r", 1000, 1)], 20)
    await becomes(lambda: descriptors() <= before and len(asyncio.all_tasks()) <= tasks)
