"""What was used, summed up: whole days from their sums, what is left of others from the rows of calls."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dragoman.store.texts import DAY, day_of, kept, real
from dragoman.store.work import One, Value, Work

GROUPS = ("day", "key", "model", "backend", "surface")
BY = (*GROUPS, "status")
"""What usage can be grouped by."""
SUMS = ("calls", "failed", "prompt_tokens", "completion_tokens", "estimated", "cost", "seconds")

_TRIMMED = "SELECT before FROM trims"
_ONE_CALL = """1 AS calls, CASE WHEN status >= 400 THEN 1 ELSE 0 END AS failed,
    prompt_tokens, completion_tokens, estimated, cost, total AS seconds"""
_TOTALS = ", ".join(f"CAST(coalesce(sum({name}), 0) AS bigint)" for name in SUMS[:-1]) + ", coalesce(sum(seconds), 0.0)"


def usage(by: Sequence[str], since: float, until: float | None, only: Mapping[str, str]) -> Work[list[dict[str, Any]]]:
    """Sums of what was used, grouped. Raises ValueError for what it cannot be grouped by."""
    if unknown := [name for name in (*by, *only) if name not in BY]:
        raise ValueError(f"usage has no {unknown[0]!r}: choose from {', '.join(BY)}")
    names = tuple(dict.fromkeys(by))
    trimmed = yield One(_TRIMMED)
    asking = _Asking(names, only)
    if "status" in (*names, *only):
        asking.calls(real(since), None if until is None else real(until))
    else:
        _cover(asking, real(since), None if until is None else real(until), float(trimmed[0][0]))
    found = yield One(asking.sql(), tuple(asking.values))
    told = sorted(found, key=lambda row: tuple(row)[: len(names)])
    return [dict(zip((*names, *SUMS), row, strict=True)) for row in told]


def _cover(asking: "_Asking", since: float, until: float | None, trimmed: float) -> None:
    """Asks for a span of time. Where the rows are deleted already, its first and last day are whole."""
    first, into = divmod(since, DAY)
    begins_within = bool(into) and since >= trimmed
    last, over = divmod(until, DAY) if until is not None else (None, 0.0)
    ends_within = bool(over) and last is not None and max(last * DAY, since) >= trimmed
    if begins_within:
        first += 1
        asking.calls(since, first * DAY if until is None else min(until, first * DAY))
    if last is not None and over and not ends_within:
        last += 1
    if last is None or first < last:
        asking.days(int(first), None if last is None else int(last))
    if until is not None and last is not None and ends_within and first <= last:
        asking.calls(last * DAY, until)


class _Asking:
    """One statement, put together."""

    def __init__(self, names: Sequence[str], only: Mapping[str, str]) -> None:
        self.values: list[Value] = []
        self._names, self._only = names, only
        self._parts: list[str] = []

    def days(self, first: int, last: int | None) -> None:
        """Adds whole days, until before the last one."""
        self._add(", ".join(SUMS), "usage_days", "day", day_of(first), None if last is None else day_of(last), GROUPS)

    def calls(self, since: float, until: float | None) -> None:
        """Adds calls, one by one."""
        self._add(_ONE_CALL, "usage", "at", since, until, BY)

    def sql(self) -> str:
        """The statement."""
        names = ", ".join(self._names)
        told, grouped = (f"{names}, ", f" GROUP BY {names}") if names else ("", "")
        return f"SELECT {told}{_TOTALS} FROM ({' UNION ALL '.join(self._parts)}) AS used{grouped}"  # noqa: S608

    def _add(self, sums: str, table: str, when: str, since: Value, until: Value, groups: Sequence[str]) -> None:
        named = ", ".join(name for name in groups if name in self._names)
        where = " AND ".join(self._conditions(when, since, until))
        self._parts.append(f"SELECT {f'{named}, ' if named else ''}{sums} FROM {table} WHERE {where}")  # noqa: S608

    def _conditions(self, when: str, since: Value, until: Value) -> Iterator[str]:
        yield f"{when} >= {self._bound(since)}"
        if until is not None:
            yield f"{when} < {self._bound(until)}"
        for name, value in self._only.items():
            yield f"{name} = {self._bound(_status(value) if name == 'status' else kept(value))}"

    def _bound(self, value: Value) -> str:
        self.values.append(value)
        return f"${len(self.values)}"


def _status(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d\d", text):
        raise ValueError(f"{text!r} is no status")
    return int(text)
