"""JSON from strangers: read forgivingly where that is harmless, written whatever it holds, never nested without end."""

import json
import re
from typing import Any

import orjson

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
    if len(data) > 2 * MAX_DEPTH and may_be_deeper(data, MAX_DEPTH) and deeper(value, MAX_DEPTH):
        raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
    return value


def _whole(escape: re.Match[bytes]) -> bytes:
    text = escape[0]
    return b"\\ufffd" if len(text) == 6 and text[1:3] in (b"ud", b"uD") else text


def dumped(value: Any) -> bytes:
    """The value as JSON; a lone surrogate becomes U+FFFD, and what JSON has no word for its text."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return orjson.dumps(loaded(json.dumps(value, default=str).encode()))


def deeper(value: Any, limit: int) -> bool:
    """Whether arrays and objects are nested more than `limit` levels deep."""
    level = [value]
    for _ in range(limit + 1):
        level = [outer for outer in level if isinstance(outer, dict | list)]
        if not level:
            return False
        level = [inner for outer in level for inner in (outer.values() if isinstance(outer, dict) else outer)]
    return True


def may_be_deeper(data: bytes, limit: int) -> bool:
    """Whether JSON text has brackets enough to be nested so deep; quick, and never wrong when it says no."""
    return data.count(b"[") + data.count(b"{") > limit
