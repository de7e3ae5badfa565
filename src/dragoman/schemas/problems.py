"""What is wrong with a value, in words that tell a model what to mend."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from dragoman.json import dumped
from dragoman.schemas.kinds import asked, is_one, options
from dragoman.schemas.look import MAX_DEPTH, Look
from dragoman.schemas.places import Place, member

MOST = 3
MAX_LENGTH = 600
_EACH = MAX_LENGTH // MOST - 2
_SHOWN = 60
_PATH = 80

_NAME = re.compile(r"[A-Za-z_$][\w$]*")
_OWN = frozenset(
    {"type", "enum", "const", "required", "dependentRequired", "pattern", "multipleOf", "uniqueItems"}
    | {f"{bound}{what}" for bound in ("min", "max") for what in ("imum", "Length", "Items", "Properties")}
    | {"exclusiveMinimum", "exclusiveMaximum"}
)
"""What a schema says of a value alone, and not of what is in it."""


def described(look: Look, place: Place, value: Any) -> str:
    """The first problems of a value that does not fit."""
    found = islice(_problems(look, place, value, ("$", 0)), MOST)
    return "; ".join(dict.fromkeys(_clipped(problem, _EACH) for problem in found))


_Where = tuple[str, int]
"""The path into the value, and the steps made."""


def _problems(look: Look, place: Place, value: Any, where: _Where) -> Iterator[str]:
    """At least one problem of a value that does not fit there."""
    known = False
    path, steps = where
    if steps < MAX_DEPTH and look.step():
        for problem in _found(look, place, value, (path, steps + 1)):
            known = True
            yield problem
    if not known:
        yield f"{_tail(path)}: {_shown(value)} does not fit the schema there"


def _found(look: Look, place: Place, value: Any, where: _Where) -> Iterator[str]:
    if place.schema is False:
        yield f"{_tail(where[0])}: there must be nothing here"
        return
    yield from _own(look, place.schema, value, where[0])
    for part, held, path in _parts(look, place, value, where[0]):
        if not look.fits(part, held) and not look.over:
            yield from _problems(look, part, held, (path, where[1]))
    for keyword in ("anyOf", "oneOf"):
        if keyword in place.schema:
            yield from _none_of(look, place.listed(keyword), value, where)


def _own(look: Look, schema: dict[str, Any], value: Any, path: str) -> Iterator[str]:
    """What is wrong with the value, whatever is in it."""
    alone = {keyword: asks for keyword, asks in schema.items() if keyword in _OWN}
    if schema.get("additionalProperties") is False:
        named = {
            keyword: dict.fromkeys(schema.get(keyword, ()), True) for keyword in ("properties", "patternProperties")
        }
        alone |= {**named, "additionalProperties": False}
    validator = look.document.validator(look.document.at_home(alone), mask=_shown(value))
    for error in validator.iter_errors(value):
        yield f"{_tail(path)}: {error.message}"


def _parts(look: Look, place: Place, value: Any, path: str) -> Iterator[tuple[Place, Any, str]]:
    """The schemas that must hold for the value and for what is in it."""
    if target := look.referred(place):
        yield target, value, path
    for part in place.listed("allOf"):
        yield part, value, path
    if isinstance(value, dict):
        for key, held in value.items():
            if inner := member(place, key):
                yield inner, held, f"{path}.{key}" if _NAME.fullmatch(key) else f"{path}[{dumped(key).decode()}]"
    if isinstance(value, list):
        for index, held in enumerate(value):
            if inner := member(place, index):
                yield inner, held, f"{path}[{index}]"


def _none_of(look: Look, branches: list[Place], value: Any, where: _Where) -> Iterator[str]:
    """Why a value fits none of these; what is wrong by the one that it must be meant for, if there is one such."""
    if any(look.fits(branch, value) for branch in branches):
        return
    meant = [branch for branch in branches if _meant(look, branch, value)]
    if len(meant) == 1:
        yield from _problems(look, meant[0], value, where)
    else:
        names = " · ".join(_named(branch.schema) for branch in meant or branches)
        yield f"{_tail(where[0])}: {_shown(value)} is none of: {names}"


def _meant(look: Look, place: Place, value: Any) -> bool:
    """Whether the value has the kind that is asked for there, and what tells alternatives apart."""
    for _ in range(MAX_DEPTH):
        if not isinstance(place.schema, dict) or not (target := look.referred(place)):
            break
        place = target
    if (kinds := asked(place.schema)) and not is_one(value, kinds):
        return False
    if (choice := options(place.schema)) is not None and value not in choice:
        return False
    properties = place.schema.get("properties", {}) if isinstance(value, dict) else {}
    told = {name: options(inner) for name, inner in properties.items() if name in value}
    return all(choice is None or value[name] in choice for name, choice in told.items())


def _named(schema: Any) -> str:
    """A schema in a word or two."""
    if not isinstance(schema, dict):
        return "anything" if schema else "nothing"
    if (choice := options(schema)) is not None:
        return _shown(choice[0] if len(choice) == 1 else choice)
    name = schema.get("title") or schema.get("$ref", "").rpartition("/")[2]
    return _clipped(str(name), _SHOWN) or "/".join(asked(schema)) or _shown(schema)


def _shown(value: Any) -> str:
    return _clipped(dumped(value).decode(), _SHOWN)


def _clipped(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"


def _tail(path: str) -> str:
    return path if len(path) <= _PATH else f"…{path[1 - _PATH :]}"
