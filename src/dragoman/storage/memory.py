"""A memory in this process, of so many values and bytes and no more."""

from collections import OrderedDict
from time import monotonic

from dragoman.errors import check_keepable

MOST = 64 * 1024 * 1024


class InProcess:
    """Keeps values until their time is over; beyond `limit` of them, or `most` bytes of keys and values in all, those
    go first that were not used for longest."""

    def __init__(self, limit: int = 100_000, most: int = MOST) -> None:
        self._limit, self._most = limit, most
        self._values: OrderedDict[str, tuple[bytes, float]] = OrderedDict()
        self._bytes = 0

    async def get(self, key: str) -> bytes | None:
        value, until = self._values.get(key, (None, 0.0))
        if until <= monotonic():
            self._pop(key)
            return None
        self._values.move_to_end(key)
        return value

    async def take(self, key: str) -> bytes | None:
        value, until = self._pop(key)
        return value if monotonic() < until else None

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        check_keepable(value)
        self._pop(key)
        self._values[key] = (value, monotonic() + seconds)
        self._bytes += len(key) + len(value)
        while len(self._values) > self._limit or self._bytes > self._most:
            self._pop(next(iter(self._values)))

    async def drop(self, key: str) -> None:
        self._pop(key)

    def _pop(self, key: str) -> tuple[bytes | None, float]:
        kept = self._values.pop(key, None)
        if kept is None:
            return None, 0.0
        self._bytes -= len(key) + len(kept[0])
        return kept
