"""What stands before every backend: how many calls it takes at once, and whether it is asked at all."""

from collections.abc import AsyncIterator
from time import monotonic

from dragoman.call import Call, Chunk, Handler
from dragoman.errors import UpstreamFailure
from dragoman.guard.breaker import Breaker
from dragoman.guard.options import Guarded
from dragoman.guard.shared import Shared
from dragoman.guard.slots import Slots
from dragoman.storage import Memory

__all__ = ["Guard", "Guarded"]


class Guard:
    """One backend's guard, whichever models it answers for."""

    def __init__(self, name: str, options: Guarded, memory: Memory) -> None:
        self._slots = Slots(options.concurrency)
        self._breaker = Breaker(name, options.breaker or None)
        self._shared = Shared(name, self._breaker, memory) if options.breaker and options.breaker.shared else None

    @property
    def available(self) -> bool:
        """Whether the backend is not known to be down."""
        return self._breaker.available

    def around(self, handler: Handler) -> Handler:
        """The backend's handler behind its guard."""

        async def handle(call: Call) -> AsyncIterator[Chunk]:
            visit = await self._admitted(call)
            began = monotonic()
            try:
                async for chunk in handler(call):
                    if not visit.told:
                        self._begun(visit, monotonic() - began)
                    yield chunk
            except UpstreamFailure as failure:
                visit.told = True
                self._breaker.failed(failure)
                raise

        return handle

    async def _admitted(self, call: Call) -> "_Visit":
        """Waits for a place. Raises UpstreamBusy, or what the backend has failed with of late."""
        if self._shared:
            self._shared.glance()
        self._breaker.check()
        await self._slots.enter(call.due)
        visit = _Visit(self._slots, self._breaker)
        call.open.callback(visit.end)
        visit.probing = self._breaker.admit()
        return visit

    def _begun(self, visit: "_Visit", seconds: float) -> None:
        visit.told = True
        self._breaker.succeeded(seconds)
        self._slots.sample(seconds)


class _Visit:
    """A call while it is at the backend."""

    __slots__ = ("_breaker", "_came", "_slots", "probing", "told")

    def __init__(self, slots: Slots, breaker: Breaker) -> None:
        self._slots, self._breaker = slots, breaker
        self._came = monotonic()
        self.told = self.probing = False

    def end(self) -> None:
        self._slots.leave(monotonic() - self._came)
        if self.probing and not self.told:
            self._breaker.unproven()
