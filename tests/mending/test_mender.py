"""Whatever comes, and however it was sliced, what a mender says is JSON begun, and JSON once it ends."""

import json
import random

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dragoman.json import MAX_DEPTH
from dragoman.mending import Mender
from tests.mending.mended import Mended, mended, one_by_one

# what quotes are judged by, and more than is looked at to judge
HARD = st.sampled_from(
    ['", "', '": "', '"}', '"]', "'", "\\", '\\"', "\n", " // ", "/*", ", true", ": 1", '", "b": 1', "x" * 70]
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8) | st.lists(HARD, max_size=4).map("".join)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=10,
)
LAYOUT = st.fixed_dictionaries(
    {
        "ensure_ascii": st.booleans(),
        "indent": st.none() | st.integers(0, 3) | st.just("\t"),
        "separators": st.none() | st.sampled_from([(",", ":"), (" , ", " : "), (",\r\n", ":\n")]),
    }
)
WRITTEN = st.builds(lambda value, layout: json.dumps(value, **layout), JSON, LAYOUT)
CUTS = st.lists(st.integers(0, 300), max_size=10)
SIGNS = [
    *"\"'`“”‘’„«{}[](),:=;#/\\*+-_.…| \n\t\r01ebux$é😀\x00\xa0\u2028\ufeff\ud800",
    *("true", "nul", "None", "NaN", "...", '"""', "//", "/*", "*/", "=>", "0x", "1_0", "00e", "ab"),
    *('"a": ', '", "b"', "\\u", "\\ud83d"),
]  # fmt: skip
GARBAGE = st.lists(st.sampled_from(SIGNS), max_size=25).map("".join)


@st.composite
def spoilt(draw):
    """JSON with a few places dropped, put in or changed."""
    text = draw(WRITTEN)
    for _ in range(draw(st.integers(1, 3))):
        at, gone = draw(st.integers(0, len(text))), draw(st.integers(0, 1))
        text = text[:at] + draw(st.sampled_from(["", *SIGNS])) + text[at + gone :]
    return text.replace('"', "'") if draw(st.booleans()) else text


@given(WRITTEN, CUTS)
def test_valid_json_passes_unchanged(text, cuts):
    assert mended(text, cuts, checked=True) == Mended(text, True, False, False, "")


@pytest.mark.parametrize(
    "text",
    [
        r'{"\u00e9\ud83d\ude00\/\b\f\n\r\t\"\\": "\u0000\uD83D\uDE00"}',
        "[1e999, -0.0, 0, 123456789012345678901234567890, 1E+2, 0e0]",
        '{ "a"\n:\t[ ] , "b" :\r\n{ }, "b": [ 1 , null ] }',
        '["", "", [""], {"": ""}]',
        '{"a": "x"\n\n,\n\n"b": "y"' + " " * 100 + ', "c": 1}',
        '["\x7f\u2028\ufeff\xa0“”‘’`"]',
        '"alone"',
        '""',
        "-1.5e+3",
        "true",
    ],
)
def test_valid_json_keeps_its_words(text):
    assert mended(text).text == text
    assert one_by_one(text) == mended(text) == Mended(text, True, False, False, "")


@given(GARBAGE | spoilt(), CUTS)
@example("0_00 ", [])
@example("'\\ude00'", [4])
@example('{"a":[1,', [])
def test_anything_is_begun_json_and_the_same_in_any_slices(text, cuts):
    whole = mended(text)
    assert mended(text, cuts, checked=True) == one_by_one(text) == whole
    assert not whole.text or whole.value is not Ellipsis
    assert whole.cut != whole.done
    assert text.endswith(whole.rest)


@given(WRITTEN | spoilt())
def test_every_beginning_can_be_completed(text):
    for end in range(len(text)):
        begun = mended(text[:end])
        assert not begun.text or begun.value is not Ellipsis


@pytest.mark.parametrize(
    ("text", "value", "in_text"),
    [
        ('{"a": "b', {"a": "b"}, True),
        ('{"a": "b"', {"a": "b"}, False),
        ('{"a": "b",', {"a": "b"}, False),
        ('{"a": "b", "c', {"a": "b"}, True),
        ('{"a": "b", "c"', {"a": "b"}, True),
        ('{"a": "b", c', {"a": "b"}, True),
        ('{"a": "b", "c":', {"a": "b"}, True),
        ('{"a"', {}, True),
        ("{", {}, False),
        ('["b\\', ["b"], True),
        ('["b\\u00', ["b"], True),
        ('["b\\ud83d\\u', ["b"], True),
        ('["""b', ["b"], True),
        ('["b" +', ["b"], False),
        ("[[{}", [[{}]], False),
        ("[tru", [True], False),
        ('{"a": nul', {}, True),
        ("[Fal", [False], False),
        ("[12", [12], False),
        ("[12.", [12], False),
        ("[-", [None], False),
        ("[1e", [1], False),
        ("[1, ..", [1], False),
        ("{a: John Sm", {"a": "John Sm"}, True),
        ("[1 /* so", [1], False),
        ("[1 /", [1, "/"], True),
        ("tru", True, False),
        ('"b', "b", True),
    ],
)
def test_what_was_cut_off_is_closed(text, value, in_text):
    begun = mended(text)
    assert (begun.value, begun.cut, begun.cut_in_text) == (value, True, in_text)
    assert one_by_one(text) == begun


@pytest.mark.parametrize("text", ["", " \n", "// none\n", "Sorry, no.", "- ", "```"])
def test_nothing_is_said_where_nothing_begins(text):
    assert mended(text) == one_by_one(text)
    assert mended(text)[:3] == ("", False, True)


@pytest.mark.parametrize(
    ("text", "value", "rest"),
    [
        ('{"a": 1}\n```\nThere.', {"a": 1}, "\n```\nThere."),
        ('{"a": "b"}"c"', {"a": "b"}, '"c"'),
        ("[1] [2]", [1], " [2]"),
        ('"a" "b"', "a", ' "b"'),
        ("12 is it", 12, " is it"),
        ("True, I think", True, ", I think"),
        ("```json\n{}```", {}, "```"),
    ],
)
def test_what_comes_after_is_left(text, value, rest):
    assert (mended(text).value, mended(text).rest) == (value, rest)
    assert one_by_one(text) == mended(text)


def test_text_flows_as_it_comes():
    mender = Mender()
    flow = {
        '{"city"': "",
        ": ": "{",
        '"': '"city": "',
        "Ber": "Ber",
        "lin ": "lin ",
        '\\"': '\\"',
        "is\\": "is",
        "n": "\\n",
        '",': "",
        ' "b"': "",
        ":": '"',
        "1": "",
        "2": "",
        ", ": ', "b":12',
        ' "': "",
    }
    assert {piece: mender.feed(piece) for piece in flow} == flow
    assert not mender.done


def test_it_is_done_with_the_last_bracket():
    mender = Mender()
    assert mender.feed('{"a": "b"}') == '{"a": "b"}'
    assert mender.done
    assert mender.feed(" more") == mender.feed("!") == mender.end() == ""
    assert (mender.rest, mender.cut) == (" more!", False)


@pytest.mark.parametrize("opening", ["[", '{"a":', "(", '[{"a":'])
def test_depth_has_a_bound(opening):
    deepest = opening * (MAX_DEPTH // max(1, opening.count("[") + opening.count("{") + opening.count("(")))
    assert not mended(deepest + "1").text.endswith("null" + "}" * MAX_DEPTH)
    deeper = mended(deepest + opening * 1000 + "1")
    assert (deeper.cut, deeper.done, deeper.rest) == (True, False, "")
    assert deeper.text.startswith(deepest.replace("(", "[") + "null")
    json.loads(deeper.text)


def test_long_ones_are_no_trouble():
    pieces = ['"', '", "', "a: ", "1 ", "//", "\\u", "[],", "{'a',", "/*", "((", "]", "\n", "=", "a(", '"""']
    for opening in ("", "[", '{"a": "', "{a: b", "/*", '["""'):
        text = opening + "".join(random.Random(1).choices(pieces, k=20)) + "".join(piece * 3000 for piece in pieces)
        assert mended(text) == mended(text, range(0, len(text), 7))
