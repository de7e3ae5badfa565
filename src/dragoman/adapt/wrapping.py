"""Texts that stand inside objects and lists, such as `[{"type": "text", "text": "…"}]`, and what puts others there."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dragoman.adapt.asked import literal

TEXT_KEYS = ("content", "text", "message", "value", "body", "parts", "msg", "utterance", "contents", "data")


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A turn's text, and what puts another one into its place."""

    text: str
    around: Callable[[str], Any]


def wrapped(value: Any) -> Wrapped | None:
    """The one text of a turn's content, of a text among its parts; None if there is none."""
    if isinstance(value, str):
        return Wrapped(value, lambda text: text)
    if isinstance(value, list):
        part = next((part for item in value if (part := wrapped(item))), None)
        return Wrapped(part.text, lambda text: [part.around(text)]) if part else None
    if isinstance(value, dict):
        places = [(key, inner) for key in TEXT_KEYS if (inner := wrapped(value.get(key)))]
        if len(places) == 1:
            key, inner = places[0]
            return Wrapped(inner.text, lambda text: {**kept(value), key: inner.around(text)})
    return None


def kept(value: Any) -> Any:
    """The value, its texts as templates that give them."""
    if isinstance(value, dict):
        return {key: kept(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [kept(inner) for inner in value]
    return literal(value) if isinstance(value, str) else value
