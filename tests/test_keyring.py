"""Keys made, rotated and revoked, over a store as it is."""

import asyncio
import shutil
import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.access.credentials import digest, well_formed
from dragoman.call import Key
from dragoman.errors import InvalidRequest
from dragoman.grants import UNLIMITED, Grant
from dragoman.keyring import Exceeds, Keyring, NameTaken, UnknownKey
from dragoman.store import opened


def grant(**options):
    return Grant.model_validate(options)


ADMIN = Key("key_admin", grant(admin=True, models=["a", "team-*"], rpm=60, budget="20/month", expires="30d"))
WITHIN = {"models": ["a"], "rpm": 10, "budget": "5/month", "expires": "7d"}


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A database with nothing in it, which takes a second to make."""
    folder = tmp_path_factory.mktemp("empty")

    async def make():
        async with opened(f"sqlite:///{folder}/keys.db"):
            pass

    asyncio.run(make())
    return folder


@pytest.fixture
async def store(tmp_path, empty):
    shutil.copytree(empty, tmp_path, dirs_exist_ok=True)
    async with opened(f"sqlite:///{tmp_path}/keys.db") as store:
        yield store


@pytest.fixture
def keyring(store):
    return Keyring(store)


async def test_a_key_that_was_made_is_found_by_its_id_and_its_name(keyring):
    key, secret = await keyring.create("alice", grant(models=["m"], rpm=5))
    assert await keyring.found(key.id) == await keyring.found("alice") == key
    assert well_formed(secret)
    assert key.digests[0].digest == digest(secret)
    assert key.digests[0].hint == secret[-4:]
    assert (key.by, key.revoked) == ("", None)
    assert abs(key.created - time.time()) < 60


async def test_the_secret_is_nowhere_in_the_database(keyring, tmp_path):
    _, secret = await keyring.create("alice", UNLIMITED)
    kept = b"".join(file.read_bytes() for file in tmp_path.iterdir())
    assert b"alice" in kept
    assert secret.encode() not in kept
    assert secret[3:].encode() not in kept


async def test_a_name_is_taken_until_its_key_is_revoked(keyring):
    first, _ = await keyring.create("alice", UNLIMITED)
    with pytest.raises(NameTaken) as taken:
        await keyring.create("alice", UNLIMITED)
    assert (taken.value.status, taken.value.code, taken.value.param) == (409, "name_taken", "name")
    await keyring.revoke("alice")
    second, _ = await keyring.create("alice", UNLIMITED)
    assert (await keyring.found("alice")).id == second.id != first.id
    assert (await keyring.found(first.id)).revoked is not None


async def test_of_many_who_want_the_same_name_one_gets_it(keyring):
    made = await asyncio.gather(*(keyring.create("alice", UNLIMITED) for _ in range(20)), return_exceptions=True)
    assert [type(each) for each in made].count(tuple) == 1
    assert {type(each) for each in made} == {tuple, NameTaken}
    assert len(await keyring.keys()) == 1


@pytest.mark.parametrize(
    "name", ["", " ", " a", "a ", "a" * 101, "a\nb", "a\0", "\x1b[31m", "\u202ea", "key_0123456789ab"]
)
async def test_a_name_is_printable_and_no_id(keyring, name):
    with pytest.raises(InvalidRequest) as invalid:
        await keyring.create(name, UNLIMITED)
    assert invalid.value.param == "name"
    assert await keyring.keys() == []


@pytest.mark.parametrize(
    "name", ["a", "a" * 100, "Team Blau", "日本 ü", "x'); DROP TABLE keys; --", '"', "$1 ?1 %s", "../x"]
)
async def test_a_printable_name_is_kept_as_it_is(keyring, name):
    key, _ = await keyring.create(name, UNLIMITED)
    assert (await keyring.found(name)) == key
    assert (await keyring.revoke(name)).id == key.id
    assert [each.name for each in await keyring.keys()] == [name]


async def test_a_key_that_is_over_before_it_begins_is_not_made(keyring):
    with pytest.raises(InvalidRequest) as invalid:
        await keyring.create("alice", grant(expires="2020-01-01"))
    assert invalid.value.param == "expires"


@pytest.mark.parametrize("id", ["nobody", "", "key_000000000000", "' OR 1=1 --", "%", "\0", "é" * 1000])
async def test_what_is_not_there_is_not_found(keyring, id):
    await keyring.create("alice", UNLIMITED)
    for act in (keyring.found, keyring.rotate, keyring.revoke):
        with pytest.raises(UnknownKey) as unknown:
            await act(id)
        assert (unknown.value.status, unknown.value.code) == (404, "key_not_found")


async def test_a_rotated_key_has_a_new_secret_and_the_old_one_for_a_while(keyring):
    key, old = await keyring.create("alice", UNLIMITED)
    rotated, new = await keyring.rotate("alice", 3600)
    assert await keyring.found("alice") == rotated or set((await keyring.found("alice")).digests) == set(
        rotated.digests
    )
    ends = {each.digest: each.until for each in (await keyring.found(key.id)).digests}
    assert ends[digest(new)] is None
    assert abs(ends[digest(old)] - time.time() - 3600) < 60


async def test_a_second_rotation_never_lets_an_old_secret_live_longer(keyring):
    _, first = await keyring.create("alice", UNLIMITED)
    _, second = await keyring.rotate("alice", 10)
    await keyring.rotate("alice", 7200)
    ends = {each.digest: each.until for each in (await keyring.found("alice")).digests}
    assert ends[digest(first)] < time.time() + 60
    assert ends[digest(second)] > time.time() + 3600


async def test_without_a_grace_the_old_secret_ends_at_once(keyring):
    _, old = await keyring.create("alice", UNLIMITED)
    await keyring.rotate("alice")
    ends = {each.digest: each.until for each in (await keyring.found("alice")).digests}
    assert ends[digest(old)] <= time.time()


async def test_a_revoked_key_stays_revoked_and_is_not_rotated(keyring):
    await keyring.create("alice", UNLIMITED)
    first = await keyring.revoke("alice")
    assert (await keyring.revoke("alice")).revoked == first.revoked
    with pytest.raises(UnknownKey):
        await keyring.rotate("alice", 60)


async def test_an_admin_gives_what_it_has(keyring):
    key, _ = await keyring.create("alice", grant(**WITHIN), ADMIN)
    assert key.by == ADMIN.id
    assert (await keyring.found("alice")).by == ADMIN.id


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"models": None}, "models"),
        ({"models": []}, "models"),
        ({"models": ["b"]}, "models"),
        ({"models": ["a", "*"]}, "models"),
        ({"models": ["tea*"]}, "models"),
        ({"rpm": None}, "rpm"),
        ({"rpm": 61}, "rpm"),
        ({"budget": []}, "budget"),
        ({"budget": "21/month"}, "budget"),
        ({"budget": "5/day"}, "budget"),
        ({"budget": "5M tokens/month"}, "budget"),
        ({"expires": None}, "expires"),
        ({"expires": "31d"}, "expires"),
    ],
)
async def test_an_admin_gives_nothing_that_it_has_not(keyring, more, what):
    with pytest.raises(Exceeds) as exceeds:
        await keyring.create("alice", grant(**{**WITHIN, **more}), ADMIN)
    assert (exceeds.value.status, exceeds.value.code, exceeds.value.param) == (403, "grant_exceeds", what)
    assert what in exceeds.value.message
    assert await keyring.keys() == []


async def test_an_admin_takes_over_no_key_that_may_more_than_itself(keyring):
    before, _ = await keyring.create("boss", UNLIMITED)
    for act in (keyring.rotate("boss", 60, ADMIN), keyring.revoke("boss", ADMIN)):
        with pytest.raises(Exceeds):
            await act
    assert await keyring.found("boss") == before


async def test_an_admin_rotates_and_revokes_what_may_less(keyring):
    await keyring.create("alice", grant(**WITHIN))
    await keyring.rotate("alice", 0, ADMIN)
    assert (await keyring.revoke("alice", ADMIN)).revoked


MODELS = st.lists(st.sampled_from(["a", "b", "team-x", "team-*", "*"]), max_size=3)
GRANTS = st.builds(
    lambda models, rpm, admin: grant(models=models, rpm=rpm, admin=admin),
    st.none() | MODELS,
    st.none() | st.integers(1, 5),
    st.booleans(),
)


@dataclass
class Remembering:
    """A store of which only what was added is asked."""

    added: list

    async def add(self, key):
        self.added.append(key)


@given(GRANTS, GRANTS)
async def test_whoever_gets_a_key_may_no_more_than_who_gave_it(asked, own):
    added = []
    try:
        await Keyring(Remembering(added)).create("alice", asked, Key("granter", own))
    except Exceeds:
        assert added == []
        return
    for model in ("a", "b", "team-x", "team-y", "other"):
        assert own.may(model) or not added[0].grant.may(model)
    assert own.rpm is None or added[0].grant.rpm <= own.rpm
    assert own.admin or not added[0].grant.admin


async def test_everything_is_listed_the_oldest_first(keyring):
    for name in ("b", "a", "c"):
        await keyring.create(name, UNLIMITED)
    await keyring.revoke("a")
    assert [key.name for key in await keyring.keys()] == ["b", "a", "c"]
