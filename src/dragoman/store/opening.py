"""A store, opened: connected to, and its tables brought up to date."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from typing import Protocol, cast

from dragoman.errors import StoreDown
from dragoman.store.kept import Store
from dragoman.store.sqlite import SQLite
from dragoman.store.urls import checked, path_of
from dragoman.store.work import Driver

NEWEST = "0002"
"""The revision of the database that this program is made for."""
MIGRATE_SECONDS = 60.0


class _Versioned(Driver, Protocol):
    async def version(self) -> str | None:
        """The revision that the database has; None if it is new."""
        ...

    async def make(self) -> bool:
        """Makes the newest tables at once, if it is new and that is possible; tells whether it did."""
        ...


def usable(url: str) -> None:
    """Raises ConfigError for a URL that no store can be at. Its message quotes nothing of it."""
    _driver(url)


@asynccontextmanager
async def opened(url: str) -> AsyncIterator[Store]:
    """The store at a URL; its tables are made or migrated first. Raises StoreDown, and ConfigError like `usable`."""
    driver = _driver(url)
    try:
        version = await driver.version()
        if version != NEWEST and not (version is None and await driver.make()):
            await _migrate(url)
        yield Store(driver)
    finally:
        await driver.close()


def _driver(url: str) -> _Versioned:
    path = path_of(checked(url))
    if path is not None:
        return SQLite(str(Path(path).absolute()))
    # its library takes long to import: only who wants it shall wait
    return cast(_Versioned, import_module("dragoman.store.postgres").Postgres(url))


async def _migrate(url: str) -> None:
    """Runs the migrations in a process of their own, whose libraries then go away with it."""
    command = (sys.executable, "-P", "-m", "dragoman.store.migrating")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, stdin=pipe, stdout=asyncio.subprocess.DEVNULL, stderr=pipe)
    try:
        async with asyncio.timeout(MIGRATE_SECONDS):
            _, complaint = await process.communicate(url.encode())
    except TimeoutError:
        raise StoreDown(f"its tables were not made within {MIGRATE_SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        lines = complaint.decode(errors="replace").strip().splitlines() or ["its tables could not be made"]
        raise StoreDown(lines[-1])
