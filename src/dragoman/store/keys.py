"""Keys in a database."""

import logging
from collections.abc import Sequence
from typing import Any

from pydantic import ValidationError

from dragoman.grants import Grant
from dragoman.json import dumped
from dragoman.store.rows import Digest, StoredKey
from dragoman.store.texts import kept
from dragoman.store.work import One, Work

_log = logging.getLogger("dragoman")

_NEXT = "UPDATE revisions SET number = number + 1"
_NUMBER = "SELECT number FROM revisions"
_CHANGED = """
SELECT keys.id, name, grant_json, created, made_by, revoked, digest, hint, until
FROM keys LEFT JOIN digests ON digests.key_id = keys.id WHERE revision > $1 ORDER BY created, keys.id, until
"""
_ADD = """
INSERT INTO keys (id, name, grant_json, created, made_by, revoked, revision)
VALUES ($1, $2, $3, $4, $5, $6, (SELECT number FROM revisions))
"""
_ADD_DIGEST = "INSERT INTO digests (digest, key_id, hint, until) VALUES ($1, $2, $3, $4)"
_USABLE = "SELECT id FROM keys WHERE id = $1 AND revoked IS NULL"
_CHANGE = "UPDATE keys SET revision = (SELECT number FROM revisions) WHERE id = $1"
_END = "UPDATE digests SET until = $2 WHERE key_id = $1 AND (until IS NULL OR until > $2)"
_REVOKE = """
UPDATE keys SET revoked = $2, revision = (SELECT number FROM revisions) WHERE id = $1 AND revoked IS NULL
"""


def changed(since: int) -> Work[tuple[int, list[StoredKey]]]:
    """The revision now, and the keys that have changed after `since`."""
    found = yield One(_NUMBER)  # before the keys: what changes in between is found once more the next time
    number = int(found[0][0])
    if number == since:
        return number, []
    # a number from before says that an older database was put back
    rows = yield One(_CHANGED, (since if since < number else 0,))
    keys: dict[str, list[Sequence[Any]]] = {}
    for row in rows:
        keys.setdefault(row[0], []).append(row)
    return number, [_key(same) for same in keys.values()]


def add(key: StoredKey) -> Work[None]:
    """Clashes if an unrevoked key has that name."""
    yield One(_NEXT)  # first, so that whoever changes keys at the same moment waits for its turn
    grant = key.grant.model_dump_json(exclude_defaults=True)
    yield One(_ADD, (kept(key.id), kept(key.name), grant, key.created, kept(key.by), key.revoked))
    for each in key.digests:
        yield _adding(key.id, each)


def rotate(id: str, digest: Digest, until: float) -> Work[None]:
    """Raises LookupError for a key that is not there, or revoked."""
    yield One(_NEXT)
    if not (yield One(_USABLE, (kept(id),))):
        raise LookupError(f"no key that is in use has the id {id!r}")
    yield One(_END, (kept(id), until))
    yield _adding(id, digest)
    yield One(_CHANGE, (kept(id),))


def revoke(id: str, at: float) -> Work[None]:
    """Of a key that is revoked already, nothing changes."""
    yield One(_NEXT)
    yield One(_REVOKE, (kept(id), at))


def _adding(id: str, digest: Digest) -> One:
    return One(_ADD_DIGEST, (kept(digest.digest), kept(id), kept(digest.hint), digest.until))


def _key(rows: Sequence[Sequence[Any]]) -> StoredKey:
    id, name, grant_json, created, by, revoked = rows[0][:6]
    digests = tuple(Digest(*row[6:]) for row in rows if row[6] is not None)
    try:
        grant = Grant.model_validate_json(grant_json)
    except ValidationError as error:
        _complain(id, name, error)
        grant, revoked = Grant(models=[]), created if revoked is None else revoked
    return StoredKey(id, name, grant, created, by, revoked, digests)


def _complain(id: str, name: str, error: ValidationError) -> None:
    reasons = "; ".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    told = {"event": "key unusable", "key": id, "name": name, "message": f"its grant cannot be read: {reasons}"}
    _log.error("%s", dumped(told).decode())
