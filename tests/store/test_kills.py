"""What was acknowledged is there, once, whenever the process that wrote it was killed."""

import asyncio
import json
import subprocess
import sys

from dragoman.store import opened
from tests.store.databases import asked, assert_sums_are_those_of_the_rows, row

TIMES = 200
LEAST = 20
"""Processes of them that wrote anything before they were killed, on however slow a machine."""


def _run(module: str, *given: str) -> str:
    command = [sys.executable, "-m", f"tests.store.{module}", *given]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout


async def test_no_kill_loses_or_doubles_what_was_acknowledged(url):
    acknowledged = json.loads(await asyncio.to_thread(_run, "killed", url, str(TIMES)))
    there = [id for (id,) in await asked(url, "SELECT id FROM usage")]
    assert len(there) == len(set(there))
    assert set(acknowledged) <= set(there)
    assert len({id.partition("-")[0] for id in acknowledged}) >= LEAST
    await assert_sums_are_those_of_the_rows(url)
    if url.startswith("sqlite"):
        assert await asked(url, "PRAGMA integrity_check") == [("ok",)]
    async with opened(url) as store:  # and goes on
        await store.write([row("after")])


async def test_processes_that_write_the_same_sums_at_once_all_succeed(url):
    told = await asyncio.gather(*(asyncio.to_thread(_run, "writing", url, str(number)) for number in range(3)))
    assert all(each == "written\n" for each in told)
    assert await asked(url, "SELECT count(*) FROM usage") == [(3 * 100 * 60,)]
    await assert_sums_are_those_of_the_rows(url)
