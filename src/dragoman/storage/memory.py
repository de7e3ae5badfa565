"""A memory in this process, of so many values and no more."""

from collections import OrderedDict
from time import monotonic


class InProcess:
    """Keeps values until their time is over; beyond `limit`, the one that was not used for longest goes first."""

    def __init__(self, limit: int = 100_000) -> None:
        self._limit = limit
        self._values: OrderedDict[str, tuple[bytes, float]] = OrderedDict()

    async def get(self, key: str) -> bytes | None:
        value, until = self._values.get(key, (None, 0.0))
        if until <= monotonic():
            self._values.pop(key, None)
            return None
        self._values.move_to_end(key)
        return value

    async def take(self, key: str) -> bytes | None:
        value, until = self._values.pop(key, (None, 0.0))
        return value if monotonic() < until else None

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        self._values[key] = (value, monotonic() + seconds)
        self._values.move_to_end(key)
        if len(self._values) > self._limit:
            self._values.popitem(last=False)

    async def drop(self, key: str) -> None:
        self._values.pop(key, None)
