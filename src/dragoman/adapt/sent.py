"""A request's body to what is in it: JSON, a form or a text."""

import re
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl

from dragoman.adapt.asked import Asked, CannotAdapt
from dragoman.json import loaded

Format = Literal["json", "form", "text"]

TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded", "text": "text/plain"}

_FORM = re.compile(r"[^=&\s{}\"]+=[^&]*(?:&[^=&]+=[^&]*)*")


@dataclass(frozen=True, slots=True)
class Sent:
    """A request's body: its format, and the JSON, the fields or the text."""

    format: Format
    value: Any
    type: str
    """The content type that has to be sent, empty if the format says it."""


def sent(asked: Asked) -> Sent | None:
    """What a request sends; None if nothing. Raises CannotAdapt."""
    if not asked.body or not asked.body.strip():
        return None
    type = asked.header("content-type")
    kind = type.partition(";")[0].strip().lower()
    if kind.startswith("multipart/"):
        raise CannotAdapt(
            "The request is a multipart form, which dragoman cannot send; ask for an endpoint that takes JSON."
        )
    if kind.endswith("json"):
        return Sent("json", _json(asked.body), "" if kind == TYPES["json"] else type)
    if kind != TYPES["form"] and (value := _maybe_json(asked.body)) is not None:
        return Sent("json", value, type)
    if kind in ("", TYPES["form"]) and (kind or _FORM.fullmatch(asked.body)):
        return _maybe_json_in_form(asked.body) or Sent("form", fields(asked.body), "")
    return Sent("text", asked.body, "" if kind in ("", TYPES["text"], TYPES["form"]) else type)


def _maybe_json_in_form(body: str) -> Sent | None:
    """What is called a form by curl, which calls everything so, but is JSON."""
    value = _maybe_json(body)
    return None if value is None else Sent("json", value, "")


def _json(body: str) -> Any:
    try:
        return loaded(body.encode())
    except ValueError as error:
        where = str(error).rpartition(": ")[2] if "line" in str(error) else "it is nested too deep or cut off"
        raise CannotAdapt(f"The body is not JSON: {where}. Paste the command as it works in a shell.") from None


def _maybe_json(body: str) -> Any:
    try:
        value = loaded(body.encode())
    except ValueError:
        return None
    return value if isinstance(value, dict | list) else None


def fields(encoded: str) -> dict[str, str | list[str]]:
    """A form's or a query's fields; a name that stands there several times has a list."""
    return gathered(parse_qsl(encoded, keep_blank_values=True))


def gathered(pairs: list[tuple[str, str]]) -> dict[str, str | list[str]]:
    made: dict[str, list[str]] = {}
    for name, value in pairs:
        made.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in made.items()}
