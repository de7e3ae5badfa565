"""Databases for tests, and what stands in them, asked past the program."""

import asyncio
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import asyncpg

from dragoman.grants import Grant
from dragoman.store import Digest, Row, StoredKey
from dragoman.store.opening import opened

NOON = 1_795_521_600.0
"""2026-11-24 12:00 UTC."""
DAY = 86400.0

GROUPS = "day, key, model, backend, surface"
BY_DAY = f"""
SELECT {GROUPS}, count(*), sum(CASE WHEN status >= 400 THEN 1 ELSE 0 END), sum(prompt_tokens), sum(completion_tokens),
    sum(estimated), sum(cost), sum(total) FROM usage GROUP BY {GROUPS}
"""
DAYS = f"SELECT {GROUPS}, calls, failed, prompt_tokens, completion_tokens, estimated, cost, seconds FROM usage_days"
SPENT_NOW = " UNION ALL ".join(
    f"SELECT key, model, {period} AS period, sum(prompt_tokens + completion_tokens), sum(cost) "
    "FROM usage GROUP BY 1, 2, 3"
    for period in ("day", "substr(day, 1, 7)", "'total'")
)
SPENT = "SELECT key, model, period, tokens, cost FROM spent"


def row(id: str, at: float = NOON, **changes: Any) -> Row:
    """A call; its seconds are exact, so that sums are."""
    made = Row(id, at, "key_a", "m", "b", "chat", 10, 20, False, 1000, 200, 0.25, 0.5, f"req_{id}")
    return made._replace(**changes)


def key(id: str = "key_a", name: str = "alice", grant: Grant | None = None, **changes: Any) -> StoredKey:
    digests = changes.pop("digests", (Digest(f"digest of {id}", "wxyz"),))
    return StoredKey(id, name, grant or Grant(), NOON, digests=digests, **changes)


async def asked(url: str, sql: str) -> list[tuple[Any, ...]]:
    """What a database answers."""
    if url.startswith("sqlite"):
        return await asyncio.to_thread(_asked_file, url.removeprefix("sqlite:///"), sql)
    connection = await asyncpg.connect(url)
    try:
        return [tuple(each) for each in await connection.fetch(sql)]
    finally:
        await connection.close()


def _asked_file(path: str, sql: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path, 10, isolation_level=None)
    try:
        return connection.execute(sql).fetchall()
    finally:
        connection.close()


async def assert_sums_are_those_of_the_rows(url: str) -> None:
    for rows, sums in ((BY_DAY, DAYS), (SPENT_NOW, SPENT)):
        assert sorted(map(_plain, await asked(url, rows))) == sorted(map(_plain, await asked(url, sums)))


def _plain(found: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(each if isinstance(each, str) else float(each) for each in found)


class Files:
    """SQLite files in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def new(self, name: str) -> str:
        """The URL of a store that has nothing in it yet."""
        template = self._folder / "template.db"
        if not template.exists():
            async with opened(f"sqlite:///{template}"):
                pass
        shutil.copy(template, self._folder / f"{name}.db")
        return self.empty(name)

    def empty(self, name: str) -> str:
        """The URL of a database without tables."""
        return f"sqlite:///{self._folder / name}.db"


class Servers:
    """Databases of a PostgreSQL."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self._template = False

    async def new(self, name: str) -> str:
        if not self._template:
            async with opened(self.empty("template")):
                pass
            self._template = True
        await asyncio.to_thread(self.server.tell, f'CREATE DATABASE "{name}" TEMPLATE template', "postgres")
        return str(self.server.named(name))

    def empty(self, name: str) -> str:
        return str(self.server.make(name))
