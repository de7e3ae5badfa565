"""Reads a backend's JSON, forgiving the one thing that cannot be written back: half a surrogate pair."""

import re
from typing import Any

import orjson

from dragoman.depth import deeper, may_be_deeper

MAX_DEPTH = 128

_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|u[dD][89a-fA-F][0-9a-fA-F]{2}|.)", re.DOTALL
)


def loaded(data: bytes, replace: bool = False) -> Any:
    """The JSON value; a lone surrogate becomes U+FFFD, and with `replace` so does what is not UTF-8.

    Raises UnicodeDecodeError or another ValueError.
    """
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError:
        text = data.decode(errors="replace" if replace else "strict")
        value = orjson.loads(_ESCAPE.sub(_whole, text.encode()))
    if may_be_deeper(data, MAX_DEPTH) and deeper(value, MAX_DEPTH):
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
    return value


def _whole(escape: re.Match[bytes]) -> bytes:
    text = escape[0]
    return b"\\ufffd" if len(text) == 6 and text[1:3] in (b"ud", b"uD") else text
