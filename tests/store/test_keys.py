"""Keys in a store."""

import asyncio
import json
import logging

import pytest

from dragoman.grants import Grant
from dragoman.store import Digest, Taken, opened
from tests.store.databases import NOON, asked, key

FULL = Grant(
    rpm=60, tpm=90_000, concurrent=4, budget="20/month", models=["m", "team-*"], per_model={"m": {"rpm": 5}},
    expires="2027-01-01", admin=True,
)  # fmt: skip


async def test_a_key_comes_back_as_it_was_put(store):
    put = key("key_1", "alice", FULL, by="key_0", digests=(Digest("a" * 64, "wxyz"), Digest("b" * 64, "1234", NOON)))
    await store.add(put)
    _, (got,) = await store.changed(0)
    assert set(got.digests) == set(put.digests)
    assert (got.id, got.name, got.grant, got.created, got.by, got.revoked) == (
        "key_1",
        "alice",
        FULL,
        NOON,
        "key_0",
        None,
    )


async def test_a_name_is_taken_until_its_key_is_revoked(store):
    await store.add(key("key_1", "alice"))
    with pytest.raises(Taken, match="alice"):
        await store.add(key("key_2", "alice"))
    await store.revoke("key_1", NOON)
    await store.add(key("key_3", "alice"))
    assert [(each.id, each.revoked) for each in (await store.changed(0))[1]] == [("key_1", NOON), ("key_3", None)]


async def test_a_key_that_is_refused_leaves_nothing_behind(store, url):
    await store.add(key("key_1", "alice"))
    before = await store.changed(0)
    with pytest.raises(Taken):
        await store.add(key("key_2", "alice"))
    assert await store.changed(0) == before
    assert len(await asked(url, "SELECT * FROM digests")) == 1


async def test_a_new_secret_ends_those_before_it_and_none_lives_longer(store):
    await store.add(key("key_1", digests=(Digest("first", "1111"),)))
    await store.rotate("key_1", Digest("second", "2222"), NOON + 10)
    await store.rotate("key_1", Digest("third", "3333"), NOON + 99)
    _, (got,) = await store.changed(0)
    assert {each.digest: each.until for each in got.digests} == {"first": NOON + 10, "second": NOON + 99, "third": None}


async def test_only_keys_in_use_get_another_secret(store):
    await store.add(key("key_1"))
    await store.revoke("key_1", NOON)
    for id in ("key_1", "key_2"):
        with pytest.raises(LookupError):
            await store.rotate(id, Digest("new", "wxyz"), NOON)
    assert [each.digest for each in (await store.changed(0))[1][0].digests] == ["digest of key_1"]


async def test_a_revoked_key_stays_revoked_since_the_first_time(store):
    await store.add(key("key_1"))
    await store.revoke("key_1", NOON)
    revision, _ = await store.changed(0)
    await store.revoke("key_1", NOON + 5)
    await store.revoke("unknown", NOON)
    assert (await store.changed(0))[1][0].revoked == NOON
    assert (await store.changed(revision))[1] == []


async def test_only_what_changed_is_told(store):
    assert await store.changed(0) == (0, [])
    await store.add(key("key_1", "one"))
    await store.add(key("key_2", "two"))
    revision, both = await store.changed(0)
    assert {each.id for each in both} == {"key_1", "key_2"}
    assert await store.changed(revision) == (revision, [])
    await store.rotate("key_1", Digest("new", "wxyz"), NOON)
    later, changed = await store.changed(revision)
    assert [each.id for each in changed] == ["key_1"]
    await store.revoke("key_2", NOON)
    assert [each.id for each in (await store.changed(later))[1]] == ["key_2"]


async def test_after_an_older_database_is_put_back_all_keys_are_told(store):
    await store.add(key("key_1"))
    assert [each.id for each in (await store.changed(1_000_000))[1]] == ["key_1"]


async def test_no_key_is_missed_by_one_who_looks_while_others_write(store, url):
    """Each look goes on from the one before; together they must have seen all."""
    seen, ended = set(), False

    async def look():
        revision = 0
        while True:
            last = ended
            revision, keys = await store.changed(revision)
            seen.update(each.id for each in keys)
            if last:
                return

    async def make(writer):
        async with opened(url) as other:
            for number in range(25):
                await other.add(key(f"{writer}-{number}", f"{writer}-{number}"))

    looking = asyncio.ensure_future(look())
    await asyncio.gather(*map(make, range(4)))
    ended = True
    await looking
    assert seen == {f"{writer}-{number}" for writer in range(4) for number in range(25)}


async def test_of_many_who_want_a_name_one_gets_it(url):
    async def want(number):
        async with opened(url) as store:
            await store.add(key(f"key_{number}", "alice"))

    came = await asyncio.gather(*map(want, range(8)), return_exceptions=True)
    assert sorted(type(each).__name__ for each in came) == ["NoneType", *["Taken"] * 7]


@pytest.mark.parametrize("damaged", ['{"rpm": "many"}', '{"unheard_of": 1}', "{", "", '{"models": 7}'])
async def test_a_grant_that_cannot_be_read_closes_its_key(store, url, damaged, caplog):
    await store.add(key("key_1", "alice", Grant(models=["m"])))
    await asked(url, f"UPDATE keys SET grant_json = '{damaged}'")
    with caplog.at_level(logging.ERROR, "dragoman"):
        _, (got,) = await store.changed(0)
    assert got.revoked is not None
    assert got.grant == Grant(models=[])
    told = json.loads(caplog.messages[-1])
    assert (told["event"], told["key"]) == ("key unusable", "key_1")
