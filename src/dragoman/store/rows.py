"""What a store holds: keys, the digests of their secrets, and a row for every call."""

from dataclasses import dataclass
from typing import NamedTuple

from dragoman.grants import Grant


@dataclass(frozen=True, slots=True)
class Digest:
    """One secret of a key, which is not kept itself."""

    digest: str
    """SHA-256 of the whole secret, in hexadecimal."""
    hint: str
    """Its last four characters."""
    until: float | None = None
    """When it ends, in Unix seconds; None if it does not."""


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key as the store knows it."""

    id: str
    name: str
    grant: Grant
    created: float
    """Unix seconds."""
    by: str = ""
    """The id of the key that made it; empty for the command line."""
    revoked: float | None = None
    """Since when it opens nothing any more, in Unix seconds."""
    digests: tuple[Digest, ...] = ()


class Row(NamedTuple):
    """One call in the ledger: what it came to, and nothing of what was said."""

    id: str
    """Its own: a row whose id is there already is not counted again."""
    at: float
    """Unix seconds."""
    key: str
    model: str
    backend: str
    surface: str
    prompt_tokens: int
    completion_tokens: int
    estimated: bool
    """Whether the tokens were counted here, because the backend did not say."""
    cost: int
    """Billionths of a unit of money."""
    status: int
    """As the caller was told; 499 if it left."""
    first: float | None
    """Seconds until the first chunk."""
    total: float
    """Seconds."""
    request_id: str


class Taken(ValueError):
    """A key that is not revoked has that name already."""
