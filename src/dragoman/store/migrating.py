"""Makes a database's tables, or brings them up to date: `python -m dragoman.store.migrating`, its URL on the input."""

import asyncio
import sys
from importlib import import_module
from io import StringIO
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection, create_engine, event

from dragoman.store.sqlite import connected
from dragoman.store.urls import path_of, without_password

CONNECT_SECONDS = 5.0
SCRIPTS = Path(__file__).parent / "migrations"
LOCK = 0x64726167
"""Of PostgreSQL's advisory locks, the one that migrations hold."""


def migrate(url: str, scripts: Path = SCRIPTS) -> None:
    """Runs the migrations that a database lacks, all of them or none. Others that do so at once wait."""
    path = path_of(url)
    if path is None:
        asyncio.run(_migrate_postgres(url, scripts))
    else:
        _migrate_sqlite(path, scripts)


def newest(scripts: Path = SCRIPTS) -> str | None:
    """The revision after the last migration."""
    return ScriptDirectory(str(scripts)).get_current_head()


def _migrate_sqlite(path: str, scripts: Path) -> None:
    engine = create_engine("sqlite://", creator=lambda: connected(path))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    try:
        with engine.begin() as connection:
            _upgrade(connection, scripts)
    finally:
        engine.dispose()


async def _migrate_postgres(url: str, scripts: Path) -> None:
    connection = await import_module("asyncpg").connect(url, timeout=CONNECT_SECONDS)
    try:
        async with connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK})")
            made = await connection.fetchval("SELECT to_regclass('alembic_version') IS NOT NULL")
            version = await connection.fetchval("SELECT version_num FROM alembic_version") if made else None
            if script := _script(version or "base", scripts).strip():
                await connection.execute(script)
    finally:
        await connection.close(timeout=CONNECT_SECONDS)


def _upgrade(connection: Connection, scripts: Path) -> None:
    config = _config(scripts)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _script(version: str, scripts: Path) -> str:
    """The SQL that brings a database up to date."""
    config, script = _config(scripts), StringIO()
    config.attributes["script"] = script
    command.upgrade(config, f"{version}:head", sql=True)
    return script.getvalue()


def _config(scripts: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(scripts).replace("%", "%%"))
    return config


def _main() -> str | None:
    """What is wrong, if anything is."""
    url = sys.stdin.read()
    try:
        migrate(url)
    except CommandError as error:
        return f"its tables are of a newer program than this one, or not dragoman's ({error})"
    except Exception as error:
        reason = f"{type(error).__name__}: {getattr(error, 'orig', None) or error}"
        return f"its tables could not be made: {without_password(reason, url)}".replace("\n", " ")
    return None


if __name__ == "__main__":
    sys.exit(_main())
