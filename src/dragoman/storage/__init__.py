"""A memory that outlives a call: in this process, or in Redis for all of them. `store.Lasting` is a third."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib import import_module
from typing import Protocol

from dragoman.errors import ConfigError, MemoryDown
from dragoman.storage.memory import InProcess

__all__ = ["Memory", "MemoryDown", "opened"]

LIMIT = 100_000
REDIS = ("redis://", "rediss://", "unix://")


class Memory(Protocol):
    """Keeps bytes by their key, for a time. Everything asked of it may raise MemoryDown, and soon.

    What is larger than 16 MiB is refused with NotKept, which is a MemoryDown.
    """

    async def get(self, key: str) -> bytes | None:
        """The value; None if there is none, or its time is over."""
        ...

    async def take(self, key: str) -> bytes | None:
        """The value, which is forgotten: of many who take it at once, one gets it."""
        ...

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        """Keeps a value for so long, in place of what was there."""
        ...

    async def drop(self, key: str) -> None:
        """Forgets a value."""
        ...


def opened(url: str | None, limit: int = LIMIT) -> AbstractAsyncContextManager[Memory]:
    """The memory behind a Redis URL; without one, this process's own, of at most `limit` values.

    Raises ConfigError for a URL that cannot be used. Whether Redis is there shows when it is asked.
    """
    if url is None:
        return _kept(InProcess(limit))
    if not url.startswith(REDIS):
        raise ConfigError(f"a memory's URL begins with one of {', '.join(REDIS)}")
    # its library takes as long to import as all of ours: only who wants it shall wait
    redis: AbstractAsyncContextManager[Memory] = import_module("dragoman.storage.redis").Redis(url)
    return redis


@asynccontextmanager
async def _kept(memory: Memory) -> AsyncIterator[Memory]:
    yield memory
