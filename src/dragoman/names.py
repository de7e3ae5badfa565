"""Names and patterns: which of many a name means."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated

from pydantic import BeforeValidator


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile("(.*)".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def matches(text: str, patterns: Iterable[str]) -> bool:
    """Whether a text is one of these; `*` stands for anything."""
    return any(_compiled(pattern).fullmatch(text) for pattern in patterns)


def starred(text: str, pattern: str) -> str:
    """What the first `*` of the pattern stands for in a text that matches it."""
    match = _compiled(pattern).fullmatch(text)
    return match[1] if match and match.groups() else ""


def meant(name: str, names: Iterable[str]) -> str | None:
    """The name among many that a name means: itself, or the closest wildcard that matches it."""
    known = names if isinstance(names, dict) else list(names)
    if name in known:
        return name
    wild = [each for each in known if "*" in each and _compiled(each).fullmatch(name)]
    return max(wild, key=len, default=None)


def _several(value: object) -> object:
    return [value] if isinstance(value, str) else value


Patterns = Annotated[list[str], BeforeValidator(_several, json_schema_input_type=list[str] | str)]
"""One pattern or several; `*` stands for anything."""
