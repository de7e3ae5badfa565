"""Finds values in a backend's JSON: JMESPath, compiled once, with a short way for the paths that are plain."""

import re
from collections.abc import Callable
from typing import Annotated, Any

import jmespath
from jmespath.exceptions import JMESPathError
from pydantic import AfterValidator

Find = Callable[[Any], Any]

_STEP = r"[A-Za-z_][A-Za-z0-9_]*(?:\[-?[0-9]+\])*"
_PLAIN = re.compile(rf"{_STEP}(?:\.{_STEP})*")
_KEYS = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|\[-?[0-9]+\]")


def _checked(path: str) -> str:
    try:
        jmespath.compile(path)
    except JMESPathError as error:
        raise ValueError(f"is not a JMESPath: {str(error).splitlines()[0]}") from None
    return path


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
