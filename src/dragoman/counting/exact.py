"""Tokens by a model's own vocabulary. Needs the extra `tokens`; nothing is ever fetched."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from pathlib import Path
from threading import Lock
from typing import Any

import tiktoken
import tiktoken.load
import tiktoken.registry
from tokenizers import Tokenizer as HuggingFace

from dragoman.errors import ConfigError

SLICE = 10_000
"""Characters at once, since merging can take longer than a text grows; a token that a cut goes through counts twice."""
UNUSUAL = "\0 \ufffd\u2603\U0010ffff"
"""What a vocabulary has hardly heard of."""

_SURROGATE = re.compile("[\ud800-\udfff]")
_swapping = Lock()


class _Exact:
    """Counts slice by slice."""

    def count(self, text: str) -> int:
        """How many tokens a text has; what looks like a special token is text like any other."""
        return sum(map(self._count, _slices(text)))

    def fitting(self, text: str, limit: int) -> int:
        """The length in characters of a text's first `limit` tokens; of a character that is cut apart, nothing."""
        length = 0
        for piece in _slices(text):
            starts = self._starts(piece)
            if len(starts) > limit:
                return length + self._settled(piece, starts[max(0, limit)], limit)
            length, limit = length + len(piece), limit - len(starts)
        return length

    def _settled(self, piece: str, length: int, limit: int) -> int:
        """Alone, a beginning may have other tokens than it had in the whole."""
        while length and self._count(piece[:length]) > limit:
            length -= 1
        return length

    def _count(self, piece: str) -> int:
        return len(self._starts(piece))

    def _starts(self, piece: str) -> list[int]:
        """In which character each token begins."""
        raise NotImplementedError


def _slices(text: str) -> Iterator[str]:
    text = text if text.isascii() else _SURROGATE.sub("\ufffd", text)
    return (text[start : start + SLICE] for start in range(0, len(text), SLICE))


class Tiktoken(_Exact):
    """Counts with a vocabulary of OpenAI's."""

    def __init__(self, name: str, vocabulary: Path | None) -> None:
        """Raises ConfigError if there is no such encoding, or its vocabulary is not there or cannot be read."""
        self._encoding = _encoding(name, vocabulary)

    def decoded(self, tokens: Sequence[int]) -> str:
        """The text that tokens stand for. Raises ValueError if there is no such token."""
        try:
            return self._encoding.decode(tokens)
        except (KeyError, OverflowError) as error:
            raise ValueError("no such token") from error

    def _count(self, piece: str) -> int:
        return len(self._encoding.encode_ordinary(piece))

    def _starts(self, piece: str) -> list[int]:
        return self._encoding.decode_with_offsets(self._encoding.encode_ordinary(piece))[1]


class Tokenizer(_Exact):
    """Counts with a Hugging Face tokenizer."""

    def __init__(self, file: Path) -> None:
        """Raises ConfigError if the file is not there, or does not hold a tokenizer that takes any text."""
        try:
            self._tokenizer = HuggingFace.from_file(str(file))
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
            self._tokenizer.encode_special_tokens = True
            self._starts(UNUSUAL)
        except Exception as error:  # its library raises nothing narrower
            raise ConfigError(f"tokens: {file} is not a tokenizer.json that can be used: {error}") from None

    def _starts(self, piece: str) -> list[int]:
        return [start for start, _ in self._tokenizer.encode(piece, add_special_tokens=False).offsets]


def _encoding(name: str, vocabulary: Path | None) -> tiktoken.Encoding:
    known = tiktoken.list_encoding_names()
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(known)}"
        raise ConfigError(f"tokens: there is no encoding {name!r}; {hint}")
    constructors: Any = tiktoken.registry.ENCODING_CONSTRUCTORS
    try:
        with _offline(vocabulary):
            return tiktoken.Encoding(**_checked(constructors[name]()))
    except _NotCached:
        raise ConfigError(
            f"tokens: the vocabulary of {name!r} is not in tiktoken's cache, and is never fetched while serving. Where "
            'there is a network, fill a folder once with `TIKTOKEN_CACHE_DIR=FOLDER python -c "import tiktoken; '
            f"tiktoken.get_encoding('{name}')\"`, and set TIKTOKEN_CACHE_DIR to it here; or give a .tiktoken file as "
            "`vocabulary`"
        ) from None
    except OSError as error:
        raise ConfigError(f"tokens: the vocabulary of {name!r} cannot be read: {error}") from None
    except (ValueError, LookupError, OverflowError, AssertionError) as error:
        raise ConfigError(
            f"tokens: {vocabulary or 'what tiktoken has cached'} is not the vocabulary of {name!r}: "
            f"{error or 'it is not complete'}"
        ) from None


def _checked(parts: dict[str, Any]) -> dict[str, Any]:
    """An encoding's parts. Raises ValueError if there would be texts that it cannot encode."""
    ranks = parts["mergeable_ranks"]
    if len(set(ranks.values())) < len(ranks):
        raise ValueError("two tokens have the same number")
    if lacking := sum(bytes([byte]) not in ranks for byte in range(256)):
        raise ValueError(f"{lacking} of the 256 bytes have no token")
    return parts


class _NotCached(Exception):
    """tiktoken would have fetched it."""


@contextmanager
def _offline(vocabulary: Path | None) -> Iterator[None]:
    """Lets tiktoken read the given file, or its own cache, and nothing else."""

    def fetched(place: str) -> bytes:
        raise _NotCached

    def read(place: str, expected_hash: str | None = None) -> bytes:
        return Path(vocabulary or "").read_bytes()

    name, instead = ("read_file_cached", read) if vocabulary else ("read_file", fetched)
    with _swapping:
        before = getattr(tiktoken.load, name)
        setattr(tiktoken.load, name, instead)
        try:
            yield
        finally:
            setattr(tiktoken.load, name, before)
