"""`dragoman serve` as a process whose log can be read while it runs."""

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import yaml

from tests.test_cli import reachable

START_SECONDS = 30.0
DEVNULL = asyncio.subprocess.DEVNULL


@dataclass
class Running:
    """A server that runs: its first process, its configuration's file, its log so far."""

    process: asyncio.subprocess.Process
    file: Path
    log: Path
    url: str
    workers: int = 1

    def logged(self, event: str) -> list[dict[str, Any]]:
        """The log's lines about an event."""
        lines = [json.loads(line) for line in self.log.read_text().splitlines() if line[:1] == "{" and line[-1] == "}"]
        return [line for line in lines if line["event"] == event]

    async def logs(self, event: str, times: int = 1, within: float = 15.0) -> list[dict[str, Any]]:
        """Waits until there are so many lines about an event."""
        await until(lambda: len(self.logged(event)) >= times, f"{times} × {event!r}", self.log, within)
        return self.logged(event)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    async def ended(self, within: float = 20.0) -> int:
        """Its exit code, once it has ended by itself."""
        return await asyncio.wait_for(self.process.wait(), within)


async def until(so: Callable[[], bool], what: str, log: Path, within: float) -> None:
    """Waits until something is so; if it does not become so, the log is shown."""
    with suppress(TimeoutError):
        async with asyncio.timeout(within):
            while not so():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    assert so(), f"no {what} within {within} seconds\n{_read(log)}"


def _read(log: Path) -> str:
    return log.read_text()


def write(file: Path, config: Any) -> None:
    """Puts a configuration, or a text, in a file's place in one step."""
    fresh = file.with_suffix(".fresh")
    fresh.write_text(config if isinstance(config, str) else yaml.safe_dump(config, sort_keys=False))
    fresh.replace(file)


@asynccontextmanager
async def running(folder: Path, config: Any, *options: str, workers: int = 1) -> AsyncIterator[Running]:
    """`dragoman serve` on a free port, until the test is done with it; without a configuration it serves the demo.

    Its folder is where modules are found.
    """
    file, log = folder / "c.yaml", folder / "log"
    if config is not None:
        write(file, config)
        options = (file.name, *options)
    line = ["serve", *options, "--port", "0", "--workers", str(workers)]
    with log.open("wb") as written:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "dragoman", *line),
            cwd=folder,
            stdin=DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=written,
        )
    async with AsyncExitStack() as opened:
        opened.push_async_callback(_killed, process)
        async with asyncio.timeout(START_SECONDS):
            url = await _address(process, log)
            await reachable(url)
        server = Running(process, file, log, url, workers)
        if workers > 1:
            await all_serve(server)
        yield server


async def _address(process: asyncio.subprocess.Process, log: Path) -> str:
    """Where it says that it listens. All else that it prints stays unread, which is less than a pipe holds."""
    assert process.stdout
    said = (await process.stdout.readline()).decode()
    found = re.search(r"http://127\.0\.0\.1:\d+", said)
    assert found, f"{said}\n{_read(log)}"
    return found[0]


async def all_serve(server: Running) -> None:
    """Waits until every worker serves: each child of the first process that is one, on its port."""
    await until(lambda: len(serving(server)) == server.workers, "worker for each", server.log, START_SECONDS)


def serving(server: Running) -> list[int]:
    """The workers that obey signals by now, which they do from right before they accept."""
    return [child for child in children(server.process.pid) if _catches(child, signal.SIGHUP)]


def children(parent: int) -> list[int]:
    with suppress(FileNotFoundError):
        return [int(child) for child in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    return []


def _catches(process: int, number: signal.Signals) -> bool:
    with suppress(FileNotFoundError, ProcessLookupError):
        [caught] = re.findall(r"SigCgt:\s*([0-9a-f]+)", Path(f"/proc/{process}/status").read_text())
        return bool(int(caught, 16) >> (number - 1) & 1)
    return False


async def _killed(process: asyncio.subprocess.Process) -> None:
    """Ends what is left of it, its workers first, as nobody else would."""
    for child in children(process.pid):
        with suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
    with suppress(ProcessLookupError):
        process.kill()
    await process.wait()
    process._transport.close()  # type: ignore[attr-defined]


async def status(url: str, path: str) -> tuple[int, Any]:
    """The status and the JSON of a path, on a connection of its own."""
    async with aiohttp.ClientSession() as session, session.get(f"{url}{path}") as got:
        return got.status, await got.json()


async def listed(url: str) -> list[str]:
    """The names of the models."""
    return [model["id"] for model in (await status(url, "/v1/models"))[1]["data"]]
