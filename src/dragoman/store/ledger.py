"""The ledger in a database: a row for every call, sums by day, and what is spent."""

from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from dragoman.store.rows import Row
from dragoman.store.sums import GROUPS, SUMS
from dragoman.store.texts import DAY, day_of, kept, real, whole
from dragoman.store.work import Added, Columns, Fresh, One, Value, Work

MOST_IN_ALL = 10**18
TRIMMED = 10_000
"""Rows that are deleted at once."""

_TYPES = {"at": "double precision", "first": "double precision", "total": "double precision"} | {
    **dict.fromkeys(SUMS, "bigint"),
    "tokens": "bigint",
    "seconds": "double precision",
    "estimated": "integer",
    "status": "integer",
}


def _typed(*names: str) -> Columns:
    return tuple((name, _TYPES.get(name, "text")) for name in names)


_CALL = ("id", "at", *GROUPS, "prompt_tokens", "completion_tokens", "estimated", "cost", "status", "first", "total")
_USAGE = _typed(*_CALL, "request_id")
_DAYS = _typed(*GROUPS, *SUMS)
_SPENDING = _typed("key", "model", "period", "tokens", "cost")


def _adding(table: str, groups: Sequence[str], sums: Sequence[str]) -> str:
    """Adds to sums, up to a bound: what lies about its tokens must not stop the ledger."""
    added = ", ".join(
        f"{name} = CASE WHEN {table}.{name} > {MOST_IN_ALL} - excluded.{name} THEN {MOST_IN_ALL} "
        f"ELSE {table}.{name} + excluded.{name} END"
        for name in sums
    )
    return f"({', '.join(groups)}) DO UPDATE SET {added}"


_COUNT = _adding("usage_days", GROUPS, SUMS)
_SPEND = _adding("spent", ("key", "model", "period"), ("tokens", "cost"))
_SPENT = "SELECT key, model, period, tokens, cost FROM spent WHERE period IN ($1, $2, 'total')"
_OLD = f"SELECT id FROM usage WHERE at < $1 ORDER BY at LIMIT {TRIMMED}"  # noqa: S608


def write(rows: Sequence[Row]) -> Work[None]:
    """Adds the rows that are not there yet, and counts them."""
    given = {row[0]: row for row in map(_cleaned, rows)}
    fresh = yield Fresh("usage", _USAGE, sorted(given.values()))
    if fresh:
        # in order, so that two who write the same sums never wait for each other
        yield Added("usage_days", _DAYS, sorted(_counted(fresh)), _COUNT)
        yield Added("spent", _SPENDING, sorted(_spent(fresh)), _SPEND)


_known = lru_cache(4096)(kept)


def _cleaned(row: Row) -> tuple[Value, ...]:
    id, at, key, model, backend, surface, prompt, completion, estimated, cost, status, first, total, request_id = row
    at = real(at)
    return (
        kept(id),
        at,
        day_of(int(at // DAY)),
        _known(key),
        _known(model),
        _known(backend),
        _known(surface),
        whole(prompt),
        whole(completion),
        int(estimated),
        whole(cost),
        min(whole(status), 999),
        first if first is None else real(first),
        real(total),
        kept(request_id),
    )


def _counted(rows: Sequence[Sequence[Any]]) -> Iterable[tuple[Value, ...]]:
    sums: dict[tuple[str, ...], list[Any]] = {}
    for row in rows:
        of = sums.setdefault(row[2:7], [0] * len(SUMS))  # type: ignore[arg-type]
        of[0] += 1
        of[1] += row[11] >= 400
        of[2] += row[7]
        of[3] += row[8]
        of[4] += row[9]
        of[5] += row[10]
        of[6] += row[13]
    return ((*group, *of) for group, of in sums.items())


def _spent(rows: Sequence[Sequence[Any]]) -> Iterable[tuple[Value, ...]]:
    sums: dict[tuple[str, str, str], list[int]] = {}
    for row in rows:
        of = sums.setdefault((row[2], row[3], row[4]), [0, 0])
        of[0] += row[7] + row[8]
        of[1] += row[10]
    periods: dict[tuple[str, str, str], list[int]] = {}
    for (day, key, model), (tokens, cost) in sums.items():
        for period in (day, day[:7], "total"):
            of = periods.setdefault((key, model, period), [0, 0])
            of[0] += tokens
            of[1] += cost
    return ((*group, *of) for group, of in periods.items())


def spent(day: str, month: str) -> Work[list[tuple[str, str, str, int, int]]]:
    """What is spent by each key on each model: that day, that month, and in all."""
    found = yield One(_SPENT, (day, month))
    return [(row[0], row[1], row[2], row[3], row[4]) for row in found]


def trim(before: float) -> Work[int]:
    """Deletes some of the rows of calls before that time, and what is of no more use; returns how many rows it were."""
    day = day_of(int(real(before) // DAY))
    yield One("UPDATE trims SET before = CASE WHEN before < $1 THEN $1 ELSE before END", (before,))
    found = yield One(f"SELECT count(*) FROM ({_OLD}) AS old", (before,))  # noqa: S608
    yield One(f"DELETE FROM usage WHERE id IN ({_OLD})", (before,))  # noqa: S608
    for period in (day, day[:7]):
        yield One(f"DELETE FROM spent WHERE length(period) = {len(period)} AND period < $1", (period,))  # noqa: S608
    yield One("DELETE FROM digests WHERE until < $1", (before,))
    return int(found[0][0])
