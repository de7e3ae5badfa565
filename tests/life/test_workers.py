"""Several worker processes that share a port, told everything through the first process."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.life.running import Running, listed, running, serving, until, write
from tests.life.talking import Told, ask, backend, loaded, telling
from tests.upstream import listening

MODULE = "import os\n\ndef answer():\n    return str(os.getpid())\n"


def config(*models: str) -> dict[str, Any]:
    """Models that say which process answers."""
    return {"backends": {"b": {"kind": "python", "target": "mine:answer"}}, "models": dict.fromkeys(models, "b")}


@asynccontextmanager
async def two(folder: Path, *options: str) -> AsyncIterator[Running]:
    """A server of two workers."""
    (folder / "mine.py").write_text(MODULE)
    async with running(folder, config("m"), *options, workers=2) as server:
        yield server


async def heard(server: Running, model: str = "m", count: int = 2) -> set[int]:
    """The workers that answer, once so many have."""
    seen: set[int] = set()
    async with asyncio.timeout(20):
        while len(seen) < count:
            told = await asyncio.gather(*(ask(server.url, model) for _ in range(10)))
            assert {each.status for each in told} == {200}, [each.body for each in told]
            seen |= {int(each.text) for each in told}
    return seen


async def replaced(server: Running, killed: int, model: str) -> set[int]:
    """Kills a worker; the workers that answer once there is another in its place."""
    os.kill(killed, signal.SIGKILL)
    await until(lambda: serving(server) and killed not in serving(server), "end of the worker", server.log, 10)
    await until(lambda: len(serving(server)) == 2, "worker in its place", server.log, 20)
    return await heard(server, model)


async def test_all_workers_serve_the_port_and_a_signal_to_the_first_process_reloads_them(tmp_path: Path):
    async with two(tmp_path) as server:
        workers = await heard(server)
        assert workers == set(serving(server))
        write(server.file, "models: [")
        server.send(signal.SIGHUP)
        await server.logs("reload failed", 2)
        assert await heard(server) == workers
        write(server.file, config("come"))
        server.send(signal.SIGHUP)
        await server.logs("reloaded", 2)
        assert await heard(server, "come") == workers
        assert {tuple(await listed(server.url)) for _ in range(20)} == {("come",)}
        assert {(await ask(server.url)).status for _ in range(20)} == {404}


async def test_each_worker_watches_the_file_and_a_killed_one_is_replaced_by_one_that_does(tmp_path: Path):
    async with two(tmp_path, "--watch") as server:
        killed, spared = workers = await heard(server)
        write(server.file, config("come"))
        await server.logs("reloaded", 2)
        assert await heard(server, "come") == workers
        workers = await replaced(server, killed, "come")
        assert spared in workers
        assert killed not in workers
        assert {(await ask(server.url)).status for _ in range(20)} == {404}
        server.send(signal.SIGTERM)
        assert await server.ended() == 0


async def test_calls_of_the_other_worker_outlive_a_killed_one(tmp_path: Path):
    """Of calls that run when a worker is killed, those of the other are told whole, and so is who asks later."""
    async with listening(telling(0.3)) as upstream:
        made = {"backends": {"b": backend(upstream.url)}, "models": {"m": "b"}}
        async with running(tmp_path, made, workers=2) as server:
            killed, spared = serving(server)
            async with loaded(lambda number: ask(server.url, stream=True), callers=8) as load:
                await until(lambda: len(load.told) >= 16, "calls", server.log, 10)
                os.kill(killed, signal.SIGKILL)
                await until(lambda: killed not in serving(server), "end of the worker", server.log, 10)
                gone = asyncio.get_running_loop().time()
                await until(lambda: len(serving(server)) == 2, "worker in its place", server.log, 20)
                await until(lambda: later(load.told, gone), "later calls", server.log, 10)
            assert spared in serving(server)
            assert [told for told in load.told if told.began > gone and not told.whole] == []
            assert [began for began in load.refused if began > gone] == []
            assert len(load.refused) + len([told for told in load.told if not told.whole]) <= 8


def later(told: list[Told], moment: float) -> bool:
    return sum(each.began > moment for each in told) >= 16


async def test_a_worker_that_cannot_start_in_anothers_place_does_not_end_the_others(tmp_path: Path):
    lost = {"kind": "replay", "files": "nowhere", "backend": backend("http://127.0.0.1:1")}
    async with two(tmp_path) as server:
        kept, killed = await heard(server)
        write(server.file, {"backends": {**config()["backends"], "r": lost}, "models": {"m": "b", "r": "r"}})
        os.kill(killed, signal.SIGKILL)
        await server.logs("worker failed to start")
        assert await heard(server, count=1) == {kept}
        write(server.file, config("m"))
        await until(lambda: len(serving(server)) == 2, "worker in its place", server.log, 20)
        assert kept in await heard(server)
