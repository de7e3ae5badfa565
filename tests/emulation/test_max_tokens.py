"""A limit on tokens for a backend that has none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import Chunk
from dragoman.counting import opened
from dragoman.emulation.max_tokens import limited
from tests.emulation.saying import Saying, heard, sliced, text

COUNTER = opened("estimate")
TEXTS = st.lists(
    st.sampled_from(["word ", "incomprehensibilities ", "你好世界", "12345 ", "\n\n", "ß", "👩🏽", "…"]), max_size=40
)


def cut(said, limit):
    """As much of it as is within the limit."""
    return said[: COUNTER.fitting(said, limit)]


@given(sliced(TEXTS.map("".join)), st.integers(1, 40))
def test_any_slicing_is_cut_alike_and_at_the_limit(sliced, limit):
    whole, pieces = sliced
    told = text(heard(limited(COUNTER)(Saying(pieces)), max_tokens=limit))
    assert told == whole[: COUNTER.fitting(whole, limit)]
    assert COUNTER.count(told) <= limit


def test_the_answer_ends_for_its_length_and_the_backend_with_it():
    saying = Saying(["one two ", "three four ", "five six ", "seven"])
    answer = heard(limited(COUNTER)(saying), max_completion_tokens=3, stream=True)
    assert answer["choices"][0]["finish_reason"] == "length"
    assert text(answer) == cut("one two three four five six seven", 3)
    assert saying.said[-1] != "seven"
    assert saying.closed == 1


def test_an_answer_within_the_limit_ends_as_it_ended():
    answer = heard(limited(COUNTER)(Saying(["one two"], finish="content_filter")), max_tokens=50)
    assert answer["choices"][0]["finish_reason"] == "content_filter"


def test_of_two_limits_the_newer_wins():
    said = "one two three four five six"
    assert text(heard(limited(COUNTER)(Saying([said])), max_tokens=5, max_completion_tokens=2)) == cut(said, 2)


@pytest.mark.parametrize("stream", [False, True])
def test_reasoning_counts_too(stream):
    said = "one two three four five"
    thought = Chunk(delta={"reasoning_content": said})
    answer = heard(limited(COUNTER)(Saying([thought, "never said"])), max_tokens=2, stream=stream)
    [choice] = answer["choices"]
    assert choice["message"]["reasoning_content"] == cut(said, 2)
    assert choice["finish_reason"] == "length"
    assert text(answer) == ""
