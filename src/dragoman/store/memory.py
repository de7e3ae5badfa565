"""What outlives a call, in a database: values by their key, each with its end."""

from collections.abc import Iterable
from hashlib import sha256
from typing import NamedTuple

from dragoman.store.texts import real
from dragoman.store.work import One, Work

FORGOTTEN = 200
"""Values that are deleted at once; each may be large."""

_GET = "SELECT value FROM memory WHERE key = $1 AND until > $2"
_TAKE = "DELETE FROM memory WHERE key = $1 RETURNING value, until"
_PUT = """
INSERT INTO memory (key, value, until) VALUES ($1, $2, $3)
ON CONFLICT (key) DO UPDATE SET value = excluded.value, until = excluded.until
"""
_DROP = "DELETE FROM memory WHERE key = $1"
_FORGET = f"""
DELETE FROM memory WHERE key IN (SELECT key FROM memory WHERE until <= $1 ORDER BY until LIMIT {FORGOTTEN})
RETURNING 1
"""  # noqa: S608


class Value(NamedTuple):
    """A value by its key, kept until then (Unix seconds)."""

    key: str
    value: bytes
    until: float


def get(key: str, now: float) -> Work[bytes | None]:
    """The value; None if there is none, or its time is over."""
    found = yield One(_GET, (_named(key), now))
    return bytes(found[0][0]) if found else None


def take(key: str, now: float) -> Work[bytes | None]:
    """The same, and it is gone."""
    found = yield One(_TAKE, (_named(key),))
    return bytes(found[0][0]) if found and found[0][1] > now else None


def put(values: Iterable[Value]) -> Work[None]:
    """In place of what was there; of two by the same key, the last is kept."""
    for each in values:
        yield One(_PUT, (_named(each.key), each.value, real(each.until)))


def drop(key: str) -> Work[None]:
    """Deletes a value."""
    yield One(_DROP, (_named(key),))


def forget(now: float) -> Work[int]:
    """Deletes some of the values whose time is over; returns how many it were."""
    return len((yield One(_FORGET, (now,))))


def _named(key: str) -> str:
    """What stands for a key: databases refuse some characters, and long ones are no good in an index."""
    return sha256(key.encode(errors="surrogatepass")).hexdigest()
