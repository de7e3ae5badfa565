"""The keys, the ledger and the memory of a store, while a server runs. No call waits for keys or the ledger."""

import asyncio
import time
from collections import deque
from collections.abc import Coroutine, Mapping
from contextlib import AsyncExitStack, suppress
from typing import Any, Self

from dragoman.access.ring import Ring
from dragoman.errors import StoreDown
from dragoman.logs import log
from dragoman.meter import today
from dragoman.meter.options import Usage
from dragoman.store import Lasting, Row, Store
from dragoman.store import opened as opening

LOOK_SECONDS = 1.0
"""How often keys are looked for that others have made or revoked."""
PAUSE_SECONDS = 0.05
"""Between two looks, however many callers want one."""
PATIENCE_SECONDS = 5.0
"""How long a start, or a caller with an unknown key, waits for the store."""
SUMS_SECONDS = 5.0
"""How often it is looked up what is spent."""
WRITE_SECONDS = 0.25
TRIM_SECONDS = 3600.0
END_SECONDS = 5.0
BATCH = 1000
COMPLAIN_SECONDS = 60.0


class Accounts:
    """A store in use: `ring` holds its keys, `note` takes what calls came to, `spent` tells what is spent, and `memory`
    keeps what outlives a call.

    A store that is down is tried again; until then keys stay what they were, and rows wait.
    """

    def __init__(self, url: str, usage: Usage) -> None:
        self.ring = Ring()
        self.ring.complete = False
        self.memory = Lasting(lambda: self.store)
        self.dropped = self.written = 0
        self._url, self._usage = url, usage
        self._store: Store | None = None
        self._revision = 0
        self._rows: deque[Row] = deque()
        self._sums: Mapping[tuple[str, str, str], tuple[int, int]] = {}
        self._wanted: asyncio.Future[None] | None = None
        self._wake = asyncio.Event()
        self._complained: dict[str, float] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._open = AsyncExitStack()
        work = (self._looking(), self._writing(), self._summing(), self._trimming())
        self._tasks = [asyncio.ensure_future(each) for each in work]
        await self.look()
        await self._tried("store down", self._sum())
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(TimeoutError, StoreDown):
            async with asyncio.timeout(END_SECONDS):
                await self._write()
        if self._rows:
            log.error("usage lost", rows=len(self._rows), message="the store could not be written to until the end")
        await self._open.aclose()

    @property
    def store(self) -> Store:
        """The open store. Raises StoreDown."""
        if self._store is None:
            raise StoreDown("it could not be opened yet")
        return self._store

    def note(self, row: Row) -> None:
        """Has a call written, soon."""
        if len(self._rows) >= self._usage.queue:
            self.dropped += 1
            self._complain("usage dropped", dropped=self.dropped)
        else:
            self._rows.append(row)

    def spent(self, key: str, model: str, period: str) -> tuple[int, int]:
        """What was spent by a key, on a model, or by one on the other, as far as it is known: tokens and billionths."""
        return self._sums.get((key, model, period), (0, 0))

    async def look(self) -> None:
        """Looks for keys that are new, revoked or changed. It gives up when the store takes too long."""
        if self._wanted is None:
            self._wanted = asyncio.get_running_loop().create_future()
            self._wake.set()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE_SECONDS):
                await asyncio.shield(self._wanted)

    async def _looking(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._wake.wait()
            self._wake.clear()
            wanted, self._wanted = self._wanted, None
            await self._tried("store down", self._learn())
            if wanted:
                wanted.set_result(None)
            await asyncio.sleep(PAUSE_SECONDS)

    async def _learn(self) -> None:
        if self._store is None:
            self._store = await self._open.enter_async_context(opening(self._url))
        revision, keys = await self._store.changed(self._revision)
        for key in keys:
            self.ring.put(key)
        self._revision, self.ring.complete = revision, True

    async def _writing(self) -> None:
        while True:
            await asyncio.sleep(WRITE_SECONDS)
            if self._rows:
                await self._tried("usage waits", self._write())

    async def _write(self) -> None:
        while self._rows:
            batch = [self._rows[place] for place in range(min(BATCH, len(self._rows)))]
            await self.store.write(batch)
            self.written += len(batch)
            for _ in batch:
                self._rows.popleft()

    async def _summing(self) -> None:
        while True:
            await self._tried("store down", self._sum())
            await asyncio.sleep(SUMS_SECONDS if self._store else LOOK_SECONDS / 4)

    async def _sum(self) -> None:
        if self._store is None:
            return
        sums: dict[tuple[str, str, str], tuple[int, int]] = {}
        for key, model, period, tokens, cost in await self._store.spent(*today()):
            for scope in ((key, model, period), (key, "", period), ("", model, period)):
                before = sums.get(scope, (0, 0))
                sums[scope] = before[0] + tokens, before[1] + cost
        self._sums = sums

    async def _trimming(self) -> None:
        while True:
            await asyncio.sleep(TRIM_SECONDS)
            await self._tried("store down", self._trim())

    async def _trim(self) -> None:
        if self._store is not None:
            await self._store.trim(time.time() - self._usage.keep)
            await self._store.forget(time.time())

    async def _tried(self, event: str, work: Coroutine[Any, Any, None]) -> None:
        """Does something with the store; that it is down is logged, and no more."""
        try:
            await work
        except StoreDown as error:
            self._complain(event, message=str(error), waiting=len(self._rows))
        except Exception as error:
            log.error("store failed", message=type(error).__name__, exc_info=error)
        else:
            if self._complained.pop(event, None) is not None:
                log.info("store back", was=event)

    def _complain(self, event: str, **told: Any) -> None:
        """Logs an error, the same at most once a minute."""
        now = time.monotonic()
        if now - self._complained.get(event, -COMPLAIN_SECONDS) >= COMPLAIN_SECONDS:
            self._complained[event] = now
            log.error(event, **told)
