"""What happens while a file cannot be used."""

import asyncio
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from dragoman.errors import StoreDown
from dragoman.store import opened
from tests.store.databases import NOON, asked, assert_sums_are_those_of_the_rows, key, row

BUSY = 0.3


@pytest.fixture
async def file(files, tmp_path):
    """The path of a store."""
    url = await files.new(f"down-{tmp_path.name}")
    return Path(url.removeprefix("sqlite:///"))


def at(path):
    return f"sqlite:///{path}"


def _may_mount():
    if os.geteuid() != 0 or not shutil.which("mount"):
        return False
    return (
        subprocess.run(["unshare", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"], capture_output=True).returncode
        == 0
    )


needs_mounting = pytest.mark.skipif(not _may_mount(), reason="only root may mount a small disk")


@contextmanager
def small_disk(folder, size):
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(folder)], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


async def may_write(store, batch):
    """Whether there was place for another batch."""
    assert batch < 100, "the disk is never full"
    try:
        await store.write([row(f"{batch}-{place}") for place in range(200)])
    except StoreDown as error:
        return not re.search("full|I/O", str(error))
    return True


async def down(url):
    """What it says when it cannot be opened."""
    with pytest.raises(StoreDown) as error:
        async with opened(url) as store:
            await store.changed(0)
    return str(error.value)


def test_nobody_else_may_read_a_new_file(tmp_path):
    before = os.umask(0)
    try:

        async def make():
            async with opened(at(tmp_path / "new.db")) as store:
                await store.add(key())
                return [stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()]

        assert set(asyncio.run(make())) == {0o600}
    finally:
        os.umask(before)


async def test_a_path_is_relative_to_the_folder_it_was_opened_in(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with opened("sqlite:///a%20b.db") as store:
        monkeypatch.chdir("/")
        await store.add(key())
    assert await asked(at(tmp_path / "a%20b.db"), "SELECT id FROM keys") == [("key_a",)]


async def test_a_writer_waits_for_another_process_no_longer_than_it_may(file, monkeypatch):
    monkeypatch.setattr("dragoman.store.sqlite.BUSY_SECONDS", BUSY)
    other = sqlite3.connect(file, isolation_level=None)
    async with opened(at(file)) as store:
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        with pytest.raises(StoreDown, match="locked"):
            await store.write([row("r1")])
        assert BUSY * 0.9 <= time.monotonic() - began < BUSY + 5
        assert await store.changed(0) == (0, [])  # reading waits for nobody
        other.execute("COMMIT")
        await store.write([row("r1")])
    other.close()
    await assert_sums_are_those_of_the_rows(at(file))


async def test_the_event_loop_turns_while_a_writer_waits(file, monkeypatch):
    monkeypatch.setattr("dragoman.store.sqlite.BUSY_SECONDS", BUSY)
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    async with opened(at(file)) as store:
        writing, turns = asyncio.ensure_future(store.write([row("r1")])), 0
        while not writing.done():
            await asyncio.sleep(0.005)
            turns += 1
        assert turns > 5
        assert isinstance(writing.exception(), StoreDown)
    other.close()


async def test_a_writer_that_is_cancelled_leaves_the_store_well(file):
    async with opened(at(file)) as store:
        for number in range(20):
            writing = asyncio.ensure_future(store.write([row(f"{number}-{place}") for place in range(200)]))
            await asyncio.sleep(0.0005 * number)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        await store.write([row("last")])
    await assert_sums_are_those_of_the_rows(at(file))


@needs_mounting
async def test_a_full_disk_is_told_and_nothing_is_half_written(tmp_path, files):
    with small_disk(tmp_path / "disk", "600k"):
        url = at(tmp_path / "disk/ledger.db")
        shutil.copy((await files.new("full")).removeprefix("sqlite:///"), tmp_path / "disk/ledger.db")
        async with opened(url) as store:
            filler, batches = tmp_path / "disk/filler", 0
            filler.write_bytes(bytes(200_000))
            while await may_write(store, batches):
                batches += 1
            filler.unlink()
            last = [row(f"{batches}-{place}") for place in range(200)]
            await store.write(last[:50])
            assert await asked(url, "SELECT count(*) FROM usage") == [(batches * 200 + 50,)]
            await assert_sums_are_those_of_the_rows(url)


@needs_mounting
async def test_a_disk_that_is_read_only_is_told(tmp_path, files):
    with small_disk(tmp_path / "disk", "2m"):
        url = at(tmp_path / "disk/ledger.db")
        shutil.copy((await files.new("read-only")).removeprefix("sqlite:///"), tmp_path / "disk/ledger.db")
        await asyncio.to_thread(subprocess.run, ["mount", "-o", "remount,ro", str(tmp_path / "disk")], check=True)
        assert str(tmp_path) in await down(url)


async def test_a_file_that_is_no_database_is_told_and_left_alone(tmp_path):
    (tmp_path / "notes.txt").write_text("not a database, and longer than the header of one would be " * 9)
    before = (tmp_path / "notes.txt").read_bytes()
    assert "not a database" in await down(at(tmp_path / "notes.txt"))
    assert (tmp_path / "notes.txt").read_bytes() == before


async def test_a_database_of_another_program_is_told_and_left_alone(tmp_path):
    await asked(at(tmp_path / "other.db"), "CREATE TABLE keys (mine INTEGER)")
    assert "already exists" in await down(at(tmp_path / "other.db"))
    assert await asked(at(tmp_path / "other.db"), "SELECT name FROM sqlite_master") == [("keys",)]


async def test_a_folder_that_is_missing_or_none_is_told(tmp_path):
    (tmp_path / "file").touch()
    for path in (tmp_path / "nowhere/ledger.db", tmp_path / "file/ledger.db"):
        assert "its folder is not there" in await down(at(path))
    assert "unable to open" in await down(at(tmp_path))


async def test_a_damaged_file_is_told(file):
    async with opened(at(file)) as store:
        await store.write([row(f"r{number}", NOON + number) for number in range(2000)])
    data = bytearray(file.read_bytes())
    data[8192:] = bytes(len(data) - 8192)
    file.write_bytes(data)
    async with opened(at(file)) as store:
        with pytest.raises(StoreDown, match="malformed"):
            await store.usage(["key"], 0)


async def test_many_stores_may_be_opened_and_closed_and_leave_nothing_open(file):
    def descriptors():
        return len(list(Path("/proc/self/fd").iterdir()))

    async with opened(at(file)):
        pass
    before = descriptors()
    for _ in range(30):
        async with opened(at(file)) as store:
            await store.changed(0)
    assert descriptors() <= before
