"""What limits are worth while Redis is down."""

from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Literal, Self, TypeAlias

from dragoman.errors import LimitsUnavailable, MemoryDown
from dragoman.limits.local import InProcess
from dragoman.limits.shared import Shared
from dragoman.limits.wants import Taken, Want
from dragoman.logs import log

Mode: TypeAlias = Literal["allow", "refuse", "local"]


class Degrading:
    """Limits in Redis. While it is down: none (`allow`), no calls (`refuse`), or this process's own (`local`)."""

    def __init__(self, shared: Shared, local: InProcess, mode: Mode) -> None:
        self._shared, self._local, self._mode = shared, local, mode
        self._down = False
        self.missed = 0
        """Calls that were met while it was down."""

    async def __aenter__(self) -> Self:
        self._open = AsyncExitStack()
        await self._open.enter_async_context(self._shared)
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._open.aclose()

    async def take(self, wants: Sequence[Want]) -> Taken:
        """Takes all that is wanted, or nothing. Raises LimitsUnavailable."""
        try:
            taken = await self._shared.take(wants)
        except MemoryDown as error:
            return await self._otherwise(wants, error)
        if self._down:
            self._down = False
            log.info("limits store back", missed=self.missed)
        return taken

    async def _otherwise(self, wants: Sequence[Want], error: MemoryDown) -> Taken:
        self.missed += 1
        if not self._down:
            self._down = True
            log.error("limits store down", message=str(error), mode=self._mode)
        if self._mode == "refuse":
            raise LimitsUnavailable() from error
        if self._mode == "local":
            taken = await self._local.take(wants)
            taken.member = _LOCAL
            return taken
        return Taken(None, 0.0, [0] * len(wants), [want.limit for want in wants], [0.0] * len(wants), settled=True)

    def settle(self, wants: Sequence[Want], taken: Taken, used: Sequence[int]) -> None:
        """What was really used of what was taken."""
        limits = self._local if taken.member == _LOCAL else self._shared
        limits.settle(wants, taken, used)


_LOCAL = "local"
