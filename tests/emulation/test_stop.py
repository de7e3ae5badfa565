"""Stop words for a backend that has none: exact, however the text is sliced, and no later than they are complete."""

import asyncio

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dragoman import Chunk
from dragoman.emulation.stop import stopped
from tests.emulation.saying import Saying, call, chunks, heard, sliced, text

WORDS = st.text("abE\n ", min_size=1, max_size=4)


def by_hand(text, stops):
    """The text up to the stop word that is complete first; of two, the one that began earlier."""
    ends = [(end, end - len(stop)) for end in range(len(text) + 1) for stop in stops if text[:end].endswith(stop)]
    return text[: min(ends)[1]] if ends else text


@given(sliced(st.text("abE\n ", max_size=30)), st.lists(WORDS, min_size=1, max_size=4))
@example(("aab", ["aa", "b"]), ["ab"])
@example(("abEab", ["ab", "E", "ab"]), ["abEb", "Ea"])
def test_any_slicing_is_cut_alike(sliced, stops):
    whole, pieces = sliced
    for stream in (False, True):
        assert text(heard(stopped(Saying(pieces)), stop=stops, stream=stream)) == by_hand(whole, stops)


@given(sliced(st.text("abE ", max_size=30)), st.lists(WORDS, min_size=1, max_size=4))
def test_only_what_may_begin_a_stop_word_is_held_back(sliced, stops):
    whole, pieces = sliced
    told = asyncio.run(chunks(stopped(Saying(pieces)), call(stop=stops)))
    came, said = "", ""
    for piece, chunk in zip(pieces, told, strict=False):
        came, said = came + piece, said + chunk.text
        held = by_hand(came, stops)[len(said) :]
        assert held == "" or any(stop.startswith(held) for stop in stops) or by_hand(whole, stops) != whole


def test_the_backend_is_ended_once_it_has_matched():
    saying = Saying(["one ", "STOP", " two", " three"])
    answer = heard(stopped(saying), stop="STOP", stream=True)
    assert text(answer) == "one "
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert saying.said == ["one ", "STOP"]
    assert saying.closed == 1


def test_what_was_held_comes_before_a_tool_call_and_before_the_end():
    made = {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
    told = asyncio.run(chunks(stopped(Saying(["a ST", Chunk(tool_calls=[made]), "ST"])), call(stop="STOP")))
    assert [(chunk.text, bool(chunk.tool_calls)) for chunk in told if chunk.says] == [
        *(("a ", False), ("ST", True), ("ST", False))
    ]


@pytest.mark.parametrize("stop", ["", [""], ["", "x"]])
def test_an_empty_stop_word_stops_nothing(stop):
    assert text(heard(stopped(Saying(["abc"])), stop=stop)) == "abc"
