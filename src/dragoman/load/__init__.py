"""How much the gateway has to do, and whether it takes more."""

import asyncio
from typing import Protocol

from dragoman.errors import Draining, Failure, Overloaded
from dragoman.logs import log

CUT_SECONDS = 5.0
"""How long calls that are cut have to say so."""


class Running(Protocol):
    """A call that is being answered."""

    def end(self, failure: Failure) -> None:
        """Ends it with that failure."""


class Load:
    """The calls in flight."""

    def __init__(self) -> None:
        self.running: set[Running] = set()
        self.crowded = False
        """Whether too much memory is used."""
        self.draining = False
        self._hurry = asyncio.Event()
        self._idle = asyncio.Event()

    def check(self, most: int) -> None:
        """Raises Draining or Overloaded when no call is taken now; `most` may run at once."""
        if self.draining:
            raise Draining()
        if self.crowded or len(self.running) >= most:
            raise Overloaded(detail="memory is short" if self.crowded else f"{most} calls are running")

    def enter(self, call: Running) -> None:
        """A call is being answered."""
        self.running.add(call)

    def leave(self, call: Running) -> None:
        """It is answered, or given up."""
        self.running.discard(call)
        if not self.running:
            self._idle.set()

    def hurry(self) -> None:
        """Lets draining wait no longer."""
        self._hurry.set()
        self._idle.set()

    async def drain(self, seconds: float) -> None:
        """Takes no more calls, lets those that run go on for so long, and ends the rest."""
        self.draining = True
        log.info("draining", calls=len(self.running), seconds=seconds)
        await self._ended(seconds)
        cut = len(self.running)
        for call in list(self.running):
            call.end(Draining())
        self._hurry.clear()
        await self._ended(CUT_SECONDS)
        log.info("drained", cut=cut)

    async def _ended(self, seconds: float) -> None:
        """Waits until no call runs, or the time is over."""
        self._idle.clear()
        if self.running and not self._hurry.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await self._idle.wait()
            except TimeoutError:
                return
