"""The one that is likely to be quickest: peak-EWMA over two random choices."""

from collections.abc import AsyncIterator, Mapping, Sequence
from math import exp
from random import choices
from time import monotonic

from dragoman.call import Call, Chunk, Handler
from dragoman.errors import Failure
from dragoman.routing.members import Member, moves_on
from dragoman.routing.moving import Order

MEMORY_SECONDS = 10.0
FAILED_SECONDS = 5.0
"""What a failure counts as, at least, so that failing quickly does not look like being quick."""

ALIKE = 1.5
"""Costs that differ by less are the same; weights decide."""


class _Meter:
    """How long a member takes to begin, and how much it has to do."""

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._seconds = 0.0
        self._at = monotonic()
        self._busy = 0

    @property
    def cost(self) -> float:
        """The time that another call is expected to take."""
        seconds = self._seconds * exp((self._at - monotonic()) / MEMORY_SECONDS)
        return (seconds + 1e-6) * (self._busy / self._weight + 1)

    def around(self, handler: Handler) -> Handler:
        """The member's handler, measured."""

        async def handle(call: Call) -> AsyncIterator[Chunk]:
            self._busy += 1
            call.open.callback(self._left)
            began, first = monotonic(), True
            try:
                async for chunk in handler(call):
                    if first:
                        first = False
                        self._sample(monotonic() - began)
                    yield chunk
            except Failure as failure:
                if moves_on(failure):
                    self._sample(max(FAILED_SECONDS, monotonic() - began))
                raise

        return handle

    def _left(self) -> None:
        self._busy -= 1

    def _sample(self, seconds: float) -> None:
        """A peak counts at once, and is forgotten slowly."""
        now = monotonic()
        old = exp((self._at - now) / MEMORY_SECONDS)
        self._seconds = seconds if seconds > self._seconds else self._seconds * old + seconds * (1 - old)
        self._at = now


def balanced(members: Sequence[Member]) -> tuple[Sequence[Member], Order]:
    """The members, measured, and the order in which they are asked."""
    meters = {member.name: _Meter(member.weight) for member in members}
    measured = [
        Member(member.name, meters[member.name].around(member.handler), member.when, member.weight)
        for member in members
    ]

    def order(fitting: Sequence[Member]) -> Sequence[Member]:
        cost = {member.name: meters[member.name].cost for member in fitting}
        first = _chosen(fitting, cost)
        rest = [member for member in fitting if member is not first]
        return [first, *sorted(rest, key=lambda member: cost[member.name])]

    return measured, order


def _chosen(members: Sequence[Member], cost: Mapping[str, float]) -> Member:
    """The cheaper of two, or any of them where they cost about the same."""
    two = list(members) if len(members) <= 2 else _two(members)
    low, high = min(cost[member.name] for member in two), max(cost[member.name] for member in two)
    if high <= low * ALIKE:
        return _any(two)
    return min(two, key=lambda member: cost[member.name])


def _two(members: Sequence[Member]) -> list[Member]:
    first = _any(members)
    return [first, _any([member for member in members if member is not first])]


def _any(members: Sequence[Member]) -> Member:
    return choices(members, [member.weight for member in members])[0]  # noqa: S311
