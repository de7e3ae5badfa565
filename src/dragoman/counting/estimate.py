"""Tokens estimated without a vocabulary: near to what o200k_base makes of prose, code and most scripts.

A text costs what its characters cost, and its seams: where a word begins, punctuation ends, letters follow digits. In
runs of digits, line ends, Han and kana some characters are free, as they share a token. All is known once a character
is there, and none costs less than nothing or more than a token a byte; so a longer text never has fewer tokens than
its beginning, and never more than that and the bytes that were added.
"""

from bisect import bisect_right
from string import ascii_uppercase, digits

LETTERS = {5: "acdehinoqrstwxyv", 16: "flpu", 20: "bgjkmz"}
MARKS = {5: "#*+.;=_~-({}", 20: ")`", 25: "'", 40: '/:[]"', 55: "?|", 65: ",$&", 100: r"!%<>@\^"}
"""Hundredths of a token that one of these costs."""

SCRIPTS = (
    ("C2 C3", "l", 125),
    ("C4 CB", "l", 140),
    ("CC D3", "c", 28),
    ("D4 DB", "r", 34),
    ("DC DF", "r", 150),
    ("E0 E1", "i", 34),
    ("E2 E2", "s", 30),
    ("E3 E3", "k", 125),
    ("E4 E9", "h", 140),
    ("EA ED", "g", 74),
    ("EE EF", "f", 150),
    ("F0 F7", "e", 220),
)
"""From one first byte of UTF-8 to another: Latin with accents, Greek and Cyrillic, Hebrew and Arabic, N'Ko, Indic,
symbols, kana, Han, Hangul, full width, emoji; the letter that stands for each, and hundredths of a token."""

SEAMS = {b" a": 60, b".a": 80, b". ": 90, b"0A": 65, b"0a": 80, b"Aa": 80}
FREE = {b"nn": -90, b"000": -80, b"hh": -140, b"kk": -125}
"""Hundredths of a token that these cost more, or less, than their characters."""

_LATER = bytes(range(0x80, 0xC0))
"""All but the first byte of a character."""


def _tables() -> tuple[bytes, bytes]:
    """What each first byte costs, and the letter that stands for its kind."""
    costs, kinds = bytearray([45]) * 256, bytearray(b"t") * 256
    plain = {"A": {35: ascii_uppercase}, "a": LETTERS, "0": {85: digits}, " ": {8: " "}, "n": {90: "\r\n"}, ".": MARKS}
    for kind, groups in plain.items():
        for cost, characters in groups.items():
            for byte in characters.encode():
                costs[byte], kinds[byte] = cost, ord(kind)
    for span, kind, cost in SCRIPTS:
        first, last = bytes.fromhex(span)
        costs[first : last + 1] = [cost] * (last + 1 - first)
        kinds[first : last + 1] = kind.encode() * (last + 1 - first)
    return bytes(costs), bytes(kinds)


_COSTS, _KINDS = _tables()
_PATTERNS = tuple((SEAMS | FREE).items())


class Estimate:
    """Counts as o200k_base would, about."""

    def count(self, text: str) -> int:
        """How many tokens a text has, at least one if it has any text."""
        data = text.encode(errors="surrogatepass")
        kinds = data.translate(_KINDS, _LATER)
        cost = sum(data.translate(_COSTS, _LATER))
        for pattern, more in _PATTERNS:
            cost += more * kinds.count(pattern)
        return -(-cost // 100)

    def fitting(self, text: str, limit: int) -> int:
        """The length in characters of the longest beginning of a text that has at most so many tokens."""
        if self.count(text) <= limit:
            return len(text)
        return max(0, bisect_right(range(len(text)), limit, key=lambda length: self.count(text[:length])) - 1)
