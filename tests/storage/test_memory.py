"""A memory keeps, forgets and is bounded, whether it is in the process, in a real Redis, or in a store."""

import asyncio
import runpy
import sys
import time
from contextlib import asynccontextmanager, contextmanager
from unittest.mock import patch
from urllib.parse import urlsplit

import pytest

import dragoman.storage
from dragoman import store
from dragoman.errors import LARGEST_KEPT, ConfigError, NotKept
from dragoman.storage import MemoryDown, opened
from dragoman.storage.memory import InProcess
from tests.postgres_server import needs_postgres, postgres_server
from tests.redis_server import needs_redis, redis_server, tell

ANYTHING = bytes(range(256)) * 2


@pytest.fixture(scope="module")
def redis():
    with redis_server() as url:
        yield url


@pytest.fixture(scope="module")
def postgres():
    with postgres_server() as server:
        yield server.url


@pytest.fixture(scope="module")
def sqlite(tmp_path_factory):
    return f"sqlite:///{tmp_path_factory.mktemp('memory')}/memory.db"


@asynccontextmanager
async def lasting(url):
    async with store.opened(url) as open_store:
        yield store.Lasting(lambda: open_store)


KINDS = (
    "in-process",
    pytest.param("redis", marks=needs_redis),
    "sqlite",
    pytest.param("postgres", marks=needs_postgres),
)


@pytest.fixture(params=KINDS)
async def memory(request):
    url = None if request.param == "in-process" else request.getfixturevalue(request.param)
    async with (lasting if request.param in ("sqlite", "postgres") else opened)(url) as memory:
        yield memory


async def all_asked(memory):
    """What each question raises or gives."""
    asked = (memory.get("k"), memory.take("k"), memory.put("k", b"v", 60), memory.drop("k"))
    return [type(told) for told in await asyncio.gather(*asked, return_exceptions=True)]


@contextmanager
def within(seconds):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


@pytest.mark.parametrize("key", ["get", "a key: ü \r\n*\0", "\ud800", "", "long" * 1000])
async def test_what_is_put_is_there(memory, key):
    assert await memory.get(key) is None
    for value in (ANYTHING, b""):
        await memory.put(key, value, 60)
        assert [await memory.get(key), await memory.get(key)] == [value, value]
    await memory.drop(key)
    await memory.drop(key)
    assert await memory.get(key) is None


async def test_what_is_taken_is_gone(memory):
    await memory.put("taken", ANYTHING, 60)
    assert [await memory.take("taken"), await memory.take("taken"), await memory.get("taken")] == [ANYTHING, None, None]


async def test_of_a_hundred_who_take_at_once_one_wins(memory):
    await memory.put("prize", b"won", 60)
    taken = await asyncio.gather(*(memory.take("prize") for _ in range(100)))
    assert sorted(taken, key=bool) == [None] * 99 + [b"won"]


async def test_a_value_lives_for_its_time(memory):
    await memory.put("short", b"v", 0.2)
    await memory.put("shorter", b"v", 0.00001)
    await memory.put("renewed", b"v", 0.2)
    await memory.put("renewed", b"w", float("inf"))
    assert await memory.get("short") == b"v"
    await asyncio.sleep(0.25)
    assert [await memory.get("short"), await memory.take("shorter"), await memory.get("renewed")] == [None, None, b"w"]


async def test_the_process_keeps_what_was_used_last():
    async with opened(None, limit=3) as memory:
        for key in "abc":
            await memory.put(key, b"1", 60)
        await memory.get("a")
        await memory.put("b", b"2", 60)
        for key in "de":
            await memory.put(key, b"1", 60)
        assert [await memory.get(key) for key in "abcde"] == [None, b"2", None, b"1", b"1"]


async def test_the_process_keeps_so_many_bytes_and_forgets_what_was_not_used_for_longest():
    memory = InProcess(most=30)
    for key in "abc":
        await memory.put(key, bytes(9), 60)
    await memory.get("a")
    await memory.put("d", bytes(9), 60)
    assert [key for key in "abcd" if await memory.get(key) is not None] == ["a", "c", "d"]
    for _ in range(5):  # what is replaced, taken, dropped or over leaves its place to others
        await memory.put("a", bytes(8), 60)
        await memory.take("c")
        await memory.drop("d")
        await memory.put("e", bytes(9), 0)
        await memory.get("e")
        await memory.put("c", bytes(9), 60)
    assert [key for key in "acde" if await memory.get(key) is not None] == ["a", "c"]
    await memory.put("large", bytes(100), 60)
    assert [await memory.get(key) for key in ("a", "large")] == [None, None]


async def test_what_is_too_large_is_refused_and_what_was_there_stays(memory):
    largest = bytes(LARGEST_KEPT)
    await memory.put("large", largest, 60)
    with pytest.raises(NotKept, match=f"at most {LARGEST_KEPT}"):
        await memory.put("large", largest + b"1", 60)
    assert await memory.take("large") == largest


@needs_redis
async def test_processes_share_a_redis_and_others_keys_are_left_alone(redis):
    tell(redis, "set k theirs")
    async with opened(redis) as one, opened(f"{redis}/0") as other:
        await one.put("k", b"ours", 60)
        assert await other.take("k") == b"ours"
    assert b"theirs" in tell(redis, "get k")


@needs_redis
async def test_a_redis_that_stops_is_down_at_once_and_found_again_when_it_is_back():
    with redis_server("--requirepass", "s3cret-word") as url:
        wrong = url.replace("//", "//:another@")
        async with opened(url.replace("//", "//:s3cret-word@")) as memory, opened(wrong) as shut:
            await memory.put("k", b"v", 60)
            assert await all_asked(shut) == [MemoryDown] * 4
            tell(url, "auth s3cret-word\r\nshutdown nosave")
            with within(0.5):
                assert await all_asked(memory) == [MemoryDown] * 4
            with pytest.raises(MemoryDown) as caught:
                await memory.get("k")
            assert "s3cret" not in str(caught.value)
            with redis_server("--requirepass", "s3cret-word", port=urlsplit(url).port):
                await memory.put("k", b"w", 60)
                assert await memory.get("k") == b"w"


@needs_redis
async def test_a_redis_that_hangs_is_down_soon_and_its_late_answers_are_nobodys():
    with redis_server() as url:
        async with opened(url) as memory, opened(url) as unborn:
            await memory.put("k", b"v", 60)
            tell(url, "client pause 1300")
            with within(1.25):
                assert await all_asked(memory) == [MemoryDown] * 4
            leaving = [asyncio.create_task(memory.get("k")) for _ in range(60)]
            await asyncio.sleep(0.05)
            for task in leaving:
                task.cancel()
            await asyncio.sleep(0.3)
            await memory.put("other", b"o", 60)
            assert [await memory.get("other"), await memory.get("nothing")] == [b"o", None]
            assert await unborn.get("other") == b"o"


async def test_a_redis_that_never_speaks_is_down_within_two_seconds():
    listening = await asyncio.start_server(lambda reader, writer: asyncio.sleep(9), "127.0.0.1", 0)
    async with listening, opened(f"redis://:pass@127.0.0.1:{listening.sockets[0].getsockname()[1]}/3") as memory:
        with within(2.5):
            assert await all_asked(memory) == [MemoryDown] * 4
        listening.close()


async def test_more_calls_than_connections_wait_for_their_turn(memory):
    await asyncio.gather(*(memory.put(str(number), str(number).encode(), 60) for number in range(500)))
    got = await asyncio.gather(*(memory.get(str(number)) for number in range(500)))
    assert got == [str(number).encode() for number in range(500)]


@pytest.mark.parametrize(
    "url",
    ["http://host", "", "redis:host", "redis://:pa/ss@host:1", "redis://host?colour=red", "redis://h?db=x&password=pa"],
)
def test_a_url_that_cannot_be_used_is_refused_and_not_told(url):
    with pytest.raises(ConfigError, match="URL") as caught:
        opened(url)
    assert "pa" not in str(caught.value).split()


def test_without_its_library_redis_says_what_to_install():
    file = dragoman.storage.__file__.replace("__init__", "redis")
    with patch.dict(sys.modules, {"redis.asyncio": None}), pytest.raises(ConfigError, match=r"dragoman\[redis\]"):
        runpy.run_path(file)["Redis"]("redis://host")
