"""What outlives a call is in the store: after a restart, for other processes, and until its time is over."""

import asyncio
import subprocess
import sys
import time

import pytest

from dragoman import Gateway
from dragoman.errors import MemoryDown, StoreDown
from dragoman.storage.memory import InProcess
from dragoman.store import Lasting, opened
from dragoman.store.memory import FORGOTTEN, Value
from tests.postgres_server import needs_postgres, postgres_server
from tests.serving import gateway, openai_backend
from tests.store.databases import NOON, asked, row
from tests.watching import eventually

PUT_AND_DIE = """
import asyncio, os, sys
from dragoman.store import Lasting, opened

async def put(url):
    async with opened(url) as store:
        memory = Lasting(lambda: store)
        for number in range(50):
            await memory.put(f"k{number}", f"v{number}".encode(), 3600)
        os._exit(9)

asyncio.run(put(sys.argv[1]))
"""


@pytest.fixture
def memory(store):
    return Lasting(lambda: store)


def test_what_was_put_is_there_although_the_process_died_at_once(url):
    died = subprocess.run([sys.executable, "-c", PUT_AND_DIE, url], timeout=60)
    assert died.returncode == 9

    async def got():
        async with opened(url) as store:
            memory = Lasting(lambda: store)
            return [await memory.get(f"k{number}") for number in range(50)]

    assert asyncio.run(got()) == [f"v{number}".encode() for number in range(50)]


async def test_of_several_who_take_through_stores_of_their_own_one_gets_it(url, memory):
    async def take():
        async with opened(url) as other:
            return await Lasting(lambda: other).take("prize")

    await memory.put("prize", b"won", 60)
    taken = await asyncio.gather(*(take() for _ in range(8)))
    assert sorted(taken, key=bool) == [None] * 7 + [b"won"]


async def test_one_who_puts_while_others_put_loses_nothing(url):
    async def put(writer):
        async with opened(url) as store:
            memory = Lasting(lambda: store)
            for number in range(20):
                await memory.put(f"{writer}-{number}", str(number).encode(), 60)
                await memory.put("all", str(writer).encode(), 60)

    await asyncio.gather(*map(put, range(4)))
    async with opened(url) as store:
        memory = Lasting(lambda: store)
        got = [await memory.get(f"{writer}-{number}") for writer in range(4) for number in range(20)]
        assert got == [str(number).encode() for number in range(20)] * 4
        assert await memory.get("all") in (b"0", b"1", b"2", b"3")


async def test_what_is_over_is_deleted_and_nothing_else(store, url):
    await store.put([Value(f"old{number}", b"v", NOON + number / 1000) for number in range(FORGOTTEN + 20)])
    await store.put([Value("young", b"v", NOON + 100)])
    assert await store.forget(NOON + 50) == FORGOTTEN + 20
    assert await asked(url, "SELECT count(*) FROM memory") == [(1,)]
    assert [await store.get("young", NOON), await store.get("young", NOON + 100)] == [b"v", None]


async def test_a_value_stays_what_it_is_beside_a_ledger_that_is_written(store, memory):
    large = bytes(range(256)) * 4096
    writing = [store.write([row(f"{batch}-{number}") for number in range(100)]) for batch in range(5)]
    await asyncio.gather(memory.put("large", large, 60), *writing)
    assert await memory.get("large") == large


async def test_the_store_tells_nobody_the_keys(memory, url):
    await memory.put("resp_of_alice", b"v", 60)
    assert "alice" not in str(await asked(url, "SELECT key FROM memory"))


async def test_without_a_store_that_is_open_it_is_down():
    def closed():
        raise StoreDown("it could not be opened yet")

    memory = Lasting(closed)
    for ask in (memory.get("k"), memory.take("k"), memory.put("k", b"v", 60), memory.drop("k")):
        with pytest.raises(MemoryDown, match="could not be opened yet"):
            await ask


async def test_a_store_that_does_not_answer_is_down_in_time(monkeypatch):
    monkeypatch.setattr("dragoman.store.lasting.SECONDS", 0.05)

    class Hanging:
        async def get(self, key, now):
            await asyncio.sleep(60)

    with pytest.raises(MemoryDown, match="in time"):
        await Lasting(Hanging).get("k")


@needs_postgres
async def test_through_an_outage_it_is_down_and_afterwards_what_it_was(monkeypatch):
    with postgres_server() as server:
        async with opened(server.url) as store:
            memory = Lasting(lambda: store)
            await memory.put("k", b"v", 60)
            await asyncio.to_thread(server.kill)
            for ask in (memory.get("k"), memory.take("k"), memory.put("k", b"w", 60), memory.drop("k")):
                with pytest.raises(MemoryDown):
                    await ask
            await asyncio.to_thread(server.start)
            assert await memory.get("k") == b"v"


async def test_a_gateway_with_a_store_remembers_in_it_and_one_without_in_the_process(url):
    config = openai_backend("http://127.0.0.1:1")
    for expected in (None, b"v"):
        made = Gateway({**config, "store": url})
        async with gateway(made):
            assert await made.memory.get("k") == expected
            await made.memory.put("k", b"v", 3600)
    made = Gateway(config)
    async with gateway(made):
        assert isinstance(made.memory, InProcess)


async def test_a_running_gateway_deletes_what_is_over(url, monkeypatch):
    monkeypatch.setattr("dragoman.accounts.TRIM_SECONDS", 0.05)
    made = Gateway({**openai_backend("http://127.0.0.1:1"), "store": url})
    async with gateway(made):
        await made.memory.put("k", b"v", 0.01)

        async def gone():
            return await asked(url, "SELECT count(*) FROM memory") == [(0,)]

        await eventually(gone)


async def test_a_value_costs_little_time_to_compute(store, memory):
    """Some 150 µs each on an idle machine; the bound is for busy ones."""
    began = time.process_time()
    for number in range(100):
        await memory.put(f"k{number}", bytes(1000), 60)
        await memory.get(f"k{number}")
    assert (time.process_time() - began) / 200 < 0.003


async def test_of_many_that_put_at_once_all_are_kept_and_of_one_key_the_last(memory):
    await asyncio.gather(*(memory.put(f"k{number % 70}", str(number).encode(), 60) for number in range(200)))
    got = [await memory.get(f"k{number}") for number in range(70)]
    assert got == [str(max(range(number, 200, 70))).encode() for number in range(70)]


async def test_who_gave_up_waiting_takes_nothing_from_the_others(memory):
    puts = [asyncio.ensure_future(memory.put(f"k{number}", b"v", 60)) for number in range(20)]
    await asyncio.sleep(0)
    puts[3].cancel()
    await asyncio.gather(*puts, return_exceptions=True)
    assert [await memory.get(f"k{number}") for number in range(20) if number != 3] == [b"v"] * 19
    await memory.put("k3", b"again", 60)
    assert await memory.get("k3") == b"again"
