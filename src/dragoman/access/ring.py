"""The keys that are known, by the digest of their secret."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hmac import compare_digest
from time import time

from dragoman.call import Key
from dragoman.patience import NEVER
from dragoman.store import StoredKey


@dataclass(frozen=True, slots=True)
class _Held:
    digest: str
    key: Key
    until: float
    """Unix seconds."""


class Ring:
    """Keys in memory. `complete` once all are known that there are."""

    def __init__(self, keys: Mapping[str, Key] | None = None) -> None:
        self._held: dict[str, _Held] = {}
        self._digests: dict[str, list[str]] = {}
        self.complete = True
        self.used = bool(keys)
        """Whether there are keys, or have been."""
        for digest, key in (keys or {}).items():
            self._held[digest] = _Held(digest, key, _end(key))

    def key(self, digest: str) -> Key | None:
        """The key whose secret has this digest, if it is valid now."""
        held = self._held.get(digest)
        if held is None or not compare_digest(held.digest, digest) or time() >= held.until:
            return None
        return held.key

    def put(self, stored: StoredKey) -> None:
        """What is known of a key from now on."""
        self.used = True
        for digest in self._digests.pop(stored.id, ()):
            self._held.pop(digest, None)
        if stored.revoked is None:
            held = list(_held(stored))
            self._held |= {each.digest: each for each in held}
            self._digests[stored.id] = [each.digest for each in held]


def _held(stored: StoredKey) -> Iterator[_Held]:
    key = Key(stored.id, stored.grant)
    for digest in stored.digests:
        until = NEVER if digest.until is None else digest.until
        yield _Held(digest.digest, key, min(until, _end(key)))


def _end(key: Key) -> float:
    return key.grant.expires.timestamp() if key.grant.expires else NEVER
