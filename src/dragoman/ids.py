"""Ids that are unique, not secret."""

from random import Random

_random = Random()  # noqa: S311


def unique(prefix: str) -> str:
    """A new id: the prefix and 128 random bits in hexadecimal."""
    return f"{prefix}{_random.getrandbits(128):032x}"
