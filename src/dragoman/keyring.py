"""Makes, rotates and revokes keys, within what whoever does it may itself."""

import re
import time
from dataclasses import replace
from datetime import UTC, datetime
from secrets import token_hex

from dragoman.access.credentials import digest, made
from dragoman.call import Key
from dragoman.errors import INVALID, Failure, InvalidRequest
from dragoman.grants import Grant, exceeding
from dragoman.logs import log
from dragoman.store import Digest, Store, StoredKey, Taken

LONGEST_NAME = 100
HINT = 4
"""Last characters of a secret that are kept, so that people can tell secrets apart."""

_ID = re.compile(r"key_[0-9a-f]{12}")


class Exceeds(Failure):
    """Would give somebody more than whoever gives it has."""

    status, type, fixed_code = 403, "permission_error", "grant_exceeds"


class NameTaken(Failure):
    status, type, fixed_code = 409, INVALID, "name_taken"


class UnknownKey(Failure):
    status, type, fixed_code = 404, INVALID, "key_not_found"


class Keyring:
    """The keys of a store. `by` is who acts; without it, it is the command line, which may all.

    Everything may raise StoreDown.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    async def keys(self) -> list[StoredKey]:
        """All keys, those that were revoked too, the oldest first."""
        _, keys = await self._store.changed(0)
        return sorted(keys, key=lambda key: (key.created, key.id))

    async def found(self, id_or_name: str) -> StoredKey:
        """The key of that id or name; of several, the one that is not revoked, or the latest. Raises UnknownKey."""
        named = [key for key in await self.keys() if id_or_name in (key.id, key.name)]
        if not named:
            raise UnknownKey(f"There is no key {id_or_name[:LONGEST_NAME]!r}.", param="id")
        return max(named, key=lambda key: (key.id == id_or_name, key.revoked is None, key.created))

    async def create(self, name: str, grant: Grant, by: Key | None = None) -> tuple[StoredKey, str]:
        """A new key and its secret, which is told this once. Raises Exceeds, NameTaken, InvalidRequest."""
        _check_name(name)
        if grant.expires and grant.expires <= datetime.now(UTC):
            raise InvalidRequest("Invalid value for 'expires': it is over.", param="expires", code="invalid_value")
        _check_within(grant, by)
        secret = made()
        kept = Digest(digest(secret), secret[-HINT:], None)
        key = StoredKey(f"key_{token_hex(6)}", name, grant, time.time(), by.id if by else "", None, (kept,))
        try:
            await self._store.add(key)
        except Taken:
            raise NameTaken(f"There is a key named {name!r} already.", param="name") from None
        _note("key created", key, by)
        return key, secret

    async def rotate(self, id_or_name: str, grace: float = 0.0, by: Key | None = None) -> tuple[StoredKey, str]:
        """A key with a new secret; older ones go on for `grace` seconds. Raises UnknownKey, Exceeds."""
        key = await self.found(id_or_name)
        _check_within(key.grant, by)
        secret, until = made(), time.time() + grace
        fresh = Digest(digest(secret), secret[-HINT:], None)
        try:
            await self._store.rotate(key.id, fresh, until)
        except LookupError:
            raise UnknownKey(f"The key {key.name!r} is revoked. Create a new one.", param="id") from None
        _note("key rotated", key, by)
        return replace(key, digests=(*(_ending(each, until) for each in key.digests), fresh)), secret

    async def revoke(self, id_or_name: str, by: Key | None = None) -> StoredKey:
        """Ends a key for good; one that is revoked stays so. Raises UnknownKey, Exceeds."""
        key = await self.found(id_or_name)
        _check_within(key.grant, by)
        if key.revoked is not None:
            return key
        key = replace(key, revoked=time.time())
        await self._store.revoke(key.id, key.revoked or 0.0)
        _note("key revoked", key, by)
        return key


def _check_name(name: str) -> None:
    if not 1 <= len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
        told = f"Invalid value for 'name': use 1 to {LONGEST_NAME} printable characters."
        raise InvalidRequest(told, param="name", code="invalid_value")
    if _ID.fullmatch(name):
        raise InvalidRequest("Invalid value for 'name': it looks like an id.", param="name", code="invalid_value")


def _check_within(grant: Grant, by: Key | None) -> None:
    """What one may not do oneself, one neither gives to others nor takes over from them."""
    if by and (beyond := exceeding(grant, by.grant)):
        raise Exceeds(f"This goes beyond what your own API key may: {beyond}.", param=beyond)


def _ending(digest: Digest, until: float) -> Digest:
    return replace(digest, until=until if digest.until is None else min(digest.until, until))


def _note(event: str, key: StoredKey, by: Key | None) -> None:
    log.info(event, key=key.id, name=key.name, by=by.id if by else "command line")
