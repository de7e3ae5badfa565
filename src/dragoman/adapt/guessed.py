"""A value of a configuration that is a guess, and why."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Guessed:
    """A value and what is said beside it. The words are ours: nothing that was pasted stands in them."""

    value: Any
    why: str
    kind: str = "guessed"
    """`note` for what is no guess, but has to be known."""


def bare(value: Any) -> Any:
    """The value without what is said beside it."""
    if isinstance(value, Guessed):
        return bare(value.value)
    if isinstance(value, dict):
        return {key: bare(inner) for key, inner in value.items()}
    return [bare(inner) for inner in value] if isinstance(value, list) else value
