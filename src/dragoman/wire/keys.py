"""Keys and usage as they are told over HTTP, and by the command line in JSON: never a secret, never a digest."""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import inf
from typing import Any, Literal, NotRequired

from pydantic import TypeAdapter, ValidationError
from typing_extensions import TypedDict

from dragoman.grants import NANO, Allowance, Grant, Moment
from dragoman.store import StoredKey

GROUPS = ("key", "model", "day", "backend", "surface")
"""By what usage can be told apart."""

_AGO = re.compile(r"(\d{1,6})\s*([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_MOMENT: TypeAdapter[datetime] = TypeAdapter(Moment)


class AllowanceShown(TypedDict):
    """How much may be used."""

    rpm: int | None
    tpm: int | None
    concurrent: int | None
    budget: list[str]


class GrantShown(AllowanceShown):
    """What a key may."""

    models: list[str] | None
    per_model: dict[str, AllowanceShown]
    expires: str | None
    admin: bool


class SecretShown(TypedDict):
    """One of the secrets that a key has: its last characters, and when it ends."""

    hint: str
    until: str | None


class KeyShown(TypedDict):
    """A key. All times are UTC, in ISO 8601."""

    object: Literal["key"]
    id: str
    name: str
    state: Literal["active", "expired", "revoked"]
    grant: GrantShown
    created: str
    by: str | None
    revoked: str | None
    expires: str | None
    hint: str
    secrets: list[SecretShown]


class SecretKeyShown(KeyShown):
    """A key with its secret, which is told this once."""

    secret: str


class KeyList(TypedDict):
    """All keys, those that were revoked too."""

    object: Literal["list"]
    data: list[KeyShown]


class UsageShown(TypedDict):
    """What calls came to, together. `cost` is in units of money, `seconds` until the last piece of the answer;
    `estimated` calls are those whose tokens no backend told."""

    key: NotRequired[str]
    model: NotRequired[str]
    day: NotRequired[str]
    backend: NotRequired[str]
    surface: NotRequired[str]
    calls: int
    failed: int
    prompt_tokens: int
    completion_tokens: int
    estimated: int
    cost: float
    seconds: float


class UsageList(TypedDict):
    """What calls came to since a time, and until another."""

    object: Literal["usage"]
    since: str
    until: str | None
    by: list[str]
    data: list[UsageShown]


def key_shown(key: StoredKey) -> KeyShown:
    """A key as it is told."""
    lasting = [each for each in key.digests if each.until is None or each.until > time.time()]
    newest_last = sorted(lasting, key=lambda digest: inf if digest.until is None else digest.until)
    secrets: list[SecretShown] = [{"hint": each.hint, "until": told_time(each.until)} for each in newest_last]
    grant = grant_shown(key.grant)
    return {
        "object": "key",
        "id": key.id,
        "name": key.name,
        "state": state(key.grant, key.revoked),
        "grant": grant,
        "created": told_time(key.created) or "",
        "by": key.by or None,
        "revoked": told_time(key.revoked),
        "expires": grant["expires"],
        "hint": secrets[-1]["hint"] if secrets else "",
        "secrets": secrets,
    }


def state(grant: Grant, revoked: float | None = None) -> Literal["active", "expired", "revoked"]:
    """Whether a key works."""
    if revoked is not None:
        return "revoked"
    return "expired" if grant.expires and grant.expires <= datetime.now(UTC) else "active"


def grant_shown(grant: Grant) -> GrantShown:
    """A grant as it is told, and as it can be given again."""
    return {
        **_allowance(grant),
        "models": grant.models,
        "per_model": {model: _allowance(allowance) for model, allowance in grant.per_model.items()},
        "expires": told_time(grant.expires.timestamp()) if grant.expires else None,
        "admin": grant.admin,
    }


def _allowance(given: Allowance) -> AllowanceShown:
    budget = [str(each) for each in given.budget]
    return {"rpm": given.rpm, "tpm": given.tpm, "concurrent": given.concurrent, "budget": budget}


def usage_shown(rows: Iterable[Mapping[str, Any]], by: Sequence[str], since: float, until: float | None) -> UsageList:
    """Sums of a store as they are told."""
    data: Any = [{**row, "cost": row["cost"] / NANO} for row in rows]
    return {"object": "usage", "since": told_time(since) or "", "until": told_time(until), "by": list(by), "data": data}


def groups(text: str) -> list[str]:
    """By what usage is wanted apart: `key,model`. Raises ValueError."""
    wanted = [each.strip() for each in text.split(",") if each.strip()]
    if unknown := [each for each in wanted if each not in GROUPS]:
        raise ValueError(f"there is no {unknown[0][:64]!r}; there are {', '.join(GROUPS)}")
    return list(dict.fromkeys(wanted))


def past(text: str) -> float:
    """`7d`, `12h` ago, or a date or a time: as Unix seconds. Raises ValueError."""
    if match := _AGO.fullmatch(text.strip()):
        return time.time() - int(match[1]) * _SECONDS[match[2]]
    try:
        return _MOMENT.validate_python(text.strip()).timestamp()
    except (ValidationError, OverflowError):
        raise ValueError("write it like 7d, 12h, 2026-11-01 or 2026-11-01T12:00:00Z") from None


def told_time(at: float | None) -> str | None:
    """Unix seconds in ISO 8601, UTC."""
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
