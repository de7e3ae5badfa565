"""Who may how much: rates, places and budgets, taken in one step."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from dragoman.limits.degrading import Degrading, Mode
from dragoman.limits.local import InProcess
from dragoman.limits.shared import Shared
from dragoman.limits.wants import Places, Purse, Rate, Taken, Want

__all__ = ["InProcess", "Limits", "Mode", "Places", "Purse", "Rate", "Taken", "Want", "opened"]


class Limits(Protocol):
    """Keeps how much is in use."""

    async def take(self, wants: Sequence[Want]) -> Taken:
        """Takes all that is wanted, or nothing at all. Raises LimitsUnavailable."""
        ...

    def settle(self, wants: Sequence[Want], taken: Taken, used: Sequence[int]) -> None:
        """What was really used of what was taken; places are given back. Never waits, never fails."""
        ...


@asynccontextmanager
async def opened(url: str | None, local: InProcess, mode: Mode = "local") -> AsyncIterator[Limits]:
    """Limits in Redis, or this process's own. Raises ConfigError for a URL that cannot be used."""
    if url is None:
        yield local
        return
    async with Degrading(Shared(url), local, mode) as limits:
        yield limits
