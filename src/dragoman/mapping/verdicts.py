"""What is wrong with a text, in OpenAI's words: flagged or not, and a truth and a number for each category."""

from collections.abc import Mapping
from math import isfinite
from typing import Any

HALF = 0.5
"""The score from which on something is wrong, where nothing else says so."""
MOST_CATEGORIES = 200


def verdict(flagged: Any, categories: Any, scores: Any, words: Mapping[str, str]) -> dict[str, Any]:
    """A backend's findings as OpenAI has them; `words` are its names for categories. Raises ValueError."""
    told = _renamed(_truths(categories), words)
    numbers = _renamed(_numbers(scores), words)
    for name in numbers:
        told.setdefault(name, numbers[name] >= HALF)
    for name in told:
        numbers.setdefault(name, float(told[name]))
    wrong = any(told.values()) if flagged is None else flagged
    if not isinstance(wrong, bool | int) or (flagged is None and not isinstance(categories, list) and not told):
        raise ValueError("nothing that says whether the text is flagged")
    return {"flagged": bool(wrong), "categories": told, "category_scores": numbers}


def _truths(given: Any) -> dict[str, bool]:
    """`{name: true}`, or a list of names."""
    if isinstance(given, list):
        given = dict.fromkeys((name for name in given if isinstance(name, str)), True)
    if given is None:
        return {}
    if not isinstance(given, dict) or len(given) > MOST_CATEGORIES:
        raise ValueError("categories that are neither an object nor a list of names")
    return {name: bool(value) for name, value in given.items()}


def _numbers(given: Any) -> dict[str, float]:
    if given is None:
        return {}
    if not isinstance(given, dict) or len(given) > MOST_CATEGORIES or not all(map(_is_number, given.values())):
        raise ValueError("scores that are no object of numbers")
    return {name: float(value) for name, value in given.items()}


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and isfinite(value)


def _renamed(given: Mapping[str, Any], words: Mapping[str, str]) -> dict[str, Any]:
    """By OpenAI's names; of several that mean the same, the worst."""
    renamed: dict[str, Any] = {}
    for name, value in given.items():
        name = words.get(name, name)
        renamed[name] = max(value, renamed.get(name, value))
    return renamed
