"""Counting by a vocabulary is exact, bounded, fetches nothing, and says what is missing."""

import hashlib
import socket
import sys
import time
from base64 import b64encode

import pytest
import tiktoken.load
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter
from tokenizers import AddedToken, models, pre_tokenizers, trainers
from tokenizers import Tokenizer as HuggingFace

from dragoman import ConfigError
from dragoman.config import Config
from dragoman.counting import TokenOptions, opened

READ = TypeAdapter(TokenOptions)
BYTES = [bytes([byte]) for byte in range(256)]
WORDS = [b"th", b"the", b" the", b"aa", b"aaaa"]
O200K = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
ANY = st.lists(st.sampled_from(["the ", "aaaa", "ü", "\n", "👩🏽", "<|endoftext|>", "\ud800"]) | st.text()).map("".join)


def bpe(tokens):
    return b"".join(b64encode(token) + b" %d\n" % number for number, token in enumerate(tokens))


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A tiny vocabulary of each kind; the second also cuts off, pads, and adds a token of its own."""
    folder = tmp_path_factory.mktemp("vocabularies")
    (folder / "tiny.tiktoken").write_bytes(bpe(BYTES + WORDS))
    tokenizer = HuggingFace(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=262, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(["the the aaaa"] * 9, trainer)
    tokenizer.add_special_tokens([AddedToken("<|endoftext|>", special=True)])
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=20)
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


@pytest.fixture(scope="module")
def counters(files):
    tiny = {"tiktoken": "o200k_base", "vocabulary": files / "tiny.tiktoken"}
    return [counter(tiny), counter({"tokenizer": files / "tokenizer.json"})]


@pytest.fixture
def reached(monkeypatch):
    """What was asked of the network."""
    reached = []

    def refuse(*asked, **more):
        reached.append(asked)
        raise OSError("there is no network here")

    for name in ("getaddrinfo", "create_connection", "socket"):
        monkeypatch.setattr(socket, name, refuse)
    return reached


def counter(options):
    return opened(READ.validate_python(options))


def refused(options):
    with pytest.raises(ConfigError) as told:
        counter(options)
    return str(told.value)


def test_tokens_are_those_of_the_vocabulary(counters):
    for exact in counters:
        assert exact.count("") == exact.fitting("", 0) == exact.fitting("the", 0) == exact.fitting("the", -1) == 0
        assert exact.count("the the") == 2
        assert [exact.fitting("the the the", limit) for limit in (1, 2, 3, 4)] == [3, 7, 11, 11]


def test_a_character_of_several_tokens_fits_whole_or_not_at_all(counters):
    for exact in counters:
        assert exact.count("ü") == 2
        assert [exact.fitting("üü", limit) for limit in range(5)] == [0, 0, 1, 1, 2]


@given(text=ANY, limit=st.integers(0, 30))
def test_what_fits_has_no_more_tokens_than_the_limit(counters, text, limit):
    for exact in counters:
        fits = exact.fitting(text, limit)
        assert exact.count(text[:fits]) <= limit
        assert (fits == len(text)) == (exact.count(text) <= limit)


def test_what_looks_like_a_special_token_is_text(counters):
    for exact in counters:
        assert exact.count("<|endoftext|>") == len("<|endoftext|>")


@pytest.mark.parametrize("text", ["a", " ", "=", "x ", "ü", "\ud800", "the"])
def test_no_text_makes_it_hang(counters, text):
    began = time.monotonic()
    for exact in counters:
        counted = exact.count(text * 100_000)
        assert 0 < counted <= 300_000
        assert exact.fitting(text * 100_000, counted) == len(text) * 100_000
    assert time.monotonic() - began < 10


def test_what_is_not_cached_is_not_fetched(reached, tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    for name in tiktoken.list_encoding_names():
        told = refused({"tiktoken": name})
        assert "is not in tiktoken's cache" in told
        assert "TIKTOKEN_CACHE_DIR=FOLDER python -c" in told
        assert f"get_encoding('{name}')" in told
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
    assert "is not in tiktoken's cache" in refused({"tiktoken": "o200k_base"})
    (tmp_path / hashlib.sha1(O200K.encode()).hexdigest()).write_bytes(b"another file than OpenAI's")
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    assert "is not in tiktoken's cache" in refused({"tiktoken": "o200k_base"})
    assert reached == []


def test_what_is_cached_is_used_and_nothing_is_fetched_later(reached, tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(tiktoken.load, "check_hash", lambda data, expected: True)
    (tmp_path / hashlib.sha1(O200K.encode()).hexdigest()).write_bytes(bpe(BYTES + WORDS))
    read_file = tiktoken.load.read_file
    opened.cache_clear()
    assert counter({"tiktoken": "o200k_base"}).count("the the <|endoftext|>") == 2 + 1 + len("<|endoftext|>")
    opened.cache_clear()
    assert tiktoken.load.read_file is read_file
    assert reached == []


def test_an_encoding_that_there_is_not_has_a_near_one():
    assert "did you mean 'o200k_base'?" in refused({"tiktoken": "o200k-base"})
    assert "there are " in refused({"tiktoken": "?"})


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (b"not a vocabulary", "is not the vocabulary of 'o200k_base': Error parsing line"),
        (b"", "256 of the 256 bytes have no token"),
        (bpe(BYTES[1:]), "1 of the 256 bytes have no token"),
        (bpe(BYTES) + b"YWI= 0\n", "two tokens have the same number"),
        (bpe(BYTES) + b"YWI= -7\n", "is not the vocabulary"),
        (bpe(BYTES) + b"YWI= 99999999999\n", "is not the vocabulary"),
    ],
)
def test_a_file_that_is_no_vocabulary_is_refused(tmp_path, data, told):
    file = tmp_path / "bad.tiktoken"
    file.write_bytes(data)
    assert told in refused({"tiktoken": "o200k_base", "vocabulary": file})


def test_a_vocabulary_of_another_encoding_is_refused(files):
    for name in ("r50k_base", "gpt2"):
        told = refused({"tiktoken": name, "vocabulary": files / "tiny.tiktoken"})
        assert f"is not the vocabulary of '{name}'" in told


def test_a_file_that_is_not_there_is_named(tmp_path):
    for options in ({"tiktoken": "o200k_base", "vocabulary": tmp_path / "no"}, {"tokenizer": tmp_path / "no"}):
        assert str(tmp_path / "no") in refused(options)


def test_a_tokenizer_that_takes_not_any_text_is_refused(tmp_path):
    HuggingFace(models.WordLevel({"one": 0}, unk_token="?")).save(str(tmp_path / "one.json"))
    assert "is not a tokenizer.json that can be used" in refused({"tokenizer": tmp_path / "one.json"})


@pytest.mark.parametrize("missing", ["tiktoken", "tokenizers"])
def test_what_is_not_installed_is_said_to_be(monkeypatch, tmp_path, missing):
    monkeypatch.delitem(sys.modules, "dragoman.counting.exact", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    assert "pip install 'dragoman[tokens]'" in refused({"tokenizer": tmp_path})


@pytest.mark.parametrize("tokens", ["o200k_base", {}, {"tiktoken": "a", "tokenizer": "b"}, 3, None, ["estimate"]])
def test_a_configuration_that_says_neither_is_told_what_to_say(tokens):
    with pytest.raises(ConfigError, match=r"tokens: write `estimate`, `\{tiktoken: NAME\}` or `\{tokenizer: FILE\}`"):
        Config.of({"backends": {"demo": {"kind": "demo", "tokens": tokens}}, "models": {"m": "demo"}})
