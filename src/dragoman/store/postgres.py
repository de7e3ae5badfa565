"""A database in PostgreSQL, which several servers share."""

import asyncio
from importlib import import_module
from typing import Any, TypeVar

from dragoman.errors import ConfigError, StoreDown
from dragoman.store.urls import without_password
from dragoman.store.work import Added, Clash, Found, Fresh, Manner, One, Work

try:
    asyncpg = import_module("asyncpg")
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True

CONNECT_SECONDS = 5.0
COMMAND_SECONDS = 10.0
RUN_SECONDS = 15.0
"""All of a transaction, the connection included."""
CONNECTIONS = 2

T = TypeVar("T")


class Postgres:
    """A driver for PostgreSQL 12 or newer. What takes too long is given up, and its connection with it."""

    def __init__(self, url: str) -> None:
        """Raises ConfigError if asyncpg is not there."""
        if not INSTALLED:
            raise ConfigError("a store in PostgreSQL needs its library: install dragoman[postgres]")
        self._url = url
        self._pool: Any = None

    async def run(self, work: Work[T], manner: Manner) -> T:
        try:
            async with asyncio.timeout(RUN_SECONDS):
                return await self._run(work, "BEGIN READ ONLY" if manner == "read" else "BEGIN")
        except asyncpg.UniqueViolationError as error:
            raise Clash(str(error)) from None
        except (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError, OSError) as error:
            raise StoreDown(self._told(error)) from error

    async def version(self) -> str | None:
        return await self.run(_version(), "read")

    async def make(self) -> bool:
        """Tables are made by migrations only: a server has one database for long."""
        return False

    async def close(self) -> None:
        if self._pool is not None:
            self._pool.terminate()

    async def _run(self, work: Work[T], begin: str) -> T:
        if self._pool is None:
            self._pool = await self._opened()
        connection = await self._pool.acquire(timeout=CONNECT_SECONDS)
        try:
            await connection.execute(begin)
            came = await _done(connection, work)
            await connection.execute("COMMIT")
        except BaseException:
            connection.terminate()  # which rolls back, and waits for nothing
            raise
        finally:
            await self._pool.release(connection, timeout=CONNECT_SECONDS)
        return came

    async def _opened(self) -> Any:
        return await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=CONNECTIONS,
            timeout=CONNECT_SECONDS,
            command_timeout=COMMAND_SECONDS,
            server_settings={"application_name": "dragoman"},
        )

    def _told(self, error: BaseException) -> str:
        reason = "it did not answer in time" if isinstance(error, TimeoutError) else f"{type(error).__name__}: {error}"
        return without_password(reason, self._url)


def _version() -> Work[str | None]:
    made = yield One("SELECT to_regclass('alembic_version') IS NOT NULL")
    found = (yield One("SELECT version_num FROM alembic_version")) if made[0][0] else ()
    return found[0][0] if found else None


async def _done(connection: Any, work: Work[T]) -> T:
    found: Found = ()
    try:
        step = next(work)
        while True:
            match step:
                case One(sql, values):
                    found = await connection.fetch(sql, *values)
                case Fresh():
                    found = await _fresh(connection, step)
                case Added():
                    await _inserted(connection, step, step.conflict)
                    found = ()
            step = work.send(found)
    except StopIteration as ended:
        came: T = ended.value
        return came


async def _fresh(connection: Any, step: Fresh) -> Found:
    added = {row[0] for row in await _inserted(connection, step, "DO NOTHING RETURNING id")}
    return step.rows if len(added) == len(step.rows) else [row for row in step.rows if row[0] in added]


async def _inserted(connection: Any, step: Fresh | Added, conflict: str) -> Found:
    names = ", ".join(name for name, _ in step.columns)
    arrays = ", ".join(f"${place}::{type}[]" for place, (_, type) in enumerate(step.columns, 1))
    sql = f"INSERT INTO {step.table} ({names}) SELECT * FROM unnest({arrays}) ON CONFLICT {conflict}"  # noqa: S608
    found: Found = await connection.fetch(sql, *zip(*step.rows, strict=True))
    return found
