"""A database in a file, in a thread of its own."""

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import lru_cache
from itertools import chain
from pathlib import Path
from typing import TypeVar

from dragoman.errors import StoreDown
from dragoman.store.work import Added, Clash, Columns, Found, Fresh, Manner, One, Rows, Work

BUSY_SECONDS = 5.0
FRESH = Path(__file__).with_name("fresh.sql")
AT_ONCE = 50
"""Rows of one statement: each is a time that the interpreter is fought for with the event loop."""
BEGIN = {"read": "BEGIN", "write": "BEGIN IMMEDIATE", "keep": "BEGIN IMMEDIATE"}

T = TypeVar("T")


class SQLite:
    """A driver for a file."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._thread = ThreadPoolExecutor(1, "dragoman-store")
        self._open: sqlite3.Connection | None = None

    async def run(self, work: Work[T], manner: Manner) -> T:
        return await self._in_thread(lambda: self._run(work, manner))

    async def version(self) -> str | None:
        return await self._in_thread(self._version)

    async def make(self) -> bool:
        """Makes the tables of a file that has none; false if it has some."""
        return await self._in_thread(self._make)

    async def close(self) -> None:
        with suppress(StoreDown):
            await self._in_thread(self._close)
        self._thread.shutdown(wait=False)

    async def _in_thread(self, act: Callable[[], T]) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, act)
        except (sqlite3.Error, OSError) as error:
            raise StoreDown(told(self._path, error)) from error

    def _run(self, work: Work[T], manner: Manner) -> T:
        connection = self._connection()
        try:
            if manner != "read":
                connection.execute(f"PRAGMA synchronous = {'FULL' if manner == 'keep' else 'NORMAL'}")
            connection.execute(BEGIN[manner])
            came = _done(connection, work)
            connection.execute("COMMIT")
        except BaseException as error:
            self._undo(connection, error)
            if isinstance(error, sqlite3.IntegrityError):
                raise Clash(str(error)) from None
            raise
        return came

    def _undo(self, connection: sqlite3.Connection, error: BaseException) -> None:
        """Rolls back; a connection with which something is wrong is not used again."""
        with suppress(sqlite3.Error):
            connection.execute("ROLLBACK")
        if isinstance(error, sqlite3.DatabaseError) and not isinstance(error, sqlite3.IntegrityError):
            self._close()

    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            self._open = connected(self._path)
        return self._open

    def _version(self) -> str | None:
        connection = self._connection()
        made = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'").fetchone()
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone() if made else None
        return found[0] if found else None

    def _make(self) -> bool:
        connection = self._connection()
        try:
            connection.execute("BEGIN IMMEDIATE")
            empty = not connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            for statement in FRESH.read_text(encoding="utf-8").split(";\n") if empty else ():
                connection.execute(statement)
            connection.execute("COMMIT")
        except BaseException as error:
            self._undo(connection, error)
            raise
        return empty

    def _close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def connected(path: str) -> sqlite3.Connection:
    """A connection to a file, which is made if it is not there, for its owner alone. Raises as SQLite and os do."""
    if not Path(path).exists():
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    connection = sqlite3.connect(path, BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    try:
        _use_log(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _use_log(connection: sqlite3.Connection) -> None:
    """Has it write ahead into a log, so that readers do not wait for writers."""
    end = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
                connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # of several that do this at once, SQLite turns all but one away without waiting
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def told(path: str, error: Exception) -> str:
    """What is wrong with a database, for the log."""
    if not Path(path).parent.is_dir():
        return f"{path}: its folder is not there"
    return f"{path}: {getattr(error, 'strerror', None) or error}"


def _done(connection: sqlite3.Connection, work: Work[T]) -> T:
    found: Found = ()
    try:
        step = next(work)
        while True:
            match step:
                case One(sql, values):
                    found = connection.execute(_ours(sql), values).fetchall()
                case Fresh():
                    found = _fresh(connection, step)
                case Added():
                    _inserted(connection, step, step.rows, step.conflict)
                    found = ()
            step = work.send(found)
    except StopIteration as ended:
        came: T = ended.value
        return came


def _ours(sql: str) -> str:
    return sql.replace("$", "?")


def _fresh(connection: sqlite3.Connection, step: Fresh) -> Found:
    connection.execute("SAVEPOINT fresh")
    if _inserted(connection, step, step.rows, "DO NOTHING") == len(step.rows):
        return step.rows
    connection.execute("ROLLBACK TO fresh")
    return [row for row in step.rows if _inserted(connection, step, [row], "DO NOTHING")]


def _inserted(connection: sqlite3.Connection, step: Fresh | Added, rows: Rows, conflict: str) -> int:
    """How many of the rows were added, or changed what was there."""
    count = 0
    for start in range(0, len(rows), AT_ONCE):
        part = rows[start : start + AT_ONCE]
        sql = _inserting(step.table, tuple(step.columns), len(part), conflict)
        count += connection.execute(sql, list(chain.from_iterable(part))).rowcount
    return count


@lru_cache(4 * AT_ONCE)
def _inserting(table: str, columns: Columns, rows: int, conflict: str) -> str:
    names = ", ".join(name for name, _ in columns)
    places = ", ".join([f"({', '.join('?' * len(columns))})"] * rows)
    return f"INSERT INTO {table} ({names}) VALUES {places} ON CONFLICT {conflict}"  # noqa: S608
