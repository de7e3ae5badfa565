"""Tokens, counted: estimated, or by a model's own vocabulary."""

from collections.abc import Callable, Sequence
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeAlias

from pydantic import BaseModel, ConfigDict, Discriminator, Tag

from dragoman.counting.estimate import Estimate
from dragoman.errors import ConfigError


class Counter(Protocol):
    """Counts tokens."""

    def count(self, text: str) -> int:
        """How many tokens a text has."""
        ...

    def fitting(self, text: str, limit: int) -> int:
        """The length in characters of the longest beginning of a text that has at most so many tokens."""
        ...


Decode: TypeAlias = Callable[[Sequence[int]], str]
"""Makes text of tokens. Raises ValueError if there is no such token."""


class Tiktoken(BaseModel):
    """By a vocabulary of OpenAI's."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    tiktoken: str
    """The encoding's name, such as `o200k_base`."""
    vocabulary: Path | None = None
    """Its `.tiktoken` file; without it, tiktoken's own cache is looked into. Nothing is ever fetched."""


class Tokenizer(BaseModel):
    """By a Hugging Face tokenizer."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    tokenizer: Path
    """Its `tokenizer.json`."""


def _kind(value: Any) -> str | None:
    if isinstance(value, Tiktoken | Tokenizer):
        return f"~{type(value).__name__.lower()}"
    kinds = value.keys() & {"tiktoken", "tokenizer"} if isinstance(value, dict) else {str(value)} & {"estimate"}
    return f"~{kinds.pop()}" if len(kinds) == 1 else None


TokenOptions = Annotated[
    Annotated[Literal["estimate"], Tag("~estimate")]
    | Annotated[Tiktoken, Tag("~tiktoken")]
    | Annotated[Tokenizer, Tag("~tokenizer")],
    Discriminator(
        _kind,
        custom_error_type="needs_counter",
        custom_error_message="write `estimate`, `{tiktoken: NAME}` or `{tokenizer: FILE}`",
    ),
]
"""How tokens are counted."""


@lru_cache(maxsize=64)
def opened(options: TokenOptions) -> Counter:
    """What counts. Raises ConfigError if it is not installed, or its vocabulary is not there or cannot be read."""
    if isinstance(options, Tiktoken):
        return _exact("Tiktoken", options.tiktoken, options.vocabulary)
    if isinstance(options, Tokenizer):
        return _exact("Tokenizer", options.tokenizer)
    return Estimate()


def decoder(options: TokenOptions) -> Decode | None:
    """What makes text of a caller's tokens, if its vocabulary is there.

    That is the one of `options`, or the one that clients encode with for models that they do not know.
    """
    try:
        counter: Any = opened(options if isinstance(options, Tiktoken) else Tiktoken(tiktoken="cl100k_base"))
    except ConfigError:
        return None
    decode: Decode = counter.decoded
    return decode


def _exact(kind: str, *given: Any) -> Counter:
    # optional, and slow to import: only who wants them shall wait
    try:
        module = import_module("dragoman.counting.exact")
    except ImportError:
        raise ConfigError("tokens: this needs an extra; install it with `pip install 'dragoman[tokens]'`") from None
    counter: Counter = getattr(module, kind)(*given)
    return counter
