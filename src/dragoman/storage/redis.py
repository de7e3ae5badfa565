"""A memory in Redis, which several processes share."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Self

from dragoman.errors import ConfigError, MemoryDown, check_keepable

try:
    from redis.asyncio import BlockingConnectionPool
    from redis.asyncio import Redis as Client
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True

PREFIX = "dragoman:"
CONNECT_SECONDS = 1.0
COMMAND_SECONDS = 1.0
CONNECTIONS = 50
LONGEST = 10 * 365 * 24 * 3600.0
"""Seconds that a value is kept at most."""


class Redis:
    """Keeps values in Redis (6.2 or newer). Raises MemoryDown when it does not answer within two seconds."""

    def __init__(self, url: str) -> None:
        """Raises ConfigError if the URL cannot be used, or redis-py is not there."""
        if not INSTALLED:
            raise ConfigError("a memory in Redis needs its library: install dragoman[redis]")
        self._client = Client.from_pool(_pool(url))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self._client.aclose()

    async def get(self, key: str) -> bytes | None:
        value: bytes | None = await _told(self._client.get(_named(key)))
        return value

    async def take(self, key: str) -> bytes | None:
        value: bytes | None = await _told(self._client.getdel(_named(key)))
        return value

    async def put(self, key: str, value: bytes, seconds: float) -> None:
        check_keepable(value)
        milliseconds = max(1, round(min(seconds, LONGEST) * 1000))
        await _told(self._client.set(_named(key), value, px=milliseconds))

    async def drop(self, key: str) -> None:
        await _told(self._client.delete(_named(key)))


async def _told(command: Awaitable[Any]) -> Any:
    """What Redis answers. Raises MemoryDown."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS + COMMAND_SECONDS):
            return await command
    except (RedisError, OSError) as error:
        raise MemoryDown(f"{type(error).__name__}: {error}") from error


def _named(key: str) -> bytes:
    return f"{PREFIX}{key}".encode(errors="surrogatepass")


def _pool(url: str) -> "BlockingConnectionPool":
    try:
        pool = BlockingConnectionPool.from_url(
            url,
            max_connections=CONNECTIONS,
            timeout=CONNECT_SECONDS,
            socket_connect_timeout=CONNECT_SECONDS,
            socket_timeout=COMMAND_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        pool.connection_class(**pool.connection_kwargs)  # which reads the options, and connects to nothing
    except (ValueError, TypeError):
        # not from the error: it may quote the password
        raise ConfigError("this is no URL of a Redis: write redis://[USER:PASSWORD@]HOST[:PORT][/NUMBER]") from None
    return pool
