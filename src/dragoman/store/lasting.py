"""A memory in a store, which outlives the process and is shared by all that use the store."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from dragoman.errors import MemoryDown, StoreDown, check_keepable
from dragoman.store.kept import Store

SECONDS = 5.0
"""Within which the store has answered, or is down."""
LONGEST = 10 * 365 * 86400.0
"""Seconds that a value is kept at most."""


class Lasting:
    """A `storage.Memory`. What was put is there after a restart.

    `store` gives the store while it is open, and raises StoreDown while it is not.
    """

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store

    async def get(self, key: str) -> bytes | None:
        async with _up():
            return await self._store().get(key, time.time())

    async def take(self, key: str) -> bytes | None:
        async with _up():
            return await self._store().take(key, time.time())

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        check_keepable(value)
        async with _up():
            await self._store().put(key, value, time.time() + min(seconds, LONGEST))

    async def drop(self, key: str) -> None:
        async with _up():
            await self._store().drop(key)


@asynccontextmanager
async def _up() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(SECONDS):
            yield
    except (StoreDown, TimeoutError) as error:
        raise MemoryDown(str(error) or "the store did not answer in time") from error
