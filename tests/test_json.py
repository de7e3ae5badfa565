"""Strangers' JSON: half a surrogate pair, which could not be written back, is U+FFFD, and depth has a bound."""

import json
import re

import orjson
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dragoman.json import MAX_DEPTH, deeper, dumped, loaded, may_be_deeper

SURROGATES = st.characters(categories=["Cs"])
TEXT = st.text(st.characters() | SURROGATES | st.sampled_from('\\"u dD8eE9'))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def mended(value):
    """The value as it can be written: each half of a pair is U+FFFD."""
    if isinstance(value, str):
        return re.sub("[\ud800-\udfff]", "\ufffd", value)
    if isinstance(value, dict):
        return {mended(key): mended(inner) for key, inner in value.items()}
    return [mended(inner) for inner in value] if isinstance(value, list) else value


@given(JSON)
@example("\ud83d\ude00 \ud83d \ude00")
@example("\\ud800")
@example("\\\ud800")
def test_lone_surrogates_are_replaced_and_nothing_else(value):
    written = json.dumps(value)
    read = loaded(written.encode())
    assert read == mended(json.loads(written))
    orjson.dumps(read)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb'"\ud83d\ude00"', "😀"),
        (rb'"\uD83D\uDE00"', "😀"),
        (rb'"\ud83d"', "\ufffd"),
        (rb'"\ud83d\ud83d\ude00"', "\ufffd😀"),
        (rb'"\ude00\ud83d"', "\ufffd\ufffd"),
        (rb'"\\ud83d"', r"\ud83d"),
        (rb'"\\\ud83d"', "\\\ufffd"),
        (rb'{"\udc00": ["\ud800x"]}', {"\ufffd": ["\ufffdx"]}),
        ('"é\\ud800"'.encode(), "é\ufffd"),
        (b"[1e5, -0, 18446744073709551615]", [1e5, 0, 18446744073709551615]),
    ],
)
def test_escapes_are_read_as_they_are_meant(written, read):
    assert loaded(written) == read


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize(
    "data", [b"", b"{", b"NaN", b"1e999", b"[1] 2", b"'a'", rb'"\u12"', rb'"\x"', b'"\n"', b"[" * 2000]
)
def test_what_is_no_json_is_an_error(data, replace):
    with pytest.raises(ValueError):  # noqa: PT011
        loaded(data, replace)


def test_what_is_not_utf8_is_an_error_or_replaced():
    with pytest.raises(UnicodeDecodeError):
        loaded(b'"a\xff"')
    assert loaded(b'"a\xff\\ud800"', replace=True) == "a\ufffd\ufffd"


@given(JSON)
def test_whatever_is_written_can_be_read(value):
    assert orjson.loads(dumped(value)) == mended(json.loads(json.dumps(value)))


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ({"a": "\ud800"}, {"a": "\ufffd"}),
        (2**70, float(2**70)),
        (object, str(object)),
        ({"a": {1}}, {"a": "{1}"}),
        ((1,), [1]),
    ],
    ids=str,
)
def test_what_json_has_no_word_for_is_written_all_the_same(value, read):
    assert orjson.loads(dumped(value)) == read


def nested(levels):
    """JSON of so many levels, arrays and objects in turn."""
    return b'[{"a":' * (levels // 2) + b"[" * (levels % 2) + b"]" * (levels % 2) + b"}]" * (levels // 2)


@pytest.mark.parametrize("levels", [1, 2, 7, MAX_DEPTH])
def test_depth_is_counted(levels):
    data = nested(levels).replace(b":}", b":0}")
    value = loaded(data)
    assert deeper(value, levels - 1)
    assert not deeper(value, levels)
    assert may_be_deeper(data, levels - 1)
    assert not may_be_deeper(data, levels)


@pytest.mark.parametrize("levels", [MAX_DEPTH + 1, MAX_DEPTH + 2, 1000, 100_000])
def test_json_that_is_nested_too_deep_is_an_error(levels):
    with pytest.raises(ValueError, match=r"nested|recursion|depth"):
        loaded(nested(levels).replace(b":}", b":0}"))


def test_brackets_in_texts_make_nothing_deep():
    data = json.dumps("[{" * 1000).encode()
    assert may_be_deeper(data, MAX_DEPTH)
    assert loaded(data) == "[{" * 1000
