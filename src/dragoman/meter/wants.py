"""What a call wants of the limits that hold for it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from time import time
from typing import Literal

from dragoman.call import Key
from dragoman.counting.requests import about
from dragoman.grants import FREE, Allowance, Budget, Grant, Period, Price
from dragoman.limits import Places, Purse, Rate, Want
from dragoman.wire.chat import ChatRequest

EXPECTED = 256.0
"""Tokens that an answer is expected to have before any was seen."""
LEARNING = 0.05
"""What the latest answer weighs in what is expected."""
MOST_KEYS = 10_000
"""Keys whose limits are kept looked up."""
AN_HOUR = 3600.0
TEN_YEARS = 10 * 365 * 86400.0

Spent = Callable[[str, str, str], tuple[int, int]]
"""What is known to be spent by a key, on a model, or by one on the other (what is left out is empty), in a period:
tokens and billionths of money."""


@dataclass(frozen=True)
class Scope:
    """Whose limits these are: a key's, a model's, or a key's on a model."""

    key: str
    model: str

    @property
    def name(self) -> str:
        return f"{self.key}\n{self.model}"

    def __str__(self) -> str:
        whose = (("this API key", self.key), ("this model", self.model))
        return " on ".join(words for words, there in whose if there)


@dataclass(frozen=True)
class Line:
    """One limit: whose, of what, and how it is wanted of a call."""

    scope: Scope
    of: Literal["requests", "tokens", "places", "budget"]
    limit: int
    want: Want | None = None
    """What every call wants of it, if that is always the same."""
    budget: Budget | None = None

    @cached_property
    def counts(self) -> str:
        """What is counted."""
        return self.budget.unit if self.budget else self.of

    @cached_property
    def name(self) -> str:
        """What nothing else is named."""
        return f"{self.scope.name}\n{self.of}\n{self.counts}"

    @cached_property
    def told(self) -> str:
        """The limit, as a header has it."""
        return str(self.limit)


class Lines(tuple[Line, ...]):
    """The limits that hold for a key's calls of a model."""

    def __init__(self, lines: Iterable[Line]) -> None:
        self.places = {of: [at for at, line in enumerate(self) if line.of == of] for of in ("requests", "tokens")}
        """Where the limits a minute stand."""
        self.reckoned = any(line.want is None for line in self)
        """Whether the tokens of a call matter."""


class Wants:
    """A model's limits, and those that keys have on it."""

    def __init__(self, model: str, limits: Allowance, price: Price = FREE, spent: Spent | None = None) -> None:
        self._model, self._limits, self._price = model, limits, price
        self._spent = spent or (lambda key, model, period: (0, 0))
        self._known: dict[str, tuple[Grant, Lines]] = {}
        self._expected = EXPECTED

    def lines(self, key: Key) -> Lines:
        """The limits that hold for a key's calls."""
        known = self._known.get(key.id)
        if known and known[0] is key.grant:
            return known[1]
        if len(self._known) >= MOST_KEYS:
            self._known.clear()
        lines = Lines(self._found(key))
        self._known[key.id] = key.grant, lines
        return lines

    def _found(self, key: Key) -> Iterator[Line]:
        yield from _lines(Scope(key.id, ""), key.grant)
        yield from _lines(Scope("", self._model), self._limits)
        if own := key.grant.per_model.get(self._model):
            yield from _lines(Scope(key.id, self._model), own)

    def learn(self, completion: int) -> None:
        """How many tokens an answer had."""
        self._expected += LEARNING * (completion - self._expected)

    def of(self, lines: Lines, request: ChatRequest) -> list[Want]:
        """What a request wants: the tokens that it asks and may be answered, or what is to be expected."""
        if not lines.reckoned:
            return [line.want for line in lines if line.want]
        choices = request.n or 1
        most = (request.limit or 0) * choices
        hoped = round(self._expected) * choices if request.limit is None else 0
        asked = about(request)
        return [line.want or self._want(line, asked, most, hoped) for line in lines]

    def _want(self, line: Line, asked: int, most: int, hoped: int) -> Want:
        if line.budget is None:
            return Rate(line.name, line.limit, asked + most, hoped)
        now = _calendar.now(line.budget.per)
        tokens, cost = self._spent(line.scope.key, line.scope.model, now.name)
        name, lasts = f"{line.name}\n{now.name}", now.ends - time() + AN_HOUR
        if line.budget.unit == "tokens":
            return Purse(name, line.limit, asked + most, hoped, tokens, lasts)
        expected = self._price.of(0, hoped) if hoped else 0
        return Purse(name, line.limit, self._price.of(asked, most), expected, cost, lasts)


def _lines(scope: Scope, allowance: Allowance) -> Iterator[Line]:
    if allowance.rpm:
        yield Line(scope, "requests", allowance.rpm, Rate(f"{scope.name}\nrequests", allowance.rpm, 1))
    if allowance.tpm:
        yield Line(scope, "tokens", allowance.tpm)
    if allowance.concurrent:
        yield Line(scope, "places", allowance.concurrent, Places(f"{scope.name}\nplaces", allowance.concurrent))
    for budget in allowance.budget:
        yield Line(scope, "budget", budget.amount, None, budget)


def used(lines: Lines, tokens: int, cost: int) -> list[int]:
    """How much of each limit a call has used."""
    by = {"requests": 1, "tokens": tokens, "places": 0, "money": cost}
    return [by[line.counts] for line in lines]


@dataclass(frozen=True, slots=True)
class _Now:
    name: str
    ends: float


class _Calendar:
    """The periods that are now, in UTC; written anew at midnight."""

    def __init__(self) -> None:
        self._until = 0.0
        self._now: dict[Period, _Now] = {}

    def now(self, period: Period) -> _Now:
        if time() >= self._until:
            self._turn(datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0))
        return self._now[period]

    def _turn(self, today: datetime) -> None:
        self._until = (today + timedelta(days=1)).timestamp()
        next_month = (today.replace(day=1) + timedelta(days=32)).replace(day=1)
        self._now = {
            "day": _Now(f"{today:%Y-%m-%d}", self._until),
            "month": _Now(f"{today:%Y-%m}", next_month.timestamp()),
            "total": _Now("total", self._until + TEN_YEARS),
        }


_calendar = _Calendar()


def today() -> tuple[str, str]:
    """The day and the month, as periods are named."""
    return _calendar.now("day").name, _calendar.now("month").name
