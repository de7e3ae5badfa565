"""The estimate is near the truth, never falls as a text grows, and is told in the docs as it is."""

import json
import re
import string
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.counting import estimate, opened

HERE = Path(__file__).parent
DOCS = (HERE.parents[1] / "docs/tokens.md").read_text()
TEXTS = {file.stem: file.read_text() for file in sorted((HERE / "texts").glob("*.txt"))}
TRUTH = json.loads((HERE / "o200k_base.json").read_text())
"""What o200k_base makes of the texts."""
MAIN = {"english", "german", "chinese", "japanese", "arabic", "python", "javascript", "json"}
COUNTER = opened("estimate")

KINDS = "  aazA0017.,\n\n\r\t\0éſяعह、か漢漢한！😀👩🏽\u200d\ud800\udc00"
ANY = st.text(st.sampled_from(KINDS) | st.characters(exclude_categories=()), max_size=60)


def size(text):
    return len(text.encode(errors="surrogatepass"))


def deviation(name):
    """In percent of the truth."""
    return (COUNTER.count(TEXTS[name]) / TRUTH[name] - 1) * 100


def test_every_text_has_its_truth():
    assert TEXTS.keys() == TRUTH.keys()
    assert min(map(len, TEXTS.values())) >= 1500


@pytest.mark.parametrize("name", TEXTS)
def test_the_estimate_is_near_the_truth(name):
    assert abs(deviation(name)) <= (10 if name in MAIN else 25)


@pytest.mark.parametrize("name", TEXTS)
def test_the_docs_tell_how_near(name):
    assert f"| {name}.txt | {TRUTH[name]:,} | {COUNTER.count(TEXTS[name]):,} | {deviation(name):+.1f} % |" in re.sub(
        r" +", " ", DOCS.replace("`", "")
    )


@given(ANY, st.characters(exclude_categories=()) | st.sampled_from(KINDS))
def test_another_character_costs_its_bytes_at_most_and_never_less_than_nothing(text, character):
    assert 0 <= COUNTER.count(text + character) - COUNTER.count(text) <= size(character)
    assert 1 <= COUNTER.count(text + character) <= size(text + character)


def test_all_pairs_of_kinds_keep_to_that():
    for beginning in (one + other for one in KINDS for other in KINDS):
        counts = [COUNTER.count(beginning * 30 + character) for character in ("", *KINDS)]
        assert min(counts) == counts[0]
        assert all(more - counts[0] <= size(character) for more, character in zip(counts[1:], KINDS, strict=True))


@given(ANY, st.integers(-1, 40))
def test_what_fits_is_the_longest_beginning_that_does(text, limit):
    fits = COUNTER.fitting(text, limit)
    assert COUNTER.count(text[:fits]) <= max(0, limit)
    assert fits == len(text) or COUNTER.count(text[: fits + 1]) > limit


def test_nothing_is_no_token():
    assert COUNTER.count("") == COUNTER.fitting("", 0) == COUNTER.fitting("word", 0) == 0


def test_every_ascii_character_has_a_price():
    assert sorted("".join(estimate.LETTERS.values())) == list(string.ascii_lowercase)
    assert sorted("".join(estimate.MARKS.values())) == sorted(string.punctuation)


@pytest.mark.parametrize("text", ["a", "\n", "0", " x", "漢", "😀", "\ud800", "A0"])
def test_a_megabyte_of_anything_is_soon_counted(text):
    began = time.monotonic()
    assert 0 < COUNTER.fitting(text * 500_000, 1000) < 500_000 * len(text)
    assert time.monotonic() - began < 5
