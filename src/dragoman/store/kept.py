"""The store: keys, usage and what outlives a call, whatever database holds them."""

from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.store.keys import add, changed, revoke, rotate
from dragoman.store.ledger import TRIMMED, spent, trim, write
from dragoman.store.memory import FORGOTTEN, Value, drop, forget, get, put, take
from dragoman.store.rows import Digest, Row, StoredKey, Taken
from dragoman.store.sums import usage
from dragoman.store.work import Clash, Driver

MOST_ROWS = 1000
NONE: Mapping[str, str] = {}


class Store:
    """An open database. Everything asked of it may raise StoreDown, and soon."""

    def __init__(self, driver: Driver) -> None:
        self._driver = driver

    async def changed(self, since: int) -> tuple[int, list[StoredKey]]:
        """The revision now, and all keys that changed after that one, revoked ones too; all of them after 0."""
        return await self._driver.run(changed(since), "read")

    async def add(self, key: StoredKey) -> None:
        """Adds a key. Raises Taken if one that is not revoked has its name."""
        try:
            await self._driver.run(add(key), "keep")
        except Clash:
            raise Taken(f"a key is named {key.name!r} already") from None

    async def rotate(self, id: str, digest: Digest, until: float) -> None:
        """Gives a key another secret; those before it end at `until`, if they do not end sooner.

        Raises LookupError if no key that is in use has that id.
        """
        await self._driver.run(rotate(id, digest, until), "keep")

    async def revoke(self, id: str, at: float) -> None:
        """Ends a key; one that has ended stays as it is."""
        await self._driver.run(revoke(id, at), "keep")

    async def write(self, rows: Sequence[Row]) -> None:
        """Adds calls to the ledger, each once, however often it is written. Up to 1000 at a time are added together."""
        for start in range(0, len(rows), MOST_ROWS):
            await self._driver.run(write(rows[start : start + MOST_ROWS]), "write")

    async def spent(self, day: str, month: str) -> list[tuple[str, str, str, int, int]]:
        """Key, model, period, tokens and billionths of money: that day, that month, and in `total`."""
        return await self._driver.run(spent(day, month), "read")

    async def usage(
        self, by: Sequence[str], since: float, until: float | None = None, only: Mapping[str, str] = NONE
    ) -> list[dict[str, Any]]:
        """What was used, summed up by any of `key`, `model`, `backend`, `surface`, `day` and `status`.

        Told are calls, failed ones, tokens, the calls whose tokens are estimates, cost and seconds. Where calls are not
        there one by one any more, a day that `since` or `until` is within counts as a whole, and by `status` they do
        not count at all. Raises ValueError for anything else to group by.
        """
        return await self._driver.run(usage(by, since, until, only), "read")

    async def trim(self, before: float) -> int:
        """Deletes the calls before that time, and keeps the sums of their days; returns how many it were."""
        trimmed = last = await self._driver.run(trim(before), "write")
        while last == TRIMMED:
            last = await self._driver.run(trim(before), "write")
            trimmed += last
        return trimmed

    async def get(self, key: str, now: float) -> bytes | None:
        """What is kept by a key; None if there is nothing, or its time is over."""
        return await self._driver.run(get(key, now), "read")

    async def take(self, key: str, now: float) -> bytes | None:
        """The same, which is forgotten: of many who take it at once, one gets it."""
        return await self._driver.run(take(key, now), "write")

    async def put(self, values: Sequence[Value]) -> None:
        """Keeps values, in place of what was there, all of them or none."""
        await self._driver.run(put(values), "write")

    async def drop(self, key: str) -> None:
        """Forgets a value."""
        await self._driver.run(drop(key), "write")

    async def forget(self, now: float) -> int:
        """Deletes the values whose time is over; returns how many it were."""
        forgotten = last = await self._driver.run(forget(now), "write")
        while last == FORGOTTEN:
            last = await self._driver.run(forget(now), "write")
            forgotten += last
        return forgotten
