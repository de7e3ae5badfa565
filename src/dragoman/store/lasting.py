"""A memory in a store, which outlives the process and is shared by all that use the store."""

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import TypeAlias

from dragoman.errors import MemoryDown, StoreDown, check_keepable
from dragoman.store.kept import Store
from dragoman.store.memory import Value

SECONDS = 5.0
"""Within which the store has answered, or is down."""
AT_ONCE = 4 * 1024 * 1024
"""Bytes after which a transaction takes no more values."""
LONGEST = 10 * 365 * 86400.0
"""Seconds that a value is kept at most."""

_Put: TypeAlias = "tuple[Value, asyncio.Future[None]]"
"""A value to be kept, and who waits until it is."""


class Lasting:
    """A `storage.Memory`. What was put is there after a restart.

    `store` gives the store while it is open, and raises StoreDown while it is not.
    """

    def __init__(self, store: Callable[[], Store]) -> None:
        self._store = store
        self._waiting: deque[_Put] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def get(self, key: str) -> bytes | None:
        async with _up():
            return await self._store().get(key, time.time())

    async def take(self, key: str) -> bytes | None:
        async with _up():
            return await self._store().take(key, time.time())

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        """What waits while others are written is written together: most of a write is its transaction."""
        check_keepable(value)
        kept = asyncio.get_running_loop().create_future()
        self._waiting.append((Value(key, value, time.time() + min(seconds, LONGEST)), kept))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.ensure_future(self._write())
        async with _up():
            await kept

    async def drop(self, key: str) -> None:
        async with _up():
            await self._store().drop(key)

    async def _write(self) -> None:
        """Writes until nothing waits, and tells each who waits how it went."""
        while self._waiting:
            batch = list(self._batch())
            failed: Exception | None = None
            try:
                await self._store().put([value for value, _ in batch])
            except Exception as error:
                failed = error
            for kept in (kept for _, kept in batch if not kept.done()):
                kept.set_result(None) if failed is None else kept.set_exception(failed)

    def _batch(self) -> Iterator[_Put]:
        """What is written together: not more than a transaction should hold."""
        size = 0
        while self._waiting and size < AT_ONCE:
            put = self._waiting.popleft()
            size += len(put[0].value)
            yield put


@asynccontextmanager
async def _up() -> AsyncIterator[None]:
    try:
        async with asyncio.timeout(SECONDS):
            yield
    except (StoreDown, TimeoutError) as error:
        raise MemoryDown(str(error) or "the store did not answer in time") from error
