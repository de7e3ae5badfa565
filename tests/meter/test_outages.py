"""A store or a Redis that goes away under a running server, and comes back."""

import asyncio

from tests.meter.desk import desk, key
from tests.postgres_server import needs_postgres, postgres_server
from tests.redis_server import needs_redis, redis_server, tell
from tests.store.databases import asked
from tests.watching import eventually

KEYS = {"alice": key("alice", budget="1000000/month")}


async def _rows(url: str) -> int:
    return len(await asked(url, "SELECT id FROM usage"))


async def _has_rows(url: str, count: int) -> None:
    async def there() -> bool:
        return await _rows(url) >= count

    await eventually(there)


@needs_postgres
async def test_calls_go_on_while_postgres_restarts_and_every_row_arrives_once(tmp_path):
    with postgres_server() as postgres:
        async with desk(KEYS, tmp_path, store=postgres.url) as place:
            await place.many(20)
            await _has_rows(postgres.url, 20)
            await asyncio.to_thread(postgres.kill)
            assert {told.status for told in await place.many(30)} == {200}
            assert (await place.ask("nobody")).status == 401
            await asyncio.to_thread(postgres.start)
            await place.many(10)
            await _has_rows(postgres.url, 60)
        assert await _rows(postgres.url) == 60


@needs_postgres
async def test_a_server_starts_without_its_store_and_knows_keys_of_the_file(tmp_path, caplog):
    with postgres_server() as postgres:
        url = postgres.url
        await asyncio.to_thread(postgres.stop)
        async with desk(KEYS, tmp_path, store=url) as place:
            assert (await place.ask()).status == 200
            told = await place.ask("nobody")
            assert (told.status, told.error["code"]) == (503, "keys_unavailable")
            await asyncio.to_thread(postgres.start)
            await eventually(lambda: place.answers(401, "nobody"))
            await _has_rows(url, 1)
    assert "s3cret" not in caplog.text


@needs_redis
async def test_limits_are_exact_again_once_redis_is_back(tmp_path):
    keys = {"alice": key("alice", rpm=5)}
    with redis_server("--appendonly", "no") as url:
        port = int(url.rpartition(":")[2])
        async with desk(keys, tmp_path, redis=url) as place:
            assert [told.status for told in await place.many(3)] == [200] * 3
            tell(url, "shutdown nosave")
            await asyncio.sleep(0.1)
            # Redis is gone, and this process's own limit begins anew
            assert sorted(told.status for told in await place.many(7)) == [200] * 5 + [429] * 2
            with redis_server(port=port):
                await eventually(lambda: place.answers(200))
                statuses = [told.status for told in await place.many(10)]
                assert 3 <= statuses.count(200) <= 5


@needs_redis
async def test_a_redis_that_hangs_costs_each_call_a_second_at_most_and_only_at_first(tmp_path):
    with redis_server() as url:
        async with desk({"alice": key("alice", rpm=1000)}, tmp_path, redis=url) as place:
            await place.ask()
            tell(url, "client pause 4000 all")
            began = asyncio.get_running_loop().time()
            assert {told.status for told in await place.many(20)} == {200}
            assert asyncio.get_running_loop().time() - began < 3
            began = asyncio.get_running_loop().time()
            assert {told.status for told in await place.many(20)} == {200}
            assert asyncio.get_running_loop().time() - began < 0.8
