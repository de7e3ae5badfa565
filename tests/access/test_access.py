"""Who asks, while it is not known yet which keys there are."""

import pytest

from dragoman.access import Access, Ring
from dragoman.call import ANYONE
from dragoman.errors import KeysUnavailable, Unauthorized
from dragoman.limits import InProcess


def access(ring, look):
    return Access((ring,), None, look, InProcess(), 30)


def unknown():
    ring = Ring()
    ring.complete = False
    return ring


async def test_who_comes_before_the_store_is_open_is_not_refused_where_there_turn_out_to_be_no_keys():
    ring = unknown()

    async def look():
        ring.complete = True

    assert await access(ring, look).key({}, "") is ANYONE
    assert await access(ring, look).key({b"authorization": b"Bearer anything"}, "") is ANYONE


async def test_as_long_as_it_is_not_known_whether_there_are_keys_nobody_is_let_in():
    async def look():
        """The store is still down."""

    with pytest.raises(KeysUnavailable):
        await access(unknown(), look).key({}, "")


async def test_who_has_no_key_is_refused_where_there_turn_out_to_be_some():
    ring = unknown()

    async def look():
        ring.complete = ring.used = True

    with pytest.raises(Unauthorized):
        await access(ring, look).key({}, "")
