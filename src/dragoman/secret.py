"""Secrets: how a configuration gives them, and how they are kept out of whatever is written down."""

import json
import re
from itertools import chain
from pathlib import Path
from threading import Lock
from typing import Annotated, Any
from urllib.parse import quote, quote_plus

from pydantic import AfterValidator, BeforeValidator, SecretStr, ValidationInfo, with_config
from typing_extensions import TypedDict

LARGEST_FILE = 64 * 1024
SHORTEST_HIDDEN = 6
"""Characters below which a secret is not hidden: so short a text stands everywhere."""
MOST_HIDDEN = 1000

_SCHEME = re.compile(r"(?:bearer|basic|token|key|api-?key)\s+(\S+)", re.IGNORECASE)
"""The word before what is secret in a header."""


@with_config(extra="forbid")
class SecretFile(TypedDict):
    """A file that holds a secret, and nothing else."""

    file: str


def _secret(value: Any, info: ValidationInfo) -> SecretStr:
    text = _text(value)
    if isinstance(value, str) and _is_written_out(text, info):
        raise ValueError(
            "must come from the environment (`${NAME}`) or a file (`{file: PATH}`), not stand in the configuration"
        )
    return _kept(text, info)


def _perhaps_secret(value: Any, info: ValidationInfo) -> SecretStr:
    text = _text(value)
    return SecretStr(text) if isinstance(value, str) and _is_written_out(text, info) else _kept(text, info)


def _text(value: Any) -> str:
    match value:
        case str():
            text = value
        case SecretStr():
            text = value.get_secret_value()
        case {"file": str(path), **others} if not others:
            text = _read(path)
        case _:
            raise ValueError("must be a text, or the file that holds it: `{file: PATH}`")
    if not text:
        raise ValueError("is empty")
    return text


def _read(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise ValueError(f"it is larger than {LARGEST_FILE // 1024} KiB")
        text = data.decode()
    except UnicodeDecodeError:
        raise ValueError(f"the file {path!r} cannot be read: it is not UTF-8") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"the file {path!r} cannot be read: {getattr(error, 'strerror', None) or error}") from None
    text = text.removesuffix("\n").removesuffix("\r")
    if not text:
        raise ValueError(f"the file {path!r} is empty")
    return text


def _is_written_out(text: str, info: ValidationInfo) -> bool:
    """Whether a text is known to hold nothing that came from the environment."""
    context = info.context
    known = isinstance(context, dict) and "from_environment" in context
    return known and not _from_environment(text, info)


def _from_environment(text: str, info: ValidationInfo) -> list[str]:
    """What of the text is known to come from the environment."""
    context = info.context if isinstance(info.context, dict) else {}
    return [value for value in context.get("from_environment", ()) if value and value in text]


def _kept(text: str, info: ValidationInfo) -> SecretStr:
    scheme = _SCHEME.match(text)
    for part in (text, *_from_environment(text, info), *(scheme.groups() if scheme else ())):
        hide(part, info.field_name or "secret", lasting=True)
    return SecretStr(text)


def _printable(secret: SecretStr) -> SecretStr:
    text = secret.get_secret_value()
    if not text.isascii() or not text.isprintable():
        raise ValueError("must be printable ASCII, because it is sent in a header")
    return secret


Secret = Annotated[SecretStr, BeforeValidator(_secret, json_schema_input_type=str | SecretFile)]
"""A secret: a text, which in a file of configuration is `${NAME}`, or `{file: PATH}`. It is hidden from now on."""

PerhapsSecret = Annotated[SecretStr, BeforeValidator(_perhaps_secret, json_schema_input_type=str | SecretFile)]
"""A text that may be a secret: it is hidden unless it is known to stand in the configuration."""

HeaderSecret = Annotated[Secret, AfterValidator(_printable)]
"""A secret that can stand in a header."""

PerhapsHeaderSecret = Annotated[PerhapsSecret, AfterValidator(_printable)]


class _Known:
    """The secrets of this process, by what they are called, and the ways in which they are written."""

    def __init__(self) -> None:
        self._lasting: dict[str, list[tuple[str, str]]] = {}
        self._passing: dict[str, list[tuple[str, str]]] = {}
        self._changing = Lock()
        self.shapes: list[tuple[str, str]] = []
        """Each with what is shown for it, the longest first."""

    def add(self, value: str, name: str, instead_of: str, lasting: bool) -> None:
        with self._changing:
            self._passing.pop(instead_of, None)
            if value not in self._lasting:
                self._passing.pop(value, None)
                group = self._lasting if lasting else self._passing
                group[value] = [(shape, f"({name})") for shape in _shapes(value)]
            while len(self._lasting) + len(self._passing) > MOST_HIDDEN:
                oldest = self._passing or self._lasting
                del oldest[next(iter(oldest))]
            shapes = chain.from_iterable((self._passing | self._lasting).values())
            self.shapes = sorted(shapes, key=lambda shape: -len(shape[0]))


def _shapes(value: str) -> set[str]:
    """A value as it is, and as it is written in a URL, in a form, in JSON and by Python."""
    data = value.encode(errors="surrogatepass")
    in_json = {json.dumps(value, ensure_ascii=ascii)[1:-1] for ascii in (True, False)}
    return {value, repr(value)[1:-1], quote(data), quote(data, safe=""), quote_plus(data), *in_json}


_known = _Known()


def hide(value: str, name: str = "hidden", *, instead_of: str = "", lasting: bool = False) -> None:
    """From now on `hidden` shows `(NAME)` for this value, if it is long enough.

    `instead_of` is forgotten. At most 1000 are kept: the oldest goes first, but `lasting` ones go last.
    """
    if len(value) >= SHORTEST_HIDDEN:
        _known.add(value, name, instead_of, lasting)


def hidden(text: str) -> str:
    """The text with `(NAME)` for every secret that is known."""
    for shape, shown in _known.shapes:
        if (begin := shape[:SHORTEST_HIDDEN]) in text:
            text = text.replace(shape, shown)
            start = text.rfind(begin)
            if start >= 0 and shape.startswith(text[start:]):  # cut off at the end
                text = text[:start] + shown
    return text
