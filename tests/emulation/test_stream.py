"""A stream for a backend that has none: its text in pieces, joined the same, never cut inside a sign."""

import time

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from dragoman import Chunk
from dragoman.emulation.stream import LONGEST, pieces
from tests.serving import QUESTION, client, gateway

FAMILY = "👨‍👩‍👧‍👦"
ODD = [
    *(" ", "  ", "\n", "\r\n", "\r", "\t", "\x00", "a", "Z", "word ", ",", "\u00a0", "\u2028", "\u3000", "\u200b"),
    *("e\u0301", "\u0301", "é", "ß", "İ", FAMILY, "👩🏽", "🇩🇪", "🇩", "❤️", "1️⃣", "\u200d", "\ufe0f", "🏽"),
    *("中", "文字", "ひらがな", "カ", "が", "ﾊﾟ", "ไทย", "กำ", "ລາວ", "ខ្មែរ", "မြန်မာ", "한국어", "\u1112\u1161\u11ab"),
    *("नमस्ते", "क्षि", "عربى", "\u0600", "עברית", "\U0001f468", "\U000e0067", "𝒳", "\ufeff", "z̴̢̛"),
]
TEXT = st.lists(st.sampled_from(ODD) | st.text(st.characters(exclude_categories=["Cs"]), max_size=6), max_size=20).map(
    "".join
)


def boundaries(text):
    """Where a sign ends and the next begins."""
    return {0, *(match.end() for match in regex.finditer(r"\X", text))}


@given(TEXT)
@example("")
@example("\r\n" * 40)
@example(FAMILY * 40)
@example("🇩🇪" * 40)
@example("\u0600中")
@example(" \u0301x")
@example("x" * 100)
def test_pieces_join_to_the_text_and_never_cut_a_sign(text):
    cut, ends = list(pieces(text)), boundaries(text)
    assert "".join(cut) == text
    assert "" not in cut
    assert {sum(map(len, cut[:count])) for count in range(len(cut))} <= ends


@given(TEXT)
def test_no_piece_is_longer_than_a_token_may_be(text):
    for piece in pieces(text):
        assert len(regex.findall(r"\X", piece.strip())) <= LONGEST


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("Hello there, you.", ["Hello", " there,", " you."]),
        ("  two\n\nlines\n", ["  two", "\n\nlines", "\n"]),
        ("Grüß dich 你好吗", ["Grüß", " dich", " 你", "好", "吗"]),
        (f"a {FAMILY}b", ["a", f" {FAMILY}b"]),
        ("x" * 40, ["x" * 16, "x" * 16, "x" * 8]),
        ("ü" * 17, ["ü" * 16, "ü"]),
        ("กำ", ["กำ"]),
        ("   ", ["   "]),
        ("", []),
    ],
)
def test_words_keep_the_space_before_them(text, cut):
    assert list(pieces(text)) == cut


@pytest.mark.parametrize("unit", ["word ", "x", " ", "é", FAMILY, "中", " \u0301", "\r\n", "ก"], ids=ascii)
def test_the_time_grows_with_the_text_and_no_faster(unit):
    began = time.process_time()
    assert sum(map(len, pieces(unit * 50_000))) == len(unit) * 50_000
    assert time.process_time() - began < 2


def config(function, **stream):
    return {"backends": {"b": {"kind": "python", "target": function, "stream": stream}}, "models": {"m": "b"}}


async def heard(function, stream=True, **options):
    """The chunks of an answer, and the seconds it took."""
    async with gateway(config(function, **options)) as url:
        completions = client(url).chat.completions
        await completions.create(**QUESTION)  # so that the connection is there
        began = time.perf_counter()
        if not stream:
            return await completions.create(**QUESTION), time.perf_counter() - began
        usage = {"include_usage": True}
        chunks = [c async for c in await completions.create(**QUESTION, stream=True, stream_options=usage)]
        return chunks, time.perf_counter() - began


def texts(chunks):
    return [text for chunk in chunks for choice in chunk.choices if (text := choice.delta.content)]


async def test_a_whole_answer_is_streamed_in_pieces_and_ends_as_it_ended():
    def function():
        counts = {"prompt_tokens": 1, "completion_tokens": 3}
        return {"content": "One two three", "finish_reason": "length", "usage": counts, "reasoning_content": "hm"}

    chunks, _ = await heard(function)
    assert texts(chunks) == ["One", " two", " three"]
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices][-1] == "length"
    assert chunks[-1].usage.total_tokens == 4
    assert [chunk.choices[0].delta.reasoning_content for chunk in chunks if "hm" in str(chunk)] == ["hm"]


async def test_a_whole_answer_with_choices_keeps_them_apart():
    def function():
        return {"choices": [{"index": i, "message": {"content": f"say {i}"}, "finish_reason": "stop"} for i in (0, 1)]}

    chunks, _ = await heard(function)
    for index in (0, 1):
        own = [choice for chunk in chunks for choice in chunk.choices if choice.index == index]
        assert "".join(choice.delta.content or "" for choice in own) == f"say {index}"
        assert [choice.finish_reason for choice in own if choice.finish_reason] == ["stop"]


async def test_what_streams_by_itself_is_not_cut():
    async def function():
        yield "One two "
        yield Chunk(text="three four")

    chunks, _ = await heard(function)
    assert texts(chunks) == ["One two ", "three four"]


def whole():
    return "a b c d e f"


def yielding():
    yield from ("a", " b", " c", " d", " e", " f")


@pytest.mark.parametrize("function", [whole, yielding])
async def test_a_pace_is_kept_in_streams_only(function):
    chunks, paced = await heard(function, pace="20/s")
    assert texts(chunks) == ["a", " b", " c", " d", " e", " f"]
    assert 0.25 <= paced < 1
    _, free = await heard(function)
    answer, at_once = await heard(function, stream=False, pace="20/s")
    assert answer.choices[0].message.content == "a b c d e f"
    assert max(free, at_once) < 0.25
