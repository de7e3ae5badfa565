"""Durations, sizes, rates and counts as people write them: `20s`, `8MiB`, `40/s`, `90k`."""

import re
from math import ceil
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_MANY = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)")
_SPAN = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m)")


def _quantity(value: object, units: dict[str, float] | dict[str, int], example: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"write it like {example}")
    match = _QUANTITY.fullmatch(str(value).strip())
    unit = match and units.get(match[2].lower())
    if not match or unit is None or not float(match[1]) * unit > 0:
        raise ValueError(f"write it like {example}, more than zero")
    return float(match[1]) * unit


def seconds(value: object) -> float:
    """`20s`, `500ms`, `2m`, `1h`, `7d` or a plain number of seconds, as seconds."""
    return _quantity(value, _SECONDS, "20s, 500ms or 2m")


def shown_seconds(seconds: float) -> str:
    """A duration as OpenAI's headers have it: `20ms`, `1.5s`, `6m0s`."""
    if seconds < 1:
        return f"{max(0, ceil(seconds * 1000))}ms"
    if seconds < 60:
        return f"{ceil(seconds * 100) / 100:g}s"
    return f"{ceil(seconds) // 60}m{ceil(seconds) % 60}s"


def told_seconds(shown: str) -> float:
    """The duration that `shown_seconds` has shown."""
    return sum(float(number) * _SECONDS[unit] for number, unit in _SPAN.findall(shown))


def size(value: object) -> int:
    """`8MiB`, `64KiB`, `1GB` or a plain number of bytes, as bytes."""
    return int(_quantity(value, _BYTES, "8MiB or 64KiB"))


def rate(value: object) -> float:
    """`40/s` or a plain number, as pieces per second."""
    text = str(value).strip().removesuffix("/s")
    return _quantity(text, {"": 1.0}, "40/s")


def count(value: object) -> int:
    """`90k`, `1.5M` or a plain number of things."""
    return int(_quantity(value, _MANY, "90000, 90k or 1.5M"))


def _written(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": ["number", "string"], "examples": [example]})


Seconds = Annotated[float, BeforeValidator(seconds), _written("20s")]
Bytes = Annotated[int, BeforeValidator(size), _written("8MiB")]
Count = Annotated[int, BeforeValidator(count), _written("90k")]
PerSecond = Annotated[float, BeforeValidator(rate), _written("40/s")]
