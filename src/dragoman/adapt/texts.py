"""Texts inside JSON: where they stand, and how much they look like something that somebody said."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson

MOST = 50_000
"""Values that are looked at in one JSON."""
LONG = 400
"""Characters above which a text is no likelier to be the one that is looked for."""

Steps = tuple[str | int, ...]

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
_NOT_SAID = re.compile(
    r"(?:https?|wss?|data|file|blob):\S*|[0-9a-f]{8}-[0-9a-f-]{27}|\d{4}-\d\d-\d\d[T ]?[\d:.,Z+-]*"
    r"|[\w.+-]+@[\w-]+\.\w+|[{[].*[}\]]|<[^<>]*>",
    re.DOTALL | re.IGNORECASE,
)
_ONE_WORD = re.compile(r"[\x21-\x7e]+")
_CODE = re.compile(r"[\w.:/=+@-]*[\d_:/=+@][\w.:/=+@-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Text:
    """A text and the steps to it."""

    steps: Steps
    text: str

    @property
    def path(self) -> str:
        return path_of(self.steps)


def values_in(value: Any) -> Iterator[tuple[Steps, Any]]:
    """Every value with the steps to it, the outer before the inner; at most MOST."""
    waiting: list[tuple[Steps, Any]] = [((), value)]
    for _ in range(MOST):
        if not waiting:
            return
        steps, current = waiting.pop()
        yield steps, current
        items = current.items() if isinstance(current, dict) else enumerate(current) if _is_list(current) else ()
        waiting.extend(reversed([((*steps, step), inner) for step, inner in items]))


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def texts_in(value: Any) -> list[Text]:
    """Every text that is not empty."""
    return [Text(steps, inner) for steps, inner in values_in(value) if isinstance(inner, str) and inner.strip()]


def value_at(value: Any, steps: Steps) -> Any:
    """The value at these steps, None if there is none."""
    for step in steps:
        if isinstance(value, dict) and isinstance(step, str):
            value = value.get(step)
        elif isinstance(value, list) and isinstance(step, int) and step < len(value):
            value = value[step]
        else:
            return None
    return value


def path_of(steps: Steps) -> str:
    """The steps as a JMESPath."""
    path = "".join(f"[{step}]" if isinstance(step, int) else f".{_key(step)}" for step in steps)
    return path.removeprefix(".") or "@"


def _key(key: str) -> str:
    return key if _KEY.fullmatch(key) else orjson.dumps(key).decode()


def words_of(key: object) -> tuple[str, ...]:
    """A key's words in lower case: `maxOutputTokens`, `max_output_tokens` and `max-output-tokens` have the same."""
    return tuple(word.lower() for word in _WORDS.findall(str(key)))


def name_of(key: object) -> str:
    """A key as snake_case."""
    return "_".join(words_of(key))


def last_name(steps: Steps) -> str:
    """The last key among the steps as snake_case, empty if there is none."""
    return next((name_of(step) for step in reversed(steps) if isinstance(step, str)), "")


def worded(text: str) -> float:
    """From 0 for what no human would read, such as an id or a URL, to 1 for sentences."""
    text = text.strip()
    if not text or _NOT_SAID.fullmatch(text):
        return 0.0
    if not _ONE_WORD.fullmatch(text):
        return 1.0
    if len(text) >= 30:
        return 0.0
    if _CODE.fullmatch(text):
        return 0.0 if len(text) > 16 else 0.2
    return 0.5


def shortened(text: str, most: int = 60) -> str:
    """The text's beginning, on one line."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1]}…"
