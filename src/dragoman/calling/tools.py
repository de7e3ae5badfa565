"""The tools that a model may call: their names as models write them, and their arguments from what it wrote."""

import re
from collections.abc import Mapping
from typing import Any

from dragoman.json import dumped, loaded
from dragoman.mending import Mender

_WRITTEN = re.compile(
    r"(?:call:)?(?:(?:functions?|tools?|default_api|api)\.)?(?P<name>.*?)(?::\d{1,6}|\.call)?", re.DOTALL
)
_LITERALS = {"true": True, "True": True, "false": False, "False": False, "null": None, "None": None}
_NUMBER = re.compile(r"-?(?:0|[1-9]\d{0,14})(?:\.\d{1,17})?(?:[eE][+-]?\d{1,3})?")
"""A number that JSON's readers do not change; a longer one is rather an identifier."""
_AROUND = " \t\r\n\"'`*"
_NOTHING = ("", "null", "None", "{}", "[]", '""')

PREFIXES = ("functions.", "function.", "tools.", "tool.", "default_api.", "api.")
"""What models write before a tool's name."""
STARTS = (
    *PREFIXES,
    *("action", "tool_calls", "function_calls", "call", "observation", "result"),
    *("functools", "print", "commentary", "assistantcommentary"),
)
"""What besides a tool's name may begin a call on a line."""


def bare(written: str) -> str:
    """A tool's name without what models add to it."""
    name = _WRITTEN.fullmatch(written.strip(_AROUND))
    return name["name"] if name else written


class Tools:
    """Tools by name: whether each is a `function` or `custom`, and the JSON schemas of functions' arguments."""

    def __init__(self, kinds: Mapping[str, str], schemas: Mapping[str, Mapping[str, Any]]) -> None:
        self._kinds, self._schemas = kinds, schemas
        self._folded: dict[str, list[str]] = {}
        for name in kinds:
            self._folded.setdefault(name.casefold(), []).append(name)
        self._starts = (*STARTS, *(f"{name}.call" for name in self._folded))

    def known(self, written: str) -> str | None:
        """The tool that is meant."""
        if written in self._kinds:
            return written
        for name in (written.strip(_AROUND), bare(written)):
            same = [name] if name in self._kinds else self._folded.get(name.casefold(), [])
            if len(same) == 1:
                return same[0]
        return None

    def begins(self, word: str) -> bool:
        """Whether the word may begin a call on a line."""
        folded = word.strip("*✿>").casefold()
        for prefix in PREFIXES:
            folded = folded.removeprefix(prefix)
        return any(start.startswith(folded) for start in self._starts)

    def custom(self, name: str) -> bool:
        """Whether the tool takes a text."""
        return self._kinds[name] == "custom"

    def properties(self, name: str) -> Mapping[str, Any]:
        """The schemas of the function's arguments by name; none if they are not known."""
        properties = self._schemas.get(name, {}).get("properties")
        return properties if isinstance(properties, Mapping) else {}

    def takes(self, name: str, key: str) -> bool:
        """Whether the function may have such an argument."""
        properties = self.properties(name)
        return key in properties or not properties

    def value(self, name: str, key: str, text: str) -> Any:
        """What the text means that was given for an argument: itself, or the JSON value that it is."""
        schema = self.properties(name).get(key)
        types = _types(schema)
        stripped = text.strip()
        if "string" in types and not (stripped == "null" and "null" in types):
            return text
        if stripped in _LITERALS:
            return _LITERALS[stripped]
        if _NUMBER.fullmatch(stripped) or types & {"integer", "number"}:
            return _loaded(stripped, text)
        if stripped[:1] in ("{", "["):
            return _loaded(_mended(stripped) if types & {"object", "array"} else stripped, text)
        return text

    def arguments(self, name: str, values: Mapping[str, Any]) -> str:
        """What a call with these arguments is given: a JSON object, or a custom tool's text."""
        if self.custom(name):
            return _input(values)
        return dumped(values).decode()

    def coerced(self, name: str, key: str, value: str) -> str:
        """The same for JSON that need not be an object; `key` says where it stood."""
        if value.strip() in _NOTHING:
            return "" if self.custom(name) else "{}"
        given = _loaded(value, value)
        if isinstance(given, str):
            return self.texted(name, key, given)
        if self.custom(name):
            return _input(given)
        if isinstance(given, list) and len(given) == 1 and isinstance(given[0], dict):
            return value.strip()[1:-1]
        if isinstance(given, dict):
            return value
        return dumped({self.only(name) or key: given}).decode()

    def texted(self, name: str, key: str, text: str) -> str:
        """The same for a text."""
        if self.custom(name):
            return _input(_loaded(text, text)) if text.lstrip()[:1] == "{" else text
        if text.strip() in _NOTHING:
            return "{}"
        if text.lstrip()[:1] == "{" and isinstance(inner := _loaded(_mended(text.strip()), None), dict):
            return dumped(inner).decode()
        only = self.only(name) or key
        return dumped({only: self.value(name, only, text)}).decode()

    def only(self, name: str) -> str | None:
        """The one argument that the function must have, or may."""
        properties = list(self.properties(name))
        required = self._schemas.get(name, {}).get("required")
        needed = [key for key in required if key in properties] if isinstance(required, list | tuple) else []
        return properties[0] if len(properties) == 1 else needed[0] if len(needed) == 1 else None


def unquoted(text: str) -> str:
    """What a text says that may be written as JSON."""
    said = _loaded(text, text) if text[:1] == '"' else text
    return said if isinstance(said, str) else text


def _types(schema: Any) -> set[str]:
    if not isinstance(schema, Mapping):
        return set()
    types = schema.get("type", ())
    return {types} if isinstance(types, str) else {type for type in types if isinstance(type, str)}


def _loaded(text: str, otherwise: Any) -> Any:
    try:
        return loaded(text.encode(errors="replace"))
    except ValueError:
        return otherwise


def _mended(text: str) -> str:
    mender = Mender()
    return mender.feed(text) + ("" if mender.done else mender.end())


def _input(given: Any) -> str:
    """A custom tool's text, also if it was called as a function is."""
    if isinstance(given, dict) and (len(given) == 1 or "input" in given):
        given = given.get("input", next(iter(given.values())))
    if isinstance(given, str):
        return given
    return "" if given in (None, {}) else dumped(given).decode()
