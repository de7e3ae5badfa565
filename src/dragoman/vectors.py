"""Embeddings as numbers: checked, cut, and as base64."""

from array import array
from base64 import b64decode, b64encode
from math import hypot, isfinite, sqrt
from sys import byteorder
from typing import Any, TypeAlias

LONGEST = 65_536
"""Numbers that an embedding may have."""

Vector: TypeAlias = "list[float] | array[float]"
"""An embedding: numbers as they were told, or as they came in 32 bits each."""


def vector(given: Any) -> Vector:
    """An embedding, as a list of numbers, an array of some library's, or base64. Raises ValueError if it is none."""
    if isinstance(given, str):
        made: Vector = _decoded(given)
    elif isinstance(given, list):
        made = given
    elif hasattr(given, "tolist"):
        made = given.tolist()
    else:
        made = list(given) if isinstance(given, tuple) else []
    if not 0 < len(made) <= LONGEST:
        raise ValueError(f"an embedding has from 1 to {LONGEST} numbers")
    if not set(map(type, made)) <= {float, int} or not _finite(made):
        raise ValueError("an embedding that is not a list of finite numbers")
    return made


def _finite(numbers: Vector) -> bool:
    """Whether all are, in 32 bits too; of finite ones the sum is."""
    try:
        return isfinite(sum(_packed(numbers)))
    except OverflowError:
        return False


def _packed(numbers: Vector) -> "array[float]":
    return numbers if isinstance(numbers, array) else array("f", numbers)


def _turned(numbers: "array[float]") -> "array[float]":
    """Between this machine's order of bytes and that of embeddings, which is little-endian everywhere."""
    if byteorder == "little":
        return numbers
    turned = array("f", numbers)
    turned.byteswap()
    return turned


def _decoded(text: str) -> "array[float]":
    numbers = array("f")
    try:
        numbers.frombytes(b64decode(text, validate=True))
    except ValueError:
        raise ValueError("an embedding that is not the base64 of 32 bit numbers") from None
    return _turned(numbers)


def base64(numbers: Vector) -> str:
    """The numbers in 32 bits each, little-endian, in base64 (OpenAI API reference, embeddings)."""
    return b64encode(_turned(_packed(numbers)).tobytes()).decode()


def plain(numbers: Vector) -> list[float]:
    """The numbers, to be written as JSON."""
    return numbers if isinstance(numbers, list) else numbers.tolist()


def cut(numbers: Vector, length: int) -> list[float]:
    """The first so many numbers, of length 1 again."""
    kept = numbers[:length]
    size = hypot(*kept) if length <= 1024 else sqrt(sum(number * number for number in kept))
    return [number / size for number in kept] if size and isfinite(size) else list(kept)
