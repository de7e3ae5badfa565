"""Limits in this process, exact because nothing happens between looking and taking."""

from collections.abc import Callable, Sequence
from math import inf
from time import monotonic

from dragoman.limits.wants import A_MINUTE, Places, Purse, Rate, Taken, Want, took, turned_away

MOST = 100_000
"""Names that are kept."""
SWEEP_SECONDS = 10.0


class InProcess:
    """Keeps how much of each limit is in use. Names beyond the `most`, those that were used first are forgotten."""

    def __init__(self, clock: Callable[[], float] = monotonic, most: int = MOST) -> None:
        self._clock, self._most = clock, most
        self._levels: dict[str, tuple[float, float, float]] = {}
        """By name: how much is in use, since when, and when that says nothing any more."""
        self._swept = -inf

    def __len__(self) -> int:
        return len(self._levels)

    async def take(self, wants: Sequence[Want]) -> Taken:
        """Takes all that is wanted, or nothing."""
        now = self._clock()
        levels = [self._level(want, now) for want in wants]
        for place, want in enumerate(wants):
            if not want.fits(levels[place]):
                return turned_away(wants, place, levels)
        amounts = []
        for place, want in enumerate(wants):
            amount = want.amount(levels[place])
            amounts.append(amount)
            levels[place] += amount
            self._keep(want, levels[place], now)
        return took(wants, amounts, levels)

    def settle(self, wants: Sequence[Want], taken: Taken, used: Sequence[int]) -> None:
        """What was really used of what was taken; places are given back. Once for each that was taken."""
        if taken.settled:
            return
        taken.settled = True
        now = self._clock()
        for want, amount, really in zip(wants, taken.amounts, used, strict=True):
            if really != amount:
                self._keep(want, self._level(want, now) + really - amount, now)

    def _level(self, want: Want, now: float) -> float:
        """How much is in use now."""
        held = self._levels.get(want.name)
        if held is None or now >= held[2]:
            return want.seed
        if isinstance(want, Rate):
            return max(0.0, held[0] - (now - held[1]) * want.limit / A_MINUTE)
        return max(want.seed, held[0])

    def _keep(self, want: Want, level: float, now: float) -> None:
        if level <= 0 and not isinstance(want, Purse):
            self._levels.pop(want.name, None)
            return
        if want.name not in self._levels and len(self._levels) >= self._most:
            self._make_room(now)
        self._levels[want.name] = max(0.0, level), now, now + _lasting(want, level)

    def _make_room(self, now: float) -> None:
        if now - self._swept >= SWEEP_SECONDS:
            self._swept = now
            self._levels = {name: held for name, held in self._levels.items() if held[2] > now}
        if len(self._levels) >= self._most:
            del self._levels[next(iter(self._levels))]


def _lasting(want: Want, level: float) -> float:
    match want:
        case Places():
            return inf
        case Purse():
            return want.lasts
        case _:
            return want.reset(level)
