"""Tokens by a model's own vocabulary. Needs the extra `tokens`; nothing is ever fetched."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from unittest.mock import patch

import tiktoken
import tiktoken.load
import tiktoken.registry
from tokenizers import Tokenizer as HuggingFace

from dragoman.errors import ConfigError

SLICE = 2000
"""Characters at once, in a text without blanks: merging takes longer than a text grows."""

_LONG = re.compile(rf"\S{{{SLICE}}}")


def _slices(text: str) -> Iterator[str]:
    if not _LONG.search(text):
        yield text
        return
    for start in range(0, len(text), SLICE):
        yield text[start : start + SLICE]


class _Exact:
    """Counts slice by slice."""

    def count(self, text: str) -> int:
        """How many tokens a text has."""
        return sum(len(self._ends(piece)) for piece in _slices(text)) if text else 0

    def fitting(self, text: str, limit: int) -> int:
        """The length in characters of the longest beginning of a text that has at most so many tokens."""
        length = 0
        for piece in _slices(text):
            ends = self._ends(piece)
            if len(ends) > limit:
                return length + (ends[limit - 1] if limit > 0 else 0)
            length, limit = length + len(piece), limit - len(ends)
        return length

    def _ends(self, text: str) -> list[int]:
        """Where each token ends, in characters."""
        raise NotImplementedError


class Tiktoken(_Exact):
    """Counts with a vocabulary of OpenAI's."""

    def __init__(self, name: str, vocabulary: Path | None) -> None:
        self._encoding = _encoding(name, vocabulary)

    def count(self, text: str) -> int:
        """How many tokens a text has; what looks like a special token is text like any other."""
        return sum(len(self._encoding.encode_ordinary(piece)) for piece in _slices(text)) if text else 0

    def _ends(self, text: str) -> list[int]:
        tokens = self._encoding.encode_ordinary(text)
        _, starts = self._encoding.decode_with_offsets(tokens)
        return [*starts[1:], len(text)] if tokens else []


class Tokenizer(_Exact):
    """Counts with a Hugging Face tokenizer."""

    def __init__(self, file: Path) -> None:
        try:
            self._tokenizer = HuggingFace.from_file(str(file))
        except Exception as error:  # its library raises nothing narrower
            raise ConfigError(f"tokens: {file} is not a tokenizer's file: {error}") from None
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()

    def _ends(self, text: str) -> list[int]:
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        return [end for _, end in encoded.offsets]


def _encoding(name: str, vocabulary: Path | None) -> tiktoken.Encoding:
    known = tiktoken.list_encoding_names()
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        raise ConfigError(f"tokens: there is no encoding {name!r}; {hint}")
    constructors: Any = tiktoken.registry.ENCODING_CONSTRUCTORS
    try:
        with _offline(vocabulary):
            return tiktoken.Encoding(**constructors[name]())
    except _NotThereError:
        raise ConfigError(
            f"tokens: the vocabulary {name!r} is not in tiktoken's cache, and is not fetched while serving. Fetch it "
            f'once, where there is a network: `python -c "import tiktoken; tiktoken.get_encoding({name!r})"`; or give '
            "its file as `vocabulary`"
        ) from None
    except (OSError, ValueError) as error:
        raise ConfigError(f"tokens: the vocabulary of {name!r} cannot be read: {error}") from None


class _NotThereError(Exception):
    """tiktoken would have fetched it."""


@contextmanager
def _offline(vocabulary: Path | None) -> Iterator[None]:
    """tiktoken without a network; it reads the given file, or its own cache."""

    def fetch(place: str) -> bytes:
        raise _NotThereError()

    def read(place: str, expected_hash: str | None = None) -> bytes:
        assert vocabulary is not None
        return vocabulary.read_bytes()

    with patch.object(tiktoken.load, *(("read_file_cached", read) if vocabulary else ("read_file", fetch))):
        yield
