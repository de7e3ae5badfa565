"""Thoughts in a text, told from what is said."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.emulation.reasoning import thought
from tests.emulation.saying import Saying, heard, slicings


def parts(answer):
    message = answer["choices"][0]["message"]
    return message.get("reasoning_content", ""), message.get("content", "")


CASES = [
    ("<think>Hm.</think>Yes.", ("Hm.", "Yes.")),
    ("\n <think>\nHm.\n\nWell.\n</think>\n\nYes.\n", ("Hm.\n\nWell.\n", "Yes.\n")),
    ("<think></think>\nYes.", ("", "Yes.")),
    ("<think>never ends", ("never ends", "")),
    ("<think>ends </thi", ("ends </thi", "")),
    ("<thing> is no thought", ("", "<thing> is no thought")),
    ("No <think>thoughts</think> here.", ("", "No <think>thoughts</think> here.")),
    ("<think>a</think>b<think>c</think>", ("a", "b<think>c</think>")),
    ("<th", ("", "<th")),
    ("  plain", ("", "  plain")),
    ("", ("", "")),
]


@pytest.mark.parametrize(("said", "told"), CASES)
def test_thoughts_come_first_and_text_after_them(said, told):
    assert parts(heard(thought(Saying([said])))) == told


@given(st.sampled_from(CASES).flatmap(lambda case: st.tuples(st.just(case[1]), slicings(case[0]))), st.booleans())
def test_any_slicing_is_read_alike(case, stream):
    told, pieces = case
    assert parts(heard(thought(Saying(pieces)), stream=stream)) == told


def test_thoughts_flow_as_they_come():
    saying = Saying(["<think>", "one ", "two", "</think>", "three"])
    assert parts(heard(thought(saying), stream=True)) == ("one two", "three")
    assert saying.said == ["<think>", "one ", "two", "</think>", "three"]
