"""One backend's breaker, told to other processes and learnt from them."""

import asyncio
import time
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

from dragoman.errors import UpstreamFailure, failure_named
from dragoman.guard.breaker import Breaker
from dragoman.storage import Memory, MemoryDown

GLANCE_SECONDS = 1.0


class Shared:
    """Keeps `SECONDS CODE`, until when a backend is left alone and why, where other processes see it.

    No call waits for it: what others say is known about a second later.
    """

    def __init__(self, name: str, breaker: Breaker, memory: Memory) -> None:
        self._key = f"breaker:{name}"
        self._breaker, self._memory = breaker, memory
        self._looked = 0.0
        self._tasks: set[asyncio.Task[None]] = set()
        breaker.tell = self._tell

    def glance(self) -> None:
        """Looks what others say, at most once a second."""
        now = time.monotonic()
        if now - self._looked >= GLANCE_SECONDS:
            self._looked = now
            self._start(self._learn())

    def _tell(self, seconds: float, code: str) -> None:
        self._start(self._memory.put(self._key, f"{time.time() + seconds} {code}".encode(), seconds))

    async def _learn(self) -> None:
        said = await self._memory.get(self._key)
        if said is None:
            return
        with suppress(ValueError):
            until, _, code = said.decode().partition(" ")
            seconds = float(until) - time.time()
            if seconds > 0:
                self._breaker.opened_elsewhere(seconds, failure_named(code) or UpstreamFailure())

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(_quiet(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _quiet(work: Coroutine[Any, Any, None]) -> None:
    with suppress(MemoryDown):
        await work
