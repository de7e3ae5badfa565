"""What a value was meant to be: of the kind that the schema asks for, where that changes nothing else."""

import re
from collections.abc import Iterator
from typing import Any

from dragoman.json import dumped, loaded
from dragoman.schemas.kinds import asked, is_one, options
from dragoman.schemas.look import MAX_DEPTH, Look
from dragoman.schemas.places import Place, member

_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?P<part>\.[0-9]{1,18})?(?P<power>[eE][+-]?[0-9]{1,2})?")
_WORDS = {"true": True, "false": False, "null": None, "none": None}
_EXACT = 2.0**53


def fitted(look: Look, place: Place, value: Any, steps: int = 0) -> Any:
    """The value as it fits there, or as near to that as harmless changes get it; a copy where it changes."""
    if not isinstance(place.schema, dict) or steps >= MAX_DEPTH or not look.step():
        return value
    steps += 1
    if target := look.referred(place):
        value = fitted(look, target, value, steps)
    for part in place.listed("allOf"):
        value = fitted(look, part, value, steps)
    for keyword in ("anyOf", "oneOf"):
        if keyword in place.schema:
            value = _one_of(look, place.listed(keyword), value, steps)
    return _typed(look, place, _members(look, place, value, steps), steps)


def _one_of(look: Look, branches: list[Place], value: Any, steps: int) -> Any:
    """As it fits the first branch that it fits, or else the first that it can be made to fit."""
    for branch in sorted(branches, key=lambda branch: not look.fits(branch, value)):
        nearer = fitted(look, branch, value, steps)
        if look.fits(branch, nearer):
            return nearer
    return value


def _members(look: Look, place: Place, value: Any, steps: int) -> Any:
    if isinstance(value, list):
        return [_member(look, member(place, index), held, steps) for index, held in enumerate(value)]
    if isinstance(value, dict):
        places = {key: member(place, key) for key in value}
        required = place.schema.get("required", ())
        return {
            key: _member(look, places[key], held, steps)
            for key, held in value.items()
            if held is not None or key in required or not _refuses_null(look, places[key])
        }
    return value


def _member(look: Look, place: Place | None, value: Any, steps: int) -> Any:
    return fitted(look, place, value, steps) if place else value


def _refuses_null(look: Look, place: Place | None) -> bool:
    return place is not None and not look.fits(place, None) and not look.over


def _typed(look: Look, place: Place, value: Any, steps: int) -> Any:
    """The value as the kind or one of the choices that are asked for right there."""
    kinds, choice = asked(place.schema), options(place.schema)
    if "integer" in kinds and "number" not in kinds and isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) <= _EXACT else value
    if (is_one(value, kinds) or not kinds) if choice is None else value in choice:
        return value
    if isinstance(value, str) and isinstance(parsed := _parsed(value), dict | list) and is_one(parsed, kinds):
        return fitted(look, place, parsed, steps)
    for candidate in (*_chosen(value, choice or []), *_other_kinds(value, kinds)):
        if look.fits(place, candidate):
            return candidate
    wrapped = fitted(look, place, [value], steps) if "array" in kinds and not isinstance(value, list) else value
    return wrapped if wrapped is not value and look.fits(place, wrapped) else value


def _parsed(text: str) -> Any:
    """The value that the text is as JSON; None if it is none."""
    try:
        return loaded(text.encode())
    except ValueError:
        return None


def _chosen(value: Any, choice: list[Any]) -> Iterator[Any]:
    """What was chosen in other letters."""
    told = _told(value)
    return (option for option in choice if _told(option) == told)


def _told(value: Any) -> str:
    return (value if isinstance(value, str) else dumped(value).decode()).strip().casefold()


def _other_kinds(value: Any, kinds: list[str]) -> Iterator[Any]:
    """The value as each of these kinds, if it can be said so."""
    if isinstance(value, str):
        for scalar in _scalars(value.strip()):
            if is_one(scalar, kinds):
                yield scalar
    elif isinstance(value, int | float) and "string" in kinds:
        yield dumped(value).decode()


def _scalars(word: str) -> Iterator[Any]:
    if word.casefold() in _WORDS:
        yield _WORDS[word.casefold()]
    elif number := _NUMBER.fullmatch(word):
        if not number["part"] and not number["power"]:
            yield int(word)
        elif (value := float(word)).is_integer() and abs(value) <= _EXACT:
            yield from (int(value), value)
        else:
            yield value
