"""What callers show to say who they are."""

import hashlib
import re
import timeit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.access.credentials import credential, digest, made, well_formed

SECRET = made()


def test_a_secret_has_a_prefix_and_only_letters_and_digits():
    assert re.fullmatch(r"dm-[0-9A-Za-z]{38}", SECRET)


def test_no_two_secrets_are_the_same():
    assert len({made() for _ in range(2000)}) == 2000


def test_what_is_made_is_well_formed():
    assert all(well_formed(made()) for _ in range(200))


@given(st.integers(0, len(SECRET) - 1), st.sampled_from("09azAZ-_é"))
def test_one_changed_character_is_noticed(place, character):
    changed = SECRET[:place] + character + SECRET[place + 1 :]
    assert well_formed(changed) == (changed == SECRET)


@pytest.mark.parametrize(
    "text",
    ["", "dm-", "sk-" + SECRET[3:], SECRET[:-1], SECRET + "0", SECRET.swapcase(), "é" * 41],
    ids=["empty", "nothing", "prefix", "shorter", "longer", "case", "letters"],
)
def test_what_was_not_made_here_is_not_well_formed(text):
    assert not well_formed(text)


@given(st.text())
def test_well_formed_takes_any_text(text):
    assert well_formed(text) is False


@given(st.binary(max_size=200))
def test_a_digest_is_the_sha_256_of_the_bytes(data):
    assert digest(data) == hashlib.sha256(data).hexdigest()


@given(st.text(max_size=50))
def test_a_text_has_the_digest_of_its_utf_8(text):
    assert digest(text) == hashlib.sha256(text.encode(errors="surrogatepass")).hexdigest()


@pytest.mark.parametrize(
    ("headers", "shown"),
    [
        ({}, None),
        ({b"authorization": b"Bearer abc"}, b"abc"),
        ({b"authorization": b"bearer abc"}, b"abc"),
        ({b"authorization": b"BEARER   abc \t"}, b"abc"),
        ({b"authorization": b"Bearer a b"}, b"a b"),
        ({b"authorization": b"Bearer \xff\x00\xe9"}, b"\xff\x00\xe9"),
        ({b"authorization": b"Bearer"}, None),
        ({b"authorization": b"Bearer  "}, None),
        ({b"authorization": b"Bearerabc"}, None),
        ({b"authorization": b"Basic YTpi"}, None),
        ({b"authorization": b"abc"}, None),
        ({b"api-key": b"abc"}, b"abc"),
        ({b"x-api-key": b" abc "}, b"abc"),
        ({b"api-key": b""}, None),
        ({b"x-api-key": b" \t "}, None),
        ({b"cookie": b"api-key=abc"}, None),
    ],
)
def test_a_credential_stands_in_one_of_three_headers(headers, shown):
    assert credential(headers) == shown


def test_the_bearer_token_goes_before_the_other_headers():
    headers = {b"x-api-key": b"third", b"api-key": b"second", b"authorization": b"Bearer first"}
    assert credential(headers) == b"first"
    assert credential({**headers, b"authorization": b"Basic YTpi"}) == b"second"
    assert credential({**headers, b"authorization": b"Bearer ", b"api-key": b""}) == b"third"


@given(st.dictionaries(st.sampled_from([b"authorization", b"api-key", b"x-api-key"]), st.binary(max_size=60)))
def test_a_credential_is_never_empty(headers):
    assert credential(headers) != b""


def test_knowing_who_asks_costs_next_to_nothing():
    headers = {b"host": b"h", b"authorization": b"Bearer " + SECRET.encode(), b"content-type": b"application/json"}
    best = min(timeit.repeat(lambda: digest(credential(headers) or b""), number=2000, repeat=20)) / 2000
    assert best < 20e-6
