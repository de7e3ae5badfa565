"""JSON values as templates' expressions have them."""

from typing import Any

from dragoman.adapt.asked import plain
from dragoman.json import dumped

SIGNS = {"\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def expression_of(value: Any) -> str:
    """A text, a number, a list of them, true, false or null; in texts, variables are `${NAME}`."""
    if isinstance(value, str):
        return "'" + "".join(SIGNS.get(sign, sign) for sign in plain(value)) + "'"
    if isinstance(value, list):
        return "[" + ", ".join(expression_of(item) for item in value) + "]"
    return dumped(value).decode()
