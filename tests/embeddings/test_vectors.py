"""Embeddings as numbers: base64 there and back, cuts of length one, and what is no embedding."""

import base64
from array import array
from math import hypot, inf, nan

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dragoman import vectors

NUMBERS = st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1, max_size=64)
MODEST = st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=64)


@given(NUMBERS)
def test_base64_goes_there_and_back_without_a_loss(numbers):
    coded = vectors.base64(numbers)
    assert coded == base64.b64encode(array("f", numbers).tobytes()).decode()  # on a little-endian machine
    there = vectors.vector(coded)
    assert vectors.plain(there) == numbers
    assert vectors.base64(there) == coded


@given(MODEST, st.integers(1, 64))
def test_a_cut_has_length_one_and_points_where_it_did(numbers, length):
    assume(length <= len(numbers))
    assume(hypot(*numbers[:length]) > 1e-6)
    kept = vectors.cut(numbers, length)
    assert len(kept) == length
    assert hypot(*kept) == pytest.approx(1)
    size = hypot(*numbers[:length])
    assert [number * size for number in kept] == pytest.approx(numbers[:length], abs=1e-6)


@given(st.integers(1, 5))
def test_a_cut_of_nothing_stays_nothing(length):
    assert vectors.cut([0.0] * 5, length) == [0.0] * length


@given(MODEST)
def test_whole_numbers_and_tuples_and_arrays_are_embeddings(numbers):
    assert vectors.vector(tuple(numbers)) == numbers
    assert vectors.vector(array("d", numbers)) == numbers
    whole = [round(number) for number in numbers]
    assert vectors.vector(whole) is whole


BAD = ([], "", None, 7, {"0": 1.0}, [nan], [inf], [1.0, -inf], [inf, -inf], [1e39], [10**400], [True], ["1"], [[1.0]])
WORSE = ([None], "A", "AAA=", "AAAAA", "A A A A", "AADAfw==", [0.0] * 65_537, range(3), b"AAAA", set())


@pytest.mark.parametrize("given", [*BAD, *WORSE], ids=lambda given: repr(given)[:20])
def test_what_is_no_embedding_is_told(given):
    with pytest.raises(ValueError, match="an embedding"):
        vectors.vector(given)
