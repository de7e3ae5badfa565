"""How texts in JSON begin and end. A quote that was not escaped ends a text only if what follows it fits."""

import re
from functools import cache

import regex

from dragoman.mending.words import quoted

WINDOW = 64
"""Characters after a quote that are looked at; where they do not tell, it ends the text."""

CLOSING = {
    '"': '"',
    "'": "'",
    "`": "`",
    "“": '”“"',
    "”": '”"',
    "„": '“”"',
    "‘": "’‘'",
    "’": "’'",
    "‚": "‘’'",
    "«": "»",
    "»": "«",
}
"""By the quote that begins a text, those that may end it."""

THRICE = frozenset("\"'`")
"""Quotes that may stand thrice, and are then ended by three."""


def _specials(quote: str) -> str:
    return rf'{CLOSING[quote]}"\\\x00-\x1f\ud800-\udfff'


PLAIN = {quote: re.compile(rf'(?:[^{_specials(quote)}]++|\\["\\/bfnrt])*+') for quote in CLOSING}
"""What passes as it is."""
SPECIAL = {quote: re.compile(rf"[{_specials(quote)}]") for quote in CLOSING}

_HEX = "[0-9a-fA-F]"
ESCAPE = regex.compile(
    r'\\(?:(?P<fine>["\\/bfnrt])'
    rf"|(?P<fine>u(?:[0-9abcefABCEF]{_HEX}{{3}}|[dD][0-7]{_HEX}{{2}}|[dD][89abAB]{_HEX}{{2}}\\u[dD][c-fC-F]{_HEX}{{2}}))"
    rf"|(?P<half>u[dD][c-fC-F]{_HEX}{{2}})"
    rf"|x(?P<code>{_HEX}{{2}})|U(?P<code>00(?:0{_HEX}|10){_HEX}{{4}})"
    r"|(?P<bare>['`_$“”„‘’‚«»]))"
)
FIRST_HALF = re.compile(rf"\\u[dD][89abAB]{_HEX}{{2}}")
HALF = "\\ufffd"


def passed(char: str) -> str:
    """A character of a text, as it stands within JSON's quotes."""
    return quoted(char)[1:-1]


def unescaped(escape: regex.Match[str]) -> str:
    """An escape as JSON has it."""
    if escape["fine"]:
        return escape[0]
    if escape["half"]:
        return HALF
    return passed(chr(int(escape["code"], 16)) if escape["code"] else escape["bare"])


_QUOTES = "".join(CLOSING)
_TEXT = r"""(?:"(?:[^"\\]|\\(?s:.))*+"|'(?:[^'\\]|\\(?s:.))*+'|`[^`]*+`|[“”„][^“”"]*+[“”"]|[‘’‚][^‘’']*+[‘’'])"""
_LITERAL = r"(?:[Tt]rue|[Ff]alse|null|None|undefined|NaN)\W"
_PLAIN_VALUE = rf"(?:[-+]?\.?[0-9]|{_LITERAL}|[{{\[])"
_WORD = r"[\w$][\w$.-]*+"
_QUOTED_KEY = rf"[bru]?+{_TEXT}(?:\s*+(?:[:：=]|{_PLAIN_VALUE})|\s++[{_QUOTES}])"
_BARE_KEY = rf"{_WORD}\s*+[:：=]"
_COMMENT = r"(?:/[/*]|#)"
_DOTS = r"(?:\.\.\.|…)"
_LINE_END = r"[ \t\r]*+\n"
_JOINED = r"\s*+\+\s*+(?P<joined>[\"'`])"
_AFTER_INNER = rf"(?:\s*+(?:[,}}\])]|/[/*])|{_LINE_END}|\s++[{_QUOTES}{{\[(#])"

_MEMBER = rf"\s*+(?:{_QUOTED_KEY}|{_BARE_KEY}|[,}}\])]|{_COMMENT}|{_DOTS})"
_ITEM = rf"\s*+(?:[bru]?[{_QUOTES}]|[(,}}\])]|{_PLAIN_VALUE}|{_COMMENT}|{_DOTS}|{_WORD}\s*+[,\]])"
_NEXT = {
    "{": rf"\s*+[,，]{_MEMBER}|\s++{_QUOTED_KEY}|{_LINE_END}\s*+{_BARE_KEY}",
    "[": rf"\s*+[,，]{_ITEM}|\s++[{_QUOTES}]|{_LINE_END}\s*+{_PLAIN_VALUE}",
}

AFTER_KEY = regex.compile(rf"\s*+(?:[:：=,}}\])({_QUOTES}]|{_COMMENT}|{_PLAIN_VALUE})")


@cache
def after_value(kind: str, outermost: bool) -> regex.Pattern[str]:
    """What may follow the quote that ends a value: within an object `{`, an array `[`, a tuple `(` or a set `{}`.

    A partial match is not certain yet. `joined` is the quote that begins a text to be joined to this one.
    """
    closing = (r"[)}\]]" if kind == "(" else r"[}\]]") + ("" if outermost else _AFTER_INNER)
    return regex.compile(rf"\s*+(?:{closing}|/[/*])|\s++#|{_NEXT['{' if kind == '{' else '[']}|{_JOINED}")


_ELEMENT = rf"(?:{_TEXT}|[\w+-][\w.+-]*+)"
SET = regex.compile(rf"\{{\s*+(?:{_ELEMENT}\s*+[,}}]|\()")
"""An object's bracket that begins a set, or what will be read as one."""
