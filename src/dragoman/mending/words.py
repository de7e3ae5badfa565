"""What stands in JSON without quotes: literals, numbers, and text that should have had quotes."""

import re

from dragoman.json import dumped

LITERALS = {
    "true": "true",
    "false": "false",
    "null": "null",
    "none": "null",
    "undefined": "null",
    "nan": "null",
    **{f"{sign}{word}": "null" for sign in ("", "-", "+") for word in ("infinity", "inf")},
}

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
_NEARLY = re.compile(
    r"(?P<sign>[+-]?)(?=\.?[0-9])(?P<whole>[0-9_]*+)(?P<point>\.(?P<part>[0-9_]*+))?"
    r"(?:[eE](?P<power>[+-]?[0-9]*+))?[nLf]?"
)
_OTHER_BASE = re.compile(r"[+-]?0(?:[xX][0-9a-fA-F]{1,16}|[oO][0-7]{1,16}|[bB][01]{1,64})")


def scalar(word: str) -> str | None:
    """The number or literal that the word means, as JSON; None if it is text."""
    if _NUMBER.fullmatch(word):
        return word
    if literal := LITERALS.get(word.lower()):
        return literal
    if _OTHER_BASE.fullmatch(word):
        return str(int(word, 0))
    return _number(nearly) if (nearly := _NEARLY.fullmatch(word)) else None


def _number(nearly: re.Match[str]) -> str:
    whole = nearly["whole"].replace("_", "").lstrip("0") or "0"
    part = f".{nearly['part'].replace('_', '') or '0'}" if nearly["point"] else ""
    power = f"e{nearly['power']}" if nearly["power"] and nearly["power"].strip("+-") else ""
    return f"{nearly['sign'].strip('+')}{whole}{part}{power}"


def cut_scalar(word: str) -> str | None:
    """The same of a word that may have been cut off: `tru` means true."""
    begun = (literal for full, literal in LITERALS.items() if full.startswith(word.lower()))
    return scalar(word) or next(begun, None)


def spoken(words: str) -> list[str]:
    """The words but for those that are only dots, which stand for what was left out."""
    return [word for word in words.split() if word.strip(".…")]


def quoted(text: str) -> str:
    """The text as JSON; half a surrogate pair becomes U+FFFD."""
    return dumped(text).decode()
