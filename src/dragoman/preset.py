"""Presets: known chat APIs, described in `presets/*.yaml`, to be used by their name."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

Place = tuple[str | int, ...]

_PARAMETER = re.compile(r"%\{(\w+)\}", re.ASCII)
_FOLDER = files("dragoman") / "presets"


class Parameter(BaseModel):
    """What a user of a preset gives, or may give."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    default: Any = None
    optional: bool = False
    """Without a default, what speaks of it is left out."""
    secret: bool = False


class Preset(BaseModel):
    """A known chat API."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    docs: str
    """The API's reference that it follows."""
    takes: dict[str, Parameter] = {}
    backend: dict[str, Any]
    """The backend's options; `%{NAME}` stands for what the user gave."""
    notes: str = ""


class Misused(ValueError):
    """A preset that cannot be used so."""

    def __init__(self, place: Place, problem: str) -> None:
        super().__init__(problem)
        self.place = place


def names() -> list[str]:
    """All presets."""
    return sorted(file.name.removesuffix(".yaml") for file in _FOLDER.iterdir() if file.name.endswith(".yaml"))


def source(name: str) -> str:
    """A preset as it is written. Raises KeyError if there is none of that name."""
    if name not in names():
        raise KeyError(name)
    return (_FOLDER / f"{name}.yaml").read_text(encoding="utf-8")


@cache
def preset(name: str) -> Preset:
    """The preset of a name. Raises KeyError."""
    return Preset.model_validate(yaml.safe_load(source(name)))


def expanded(entry: Any) -> Any:
    """A backend's configuration with the preset that it names filled in. Raises Misused."""
    if not isinstance(entry, Mapping):
        return entry
    if entry.get("kind") == "replay" and "backend" in entry:
        return {**entry, "backend": _inside(entry["backend"])}
    if "preset" not in entry:
        return entry
    known = _named(entry["preset"])
    given = {name: entry[name] for name in known.takes if entry.get(name) is not None}
    for name, parameter in known.takes.items():
        if name not in given and parameter.default is None and not parameter.optional:
            raise Misused((name,), f"is missing; the preset {entry['preset']!r} needs it: {parameter.about}")
    plain = {name: parameter.default for name, parameter in known.takes.items()} | given
    values = {name: value if name in given else _filled(value, plain) for name, value in plain.items()}
    over = {key: value for key, value in entry.items() if key != "preset" and key not in known.takes}
    made = {key: _filled(inner, values) for key, inner in known.backend.items()}
    return _merged({key: value for key, value in made.items() if value is not _LEFT_OUT}, over)


def _inside(entry: Any) -> Any:
    try:
        return expanded(entry)
    except Misused as error:
        raise Misused(("backend", *error.place), str(error)) from None


def _named(name: Any) -> Preset:
    if name in names():
        return preset(name)
    near = get_close_matches(str(name), names(), 1)
    meant = f"; did you mean {near[0]!r}?" if near else ""
    raise Misused(("preset",), f"there is no preset {name!r}{meant}; `dragoman presets` lists them")


_LEFT_OUT = object()


def _filled(value: Any, values: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        return _filled_text(value, values)
    if isinstance(value, dict):
        made = {key: _filled(inner, values) for key, inner in value.items()}
        return _LEFT_OUT if _emptied(value, made) else {key: made[key] for key in made if made[key] is not _LEFT_OUT}
    if isinstance(value, list):
        return [made for inner in value if (made := _filled(inner, values)) is not _LEFT_OUT]
    return value


def _emptied(value: dict[str, Any], made: dict[str, Any]) -> bool:
    """Whether a login has lost all that the user would have given: then it is none."""
    asked = [key for key in value if _PARAMETER.search(str(value[key]))]
    return "kind" in value and bool(asked) and all(made[key] is _LEFT_OUT for key in asked)


def _filled_text(text: str, values: Mapping[str, Any]) -> Any:
    if match := _PARAMETER.fullmatch(text):
        value = values[match[1]]
        return _LEFT_OUT if value is None else value
    asked = _PARAMETER.findall(text)
    if any(values[name] is None for name in asked):
        return _LEFT_OUT
    return _PARAMETER.sub(lambda match: _bare(str(values[match[1]])), text)


def _bare(text: str) -> str:
    """A URL without the slash at its end, because paths are written behind it."""
    return text.rstrip("/") if "://" in text else text


def _merged(base: Any, over: Any) -> Any:
    """One over the other; of two logins of different kinds, the one that is given."""
    another = isinstance(over, Mapping) and isinstance(base, dict) and over.get("kind", ...) != base.get("kind", ...)
    if isinstance(base, dict) and isinstance(over, Mapping) and not (another and "kind" in over):
        return {**base, **{key: _merged(base.get(key), value) for key, value in over.items()}}
    return over
