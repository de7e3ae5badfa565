"""Tables are made and brought up to date, however many begin to at once."""

import asyncio
import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dragoman.errors import StoreDown
from dragoman.store import opened
from dragoman.store.memory import Value
from dragoman.store.migrating import SCRIPTS, migrate, newest
from dragoman.store.opening import NEWEST
from tests.store.databases import NOON, asked, assert_sums_are_those_of_the_rows, key, row

ANOTHER = '''
"""Names the colour of each key."""

import sqlalchemy as sa
from alembic import op

revision, down_revision = "9999", "0002"


def upgrade():
    op.add_column("keys", sa.Column("colour", sa.Text, nullable=False, server_default="grey"))
    op.execute("UPDATE usage SET model = 'renamed'")
    op.execute("UPDATE usage_days SET model = 'renamed'")
    op.execute("UPDATE spent SET model = 'renamed'")
'''
FAILING = ANOTHER + '    op.execute("UPDATE nowhere SET nothing = 1")\n'


@pytest.fixture
def scripts(tmp_path):
    """Migrations of another time: those of now, and what a test adds to `versions`."""
    return Path(shutil.copytree(SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__")))


def test_the_newest_revision_is_the_one_that_is_known():
    assert newest() == NEWEST


def test_all_that_a_migration_needs_is_beside_the_code():
    assert {each.name for each in SCRIPTS.iterdir()} >= {"env.py", "script.py.mako", "versions"}


async def test_a_new_database_gets_its_tables(empty):
    async with opened(empty) as store:
        await store.add(key())
        await store.write([row("r1")])
    assert await asked(empty, "SELECT version_num FROM alembic_version") == [(NEWEST,)]


async def test_a_new_file_gets_at_once_what_the_migrations_would_make(tmp_path, monkeypatch):
    migrate(f"sqlite:///{tmp_path}/migrated.db")
    monkeypatch.setattr(asyncio, "create_subprocess_exec", None)
    async with opened(f"sqlite:///{tmp_path}/fresh.db"):
        pass
    assert dumped(tmp_path / "fresh.db") == dumped(tmp_path / "migrated.db")


async def test_a_file_with_somebody_elses_tables_is_not_taken_for_a_new_one(tmp_path):
    with sqlite3.connect(tmp_path / "theirs.db") as connection:
        connection.execute("CREATE TABLE keys (theirs TEXT)")
    with pytest.raises(StoreDown):
        async with opened(f"sqlite:///{tmp_path}/theirs.db"):
            pass
    with sqlite3.connect(tmp_path / "theirs.db") as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("keys",)]


def dumped(file):
    """All that is in a database, whatever the blanks."""
    with sqlite3.connect(file) as connection:
        return [line.split() for line in connection.iterdump()]


async def test_a_current_database_is_opened_at_once_and_without_a_process(url, monkeypatch):
    async with opened(url):  # which also imports what it needs
        pass
    monkeypatch.setattr(asyncio, "create_subprocess_exec", None)
    took = []
    for _ in range(10):
        began = time.perf_counter()
        async with opened(url) as store:
            took.append(time.perf_counter() - began)
            assert await store.changed(0) == (0, [])
    assert min(took) < 0.05


@pytest.mark.parametrize("count", [2, 6])
def test_as_many_processes_as_there_are_may_open_a_new_database_at_once(empty, count):
    command = [sys.executable, "-m", "tests.store.opening", empty, str(count)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert (done.stdout, done.stderr) == ("opened\n" * count, "")


async def test_an_older_database_keeps_what_it_holds(url, scripts):
    async with opened(url) as store:
        await store.add(key("key_1", "alice"))
        await store.write([row(f"r{number}") for number in range(300)])
    (scripts / "versions/9999_colour.py").write_text(ANOTHER)
    await asyncio.to_thread(migrate, url, scripts)
    assert await asked(url, "SELECT id, name, colour FROM keys") == [("key_1", "alice", "grey")]
    assert await asked(url, "SELECT model, count(*) FROM usage GROUP BY model") == [("renamed", 300)]
    await assert_sums_are_those_of_the_rows(url)
    await asyncio.to_thread(migrate, url, scripts)  # once more changes nothing
    assert await asked(url, "SELECT version_num FROM alembic_version") == [("9999",)]


async def test_a_database_without_a_memory_gets_one_and_keeps_its_keys_and_its_ledger(empty, scripts):
    later = [each for each in (scripts / "versions").glob("0*.py") if each.name >= "0002"]
    for each in later:
        each.unlink()
    await asyncio.to_thread(migrate, empty, scripts)
    sql = "INSERT INTO usage_days VALUES ('2026-11-24', 'key_1', 'm', 'b', 'chat', 7, 0, 70, 140, 0, 7000, 3.5)"
    await asked(empty, sql)
    await asked(empty, f"INSERT INTO keys VALUES ('key_1', 'alice', '{{}}', {NOON}, '', NULL, 1)")
    assert await asked(empty, "SELECT version_num FROM alembic_version") == [("0001",)]
    async with opened(empty) as store:
        assert [each["calls"] for each in await store.usage(["key"], 0)] == [7]
        assert [each.name for each in (await store.changed(-1))[1]] == ["alice"]
        await store.put([Value("k", b"v", NOON)])
        assert await store.get("k", NOON - 1) == b"v"
    assert await asked(empty, "SELECT version_num FROM alembic_version") == [(NEWEST,)]


async def test_a_database_that_is_newer_than_the_program_is_refused_and_left_alone(url, scripts):
    (scripts / "versions/9999_colour.py").write_text(ANOTHER)
    await asyncio.to_thread(migrate, url, scripts)
    with pytest.raises(StoreDown, match="newer program"):
        async with opened(url):
            pass
    assert await asked(url, "SELECT version_num FROM alembic_version") == [("9999",)]


async def test_a_migration_that_fails_leaves_everything_as_it_was(url, scripts):
    async with opened(url) as store:
        await store.write([row("r1")])
    (scripts / "versions/9999_colour.py").write_text(FAILING)
    with pytest.raises(Exception, match="nowhere"):
        await asyncio.to_thread(migrate, url, scripts)
    assert await asked(url, "SELECT model FROM usage") == [("m",)]
    async with opened(url) as store:
        assert await store.changed(0) == (0, [])


async def test_migrations_that_take_too_long_are_given_up(empty, scripts, monkeypatch):
    (scripts / "versions/0002_memory.py").unlink()
    await asyncio.to_thread(migrate, empty, scripts)
    monkeypatch.setattr("dragoman.store.opening.MIGRATE_SECONDS", 0.01)
    with pytest.raises(StoreDown, match="within"):
        async with opened(empty):
            pass
