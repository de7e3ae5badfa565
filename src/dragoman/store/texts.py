"""Texts and numbers as every database takes them."""

import math
from datetime import UTC, datetime
from functools import lru_cache

DAY = 86400
LONGEST = 256
"""Characters of a text that are kept."""
MOST = 10**15
"""A number that is kept at most: sums of these stay exact."""

_REFUSED = {0: 0xFFFD}


def kept(text: str) -> str:
    """The text, cut off, with U+FFFD for what databases refuse: NUL, and halves of characters."""
    if len(text) > LONGEST:
        text = text[:LONGEST]
    if text.isascii() and "\0" not in text:
        return text
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").translate(_REFUSED)


def whole(number: int) -> int:
    """The number within bounds."""
    return min(max(number, 0), MOST)


def real(number: float) -> float:
    """The number within bounds, and 0 for none."""
    return min(max(number, 0.0), float(MOST)) if math.isfinite(number) else 0.0


@lru_cache(64)
def day_of(number: int) -> str:
    """A day, by how many there were since 1970: `2026-11-24`."""
    return datetime.fromtimestamp(min(number, 2_900_000) * DAY, UTC).strftime("%Y-%m-%d")
