"""Finds values in a backend's JSON: JMESPath, compiled once, with a short way for the paths that are plain."""

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Annotated, Any

import jmespath
from jmespath.exceptions import JMESPathError
from jmespath.functions import Functions
from pydantic import AfterValidator

Find = Callable[[Any], Any]

_STEP = r"[A-Za-z_][A-Za-z0-9_]*(?:\[-?[0-9]+\])*"
_PLAIN = re.compile(rf"{_STEP}(?:\.{_STEP})*")
_KEYS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|\[-?[0-9]+\]")


_FUNCTIONS: dict[str, Any] = Functions.FUNCTION_TABLE


def _checked(path: str) -> str:
    try:
        parsed = jmespath.compile(path).parsed
    except JMESPathError as error:
        problem = str(error).splitlines()[0].removesuffix(" for expression:").removesuffix(":")
        raise ValueError(f"is not a JMESPath: {problem}") from None
    waiting = [parsed]
    while waiting:
        node = waiting.pop()
        if node["type"] == "function_expression":
            _check_function(node["value"], len(node["children"]))
        waiting.extend(child for child in node["children"] if isinstance(child, dict))
    return path


def _check_function(name: str, given: int) -> None:
    if name not in _FUNCTIONS:
        near = get_close_matches(name, _FUNCTIONS, 1)
        raise ValueError(
            f"is not a JMESPath: it has no function {name!r}" + (f"; did you mean {near[0]!r}?" if near else "")
        )
    signature = _FUNCTIONS[name]["signature"]
    variadic = bool(signature) and signature[-1].get("variadic", False)
    if given < len(signature) or (given > len(signature) and not variadic):
        raise ValueError(f"is not a JMESPath: {name}() takes {len(signature)} arguments, not {given}")


Path = Annotated[str, AfterValidator(_checked)]
"""A JMESPath (jmespath.org), checked when the configuration is read."""


def found(path: str) -> Find:
    """A function that finds what the path names, or None. It never raises."""
    if _PLAIN.fullmatch(path):
        return _walk([int(key[1:-1]) if key.startswith("[") else key for key in _KEYS.findall(path)])
    expression = jmespath.compile(path)

    def search(value: Any) -> Any:
        try:
            return expression.search(value)
        except Exception:
            return None

    return search


def _walk(keys: list[str | int]) -> Find:
    def walk(value: Any) -> Any:
        for key in keys:
            if isinstance(key, str):
                if type(value) is not dict:
                    return None
                value = value.get(key)
            elif type(value) is not list or not -len(value) <= key < len(value):
                return None
            else:
                value = value[key]
        return value

    return walk
