"""Durations, sizes and rates as people write them: `20s`, `8MiB`, `40/s`."""

import re
from typing import Annotated

from pydantic import BeforeValidator, WithJsonSchema

_SECONDS = {"": 1.0, "ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"": 1, "b": 1, "kb": 1000, "mb": 1000**2, "gb": 1000**3, "kib": 1024, "mib": 1024**2, "gib": 1024**3}
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?)\s*([a-zA-Z]*)")


def _quantity(value: object, units: dict[str, float] | dict[str, int], example: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError(f"write it like {example}")
    match = _QUANTITY.fullmatch(str(value).strip())
    unit = match and units.get(match[2].lower())
    if not match or unit is None or not float(match[1]) * unit > 0:
        raise ValueError(f"write it like {example}, more than zero")
    return float(match[1]) * unit


def seconds(value: object) -> float:
    """`20s`, `500ms`, `2m`, `1h` or a plain number of seconds, as seconds."""
    return _quantity(value, _SECONDS, "20s, 500ms or 2m")


def size(value: object) -> int:
    """`8MiB`, `64KiB`, `1GB` or a plain number of bytes, as bytes."""
    return int(_quantity(value, _BYTES, "8MiB or 64KiB"))


def rate(value: object) -> float:
    """`40/s` or a plain number, as pieces per second."""
    text = str(value).strip().removesuffix("/s")
    return _quantity(text, {"": 1.0}, "40/s")


def _written(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": ["number", "string"], "examples": [example]})


Seconds = Annotated[float, BeforeValidator(seconds), _written("20s")]
Bytes = Annotated[int, BeforeValidator(size), _written("8MiB")]
PerSecond = Annotated[float, BeforeValidator(rate), _written("40/s")]
