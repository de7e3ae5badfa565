"""Keys that stand in the configuration."""

import re
from collections.abc import Mapping
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, model_validator

from dragoman.access.credentials import digest
from dragoman.access.ring import Ring
from dragoman.call import Key
from dragoman.grants import Grant, Moment
from dragoman.secret import Secret


def _fixed(given: Any) -> Any:
    if isinstance(given, str) and re.fullmatch(r"\d+\s*\w", given.strip()):
        raise ValueError("write a date: a duration would begin anew with every start")
    return given


class KeyOptions(Grant):
    """A key: what it may, and how it is recognised, by `hash` or by `secret`."""

    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")] | None = None
    """SHA-256 of the key, in hexadecimal. `dragoman keys create NAME --hash-only` makes one."""
    secret: Secret | None = None
    """The key itself, out of the environment or a file."""
    expires: Annotated[Moment, BeforeValidator(_fixed)] | None = None
    """When it ends: a date or a time."""

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.hash is None) == (self.secret is None):
            raise ValueError("needs either `hash` or `secret`")
        return self

    @property
    def digest(self) -> str:
        """SHA-256 of the key, in hexadecimal."""
        return self.hash or digest(self.secret.get_secret_value() if self.secret else "")

    @property
    def grant(self) -> Grant:
        """What it may."""
        return Grant.model_construct(**{name: getattr(self, name) for name in Grant.model_fields})


def ring_of(keys: Mapping[str, KeyOptions]) -> Ring:
    """The keys of a configuration. Raises ValueError if two of them are the same."""
    by_digest: dict[str, Key] = {}
    for name, options in keys.items():
        if options.digest in by_digest:
            raise ValueError(f"{name!r} is the same key as {by_digest[options.digest].id!r}")
        by_digest[options.digest] = Key(name, options.grant)
    return Ring(by_digest)
