"""What a call wants of limits, and what it got."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf
from typing import ClassVar, TypeAlias

A_MINUTE = 60.0
PLACE_SECONDS = 1.0
"""After which it is worth asking for a place again."""
ROUNDING = 1e-6


@dataclass(slots=True)
class Rate:
    """So many a minute, in bursts up to as many: a debt that sinks by the limit each minute (GCRA)."""

    name: str
    limit: int
    least: int
    """What the call takes; it does not fit where there is not as much."""
    hoped: int = 0
    """What it takes beyond that, as far as there is as much."""
    seed: ClassVar[int] = 0

    def fits(self, level: float) -> bool:
        """Whether a call fits while so much is in use."""
        return level + self.least <= self.limit + ROUNDING

    def amount(self, level: float) -> int:
        """How much a call that fits takes."""
        return self.least + max(0, min(self.hoped, int(self.limit - level + ROUNDING) - self.least))

    def wait(self, level: float) -> float:
        """Seconds until a call fits that does not; infinite for never."""
        return inf if self.least > self.limit else (level + self.least - self.limit) * A_MINUTE / self.limit

    def reset(self, level: float) -> float:
        """Seconds until nothing of it is in use."""
        return level * A_MINUTE / self.limit


@dataclass(slots=True)
class Places:
    """So many calls at the same time."""

    name: str
    limit: int
    least: ClassVar[int] = 1
    hoped: ClassVar[int] = 0
    seed: ClassVar[int] = 0

    def fits(self, level: float) -> bool:
        return level < self.limit

    def amount(self, level: float) -> int:
        return 1

    def wait(self, level: float) -> float:
        return PLACE_SECONDS

    def reset(self, level: float) -> float:
        return PLACE_SECONDS if level else 0.0


@dataclass(slots=True)
class Purse:
    """A budget. A call fits while less than the limit is spent, and then takes all that it may need."""

    name: str
    limit: int
    least: int
    hoped: int
    seed: int
    """What is known to be spent already."""
    lasts: float
    """Seconds after which it is forgotten."""

    def fits(self, level: float) -> bool:
        return level < self.limit

    def amount(self, level: float) -> int:
        return self.least + self.hoped

    def wait(self, level: float) -> float:
        return inf

    def reset(self, level: float) -> float:
        return self.lasts


Want: TypeAlias = Rate | Places | Purse


@dataclass(slots=True)
class Taken:
    """What became of wants, one by one."""

    refused: int | None
    """The first that does not fit; then nothing is taken of any."""
    wait: float
    """Seconds until it would fit; infinite for never."""
    amounts: Sequence[int]
    """What was taken of each."""
    left: list[int]
    reset: list[float]
    """Seconds until all of it is there again."""
    member: str = ""
    """What its places are held by."""
    settled: bool = False


def took(wants: Sequence[Want], amounts: Sequence[int], levels: Sequence[float], member: str = "") -> Taken:
    """All of them fitted; so much is in use now."""
    left, reset = _state(wants, levels)
    return Taken(None, 0.0, amounts, left, reset, member)


def turned_away(wants: Sequence[Want], place: int, levels: Sequence[float]) -> Taken:
    """One of them did not fit."""
    left, reset = _state(wants, levels)
    return Taken(place, wants[place].wait(levels[place]), (0,) * len(wants), left, reset, settled=True)


def _state(wants: Sequence[Want], levels: Sequence[float]) -> tuple[list[int], list[float]]:
    left = [max(0, int(want.limit - level + ROUNDING)) for want, level in zip(wants, levels, strict=True)]
    return left, [want.reset(level) for want, level in zip(wants, levels, strict=True)]
