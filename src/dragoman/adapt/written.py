"""Plain data as YAML, with what is guessed said beside it. What is written parses back to the same data."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

from dragoman.adapt.guessed import Guessed, bare

WIDTH = 100
"""Columns up to which a list or an object stands on one line."""
WIDEST = 120
"""Columns up to which what is said of a value stands behind it, not above."""

_PLAIN = re.compile(r"[A-Za-z_$][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*")
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\t": "\\t", "\r": "\\r"}


def written(value: Any, indent: int = 0) -> str:
    """The value as YAML, each line ended."""
    return "".join(f"{line}\n" for line in _lines(value, " " * indent))


def comment(text: str) -> str:
    """Text as a comment's: on one line, and nothing in it that YAML cannot hold."""
    return _UNPRINTABLE.sub("?", " ".join(text.split()))


def _lines(value: Any, indent: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _entry(f"{indent}{scalar(key)}:", inner, indent)
    else:
        for inner in value:
            yield from _entry(f"{indent}-", inner, indent)


def _entry(head: str, value: Any, indent: str) -> Iterator[str]:
    said = f"# {value.kind}: {comment(value.why)}" if isinstance(value, Guessed) else ""
    value = value.value if isinstance(value, Guessed) else value
    flat = _flat(value, WIDTH - len(head))
    line = head if flat is None else f"{head} {flat}"
    inner = list(_lines(value, f"{indent}  ")) if flat is None else []
    if head.endswith("-") and inner and not said and not inner[0].lstrip().startswith("#"):
        line = f"{head} {inner.pop(0).lstrip()}"
    if said and len(line) + 2 + len(said) > WIDEST:
        yield f"{indent}{said}"
        said = ""
    yield f"{line}  {said}" if said else line
    yield from inner


def _flat(value: Any, width: int) -> str | None:
    """The value on one line; None if it does not belong there."""
    if not isinstance(value, dict | list):
        return scalar(value)
    if not value:
        return "{}" if isinstance(value, dict) else "[]"
    flat = None if bare(value) != value else _in_brackets(value)
    return flat if flat and len(flat) < width else None


def _in_brackets(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{scalar(key)}: {_in_brackets(inner)}" for key, inner in value.items()) + "}"
    return "[" + ", ".join(map(_in_brackets, value)) + "]" if isinstance(value, list) else scalar(value)


def scalar(value: Any) -> str:
    """A text, a number, true, false or null as YAML."""
    if isinstance(value, str):
        return value if _is_plain(value) else _quoted(value)
    if isinstance(value, float):
        text = repr(value)
        return text.replace("e", ".0e") if "e" in text and "." not in text else text
    return {True: "true", False: "false", None: "null"}[value] if isinstance(value, bool | None) else str(value)


def _is_plain(text: str) -> bool:
    """Whether the text needs no quotes, also between brackets."""
    if len(text) > WIDTH or not _PLAIN.fullmatch(text):
        return False
    return bool(yaml.safe_load(text) == text)


def _quoted(text: str) -> str:
    if '"' in text and text.isprintable() and not _UNPRINTABLE.search(text):
        return "'" + text.replace("'", "''") + "'"
    escaped = "".join(_ESCAPES.get(sign, sign) for sign in text)
    return '"' + _UNPRINTABLE.sub(lambda match: _escaped(ord(match[0])), escaped) + '"'


def _escaped(code: int) -> str:
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
