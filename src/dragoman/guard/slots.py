"""How many calls a backend takes at once, and who waits."""

import asyncio
from collections import deque
from time import monotonic

from dragoman.errors import UpstreamBusy
from dragoman.guard.options import Concurrency

TOLERANCE = 2.0
"""So much slower than usual may an answer begin before an adaptive limit sinks."""
LONG, SHORT = 0.01, 0.2
"""How fast what is usual, and what is now, follow what is measured."""


class Slots:
    """Places at a backend, and a bounded queue before them."""

    def __init__(self, options: Concurrency) -> None:
        self._options = options
        self._limit = float(options.limit if not options.adaptive else min(20, options.limit))
        self._busy = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._usual = self._now = self._lasts = 0.0

    async def enter(self, due: float) -> None:
        """Takes a place, perhaps after a wait that ends before `due` (seconds of `time.monotonic`).

        Raises UpstreamBusy.
        """
        if self._busy < self._limit and not self._waiting:
            self._busy += 1
            return
        allowed = min(self._options.wait, due - monotonic())
        turn = (len(self._waiting) + 1) * self._lasts / self._limit
        if len(self._waiting) >= self._options.queue or turn > allowed:
            raise UpstreamBusy(detail=f"{self._busy} calls are open, {len(self._waiting)} wait")
        await self._wait(allowed)

    async def _wait(self, seconds: float) -> None:
        place = asyncio.get_running_loop().create_future()
        self._waiting.append(place)
        try:
            async with asyncio.timeout(seconds):
                await place
        except BaseException as error:
            if place.done() and not place.cancelled():
                self._free()
            else:
                self._waiting.remove(place)
            if isinstance(error, TimeoutError):
                raise UpstreamBusy(detail="no place became free in time") from None
            raise

    def leave(self, seconds: float) -> None:
        """Gives back a place that was held for so long."""
        self._lasts += SHORT * (seconds - self._lasts)
        self._free()

    def _free(self) -> None:
        self._busy -= 1
        while self._waiting and self._busy < self._limit:
            place = self._waiting.popleft()
            if not place.done():
                self._busy += 1
                place.set_result(None)

    def sample(self, seconds: float) -> None:
        """Learns how long an answer took to begin: an adaptive limit sinks when that grows, and rises otherwise."""
        if not self._options.adaptive:
            return
        if not self._usual:
            self._usual = self._now = seconds
        self._usual += LONG * (seconds - self._usual)
        self._now += SHORT * (seconds - self._now)
        if self._busy < self._limit / 2:
            return  # it was not the limit that held calls back: nothing is learnt about it
        gradient = max(0.5, min(1.0, TOLERANCE * self._usual / max(self._now, 1e-6)))
        aim = self._limit * gradient + self._limit**0.5
        self._limit = max(1.0, min(float(self._options.limit), self._limit + SHORT * (aim - self._limit)))
