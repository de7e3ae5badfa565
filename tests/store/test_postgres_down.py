"""What happens while PostgreSQL is not there, or not well."""

import asyncio
import time
from contextlib import contextmanager

import asyncpg
import pytest

from dragoman.errors import StoreDown
from dragoman.store import opened
from tests.postgres_server import PASSWORD, QUOTED, needs_postgres, postgres_server
from tests.store.databases import NOON, Servers, asked, assert_sums_are_those_of_the_rows, key, row

pytestmark = needs_postgres
BOUND = 30.0
"""Seconds within which anything is given up, on however slow a machine."""


@pytest.fixture(scope="module")
def own():
    """A server that no other test needs."""
    with postgres_server() as server:
        yield Servers(server)


@pytest.fixture
async def url(own, request):
    own.server.start()
    return await own.new(request.node.name[:60])


@pytest.fixture
def server(own):
    return own.server


@contextmanager
def told(secret=PASSWORD):
    """It is told in time that the store is down, and no password with it."""
    began = time.monotonic()
    with pytest.raises(StoreDown) as error:
        yield
    assert time.monotonic() - began < BOUND
    assert secret not in str(error.value)
    assert QUOTED not in str(error.value)
    assert str(error.value)


async def opening(url):
    async with opened(url) as store:
        await store.changed(0)


async def test_a_wrong_password_is_told_but_not_quoted(server, url):
    with told("wrong-password"):
        await opening(server.named("ledger", "wrong-password"))


async def test_a_database_that_is_not_there_is_told(server, url):
    with told():
        await opening(server.named("nowhere"))


async def test_a_host_that_is_not_there_is_told():
    for place in ("127.0.0.1:1", "nowhere.invalid"):
        with told():
            await opening(f"postgresql://user:{QUOTED}@{place}/name")


async def test_after_a_restart_it_goes_on(server, url):
    async with opened(url) as store:
        await store.write([row("r1")])
        server.stop()
        for ask in (
            store.write([row("r2")]),
            store.changed(0),
            store.spent("", ""),
            store.add(key()),
            store.usage([], 0),
        ):
            with told():
                await ask
        server.start()
        await store.write([row("r2")])
        await store.add(key())
        assert [each["calls"] for each in await store.usage([], 0)] == [2]
    await assert_sums_are_those_of_the_rows(url)


async def test_killed_in_the_midst_of_writing_it_loses_nothing_that_was_acknowledged(server, url):
    """Batches that failed are written again, as nobody knows what became of them."""
    done = 0
    async with opened(url) as store:
        for turn in range(6):
            killing = asyncio.get_running_loop().run_in_executor(None, _killed_after, server, 0.02 * (turn + 1))
            while True:
                batch = [row(f"{done}-{place}", NOON + done, key=f"k{place % 3}") for place in range(50)]
                try:
                    await store.write(batch)
                    done += 1
                except StoreDown:
                    break
            await killing
            server.start()
            await store.write(batch)
            done += 1
    assert await asked(url, "SELECT count(*) FROM usage") == [(done * 50,)]
    await assert_sums_are_those_of_the_rows(url)


def _killed_after(server, seconds):
    time.sleep(seconds)
    server.kill()


async def test_one_that_hangs_is_given_up_and_used_again_later(server, url, monkeypatch):
    monkeypatch.setattr("dragoman.store.postgres.COMMAND_SECONDS", 0.5)
    monkeypatch.setattr("dragoman.store.postgres.CONNECT_SECONDS", 0.5)
    async with opened(url) as store:
        await store.write([row("r1")])
        server.hang()
        try:
            for ask in (store.write([row("r2")]), store.changed(0), store.write([row("r2")])):
                with told():
                    await ask
            with told():
                await opening(url)
        finally:
            server.wake()
        await store.write([row("r2")])
        assert [each["calls"] for each in await store.usage([], 0)] == [2]
    await assert_sums_are_those_of_the_rows(url)


async def test_one_that_hangs_does_not_hold_up_the_end(server, url, monkeypatch):
    monkeypatch.setattr("dragoman.store.postgres.COMMAND_SECONDS", 0.5)
    began = time.monotonic()
    async with opened(url) as store:
        await store.changed(0)
        server.hang()
    try:
        assert time.monotonic() - began < BOUND
    finally:
        server.wake()


async def test_what_another_holds_is_waited_for_no_longer_than_it_may(url, monkeypatch):
    monkeypatch.setattr("dragoman.store.postgres.COMMAND_SECONDS", 0.5)
    other = await asyncpg.connect(url)
    async with opened(url) as store:
        await store.write([row("r1")])
        async with other.transaction():
            await other.execute("LOCK TABLE usage_days")
            with told():
                await store.write([row("r2")])
        await store.write([row("r2")])
    await other.close()
    await assert_sums_are_those_of_the_rows(url)


async def test_a_writer_that_is_cancelled_leaves_the_store_well(url):
    async with opened(url) as store:
        for number in range(20):
            writing = asyncio.ensure_future(store.write([row(f"{number}-{place}") for place in range(200)]))
            await asyncio.sleep(0.0005 * number)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        await store.write([row("last")])
    await assert_sums_are_those_of_the_rows(url)
