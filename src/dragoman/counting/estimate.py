"""Tokens estimated from characters, near to what o200k_base makes of them."""

import re
from itertools import accumulate

_PIECES = re.compile(
    r" ?[A-Za-z]+|\d{1,3}| ?[^\sA-Za-z0-9\u0080-\U0010ffff]+| ?[\u0080-\u02ff\u0370-\u1fffA-Za-z]+|\s*\n+|\s+|."
)


class Estimate:
    """Counts in hundredths of a token."""

    def count(self, text: str) -> int:
        """How many tokens a text has, at least one if it has any text."""
        return -(-sum(map(_cost, _PIECES.findall(text))) // 100)

    def fitting(self, text: str, limit: int) -> int:
        """The length in characters of the longest beginning of a text that has at most so many tokens."""
        pieces = _PIECES.findall(text)
        length = 0
        for piece, cost in zip(pieces, accumulate(map(_cost, pieces)), strict=True):
            if cost > limit * 100:
                break
            length += len(piece)
        return length


def _cost(piece: str) -> int:
    return 100 + 12 * max(0, len(piece) - 6) if piece.isascii() else 55 * len(piece)
