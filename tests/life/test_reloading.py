"""A server that reads its configuration again serves it from the next call on."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.life.running import Running, listed, running, write
from tests.life.talking import ask, backend, telling
from tests.upstream import Upstream, listening
from tests.watching import becomes

Tell = Callable[[Running], None]
OPTIONS: dict[str, tuple[tuple[str, ...], Tell]] = {
    "signal": ((), lambda server: server.send(signal.SIGHUP)),
    "watch": (("--watch",), lambda server: None),
}
WAYS = pytest.mark.parametrize(("options", "tell"), OPTIONS.values(), ids=OPTIONS)


def config(models: list[str], upstream: Upstream, **more: Any) -> dict[str, Any]:
    return {"backends": {"b": backend(upstream.url)}, "models": dict.fromkeys(models, "b"), **more}


async def changed(server: Running, what: Any, tell: Tell, event: str = "reloaded") -> dict[str, Any]:
    """Writes the file, and waits until the log tells what came of it."""
    before = len(server.logged(event))
    write(server.file, what)
    tell(server)
    return (await server.logs(event, before + 1))[-1]


@WAYS
async def test_new_models_come_old_ones_go_and_a_running_stream_finishes(
    tmp_path: Path, options: tuple[str, ...], tell: Tell
):
    async with (
        listening(telling(2)) as old,
        listening(telling(0)) as new,
        running(tmp_path, config(["kept", "gone"], old), *options) as server,
    ):
        stream = asyncio.create_task(ask(server.url, "gone", stream=True))
        await becomes(lambda: len(old.requests) == 1)
        await changed(server, config(["kept", "come"], new), tell)
        assert await listed(server.url) == ["kept", "come"]
        assert [(await ask(server.url, model)).whole for model in ("come", "kept")] == [True, True]
        told = await ask(server.url, "gone")
        assert (told.status, told.code) == (404, "model_not_found")
        assert not stream.done()
        assert (await stream).whole
        await becomes(lambda: old.open == 0)
        assert (len(old.requests), len(new.requests)) == (1, 2)


WRONG = {
    "modells: {}": "modells: is not a known key; did you mean 'models'?",
    "default_model: ${NOT_SET_ANYWHERE}": "the environment variable NOT_SET_ANYWHERE is not set",
    "default_model: nobody": "'nobody'",
    "][": "c.yaml",
}
"""What is added to the file, and what the log says of it."""


async def test_a_wrong_file_keeps_what_is_served_and_the_log_says_why(tmp_path: Path):
    _, tell = OPTIONS["signal"]
    async with listening(telling(0)) as upstream, running(tmp_path, config(["kept"], upstream)) as server:
        before = server.file.read_text()
        for added, why in WRONG.items():
            line = await changed(server, f"{before}\n{added}\n", tell, "reload failed")
            assert why in line["message"]
            assert line["level"] == "error"
            assert await listed(server.url) == ["kept"]
            assert (await ask(server.url, "kept")).whole
        await changed(server, config(["come"], upstream), tell)
        assert await listed(server.url) == ["come"]


async def test_a_file_that_is_watched_may_be_wrong_or_gone_for_a_while(tmp_path: Path):
    async with listening(telling(0)) as upstream, running(tmp_path, config(["kept"], upstream), "--watch") as server:
        write(server.file, "models: [")
        await server.logs("reload failed")
        server.file.unlink()
        server.send(signal.SIGHUP)
        line = (await server.logs("reload failed", 2))[-1]
        assert "c.yaml: cannot be read" in line["message"]
        assert (await ask(server.url, "kept")).whole
        write(server.file, config(["come"], upstream))
        await server.logs("reloaded")
        assert await listed(server.url) == ["come"]
        server.file.write_text(server.file.read_text().replace("come: b", "last: b"))
        await server.logs("reloaded", 2)
        assert await listed(server.url) == ["last"]


async def test_reloading_again_and_again_leaves_one_configuration(tmp_path: Path):
    """Signals that come faster than a reload takes are all obeyed in the end."""
    async with listening(telling(0)) as upstream, running(tmp_path, config(["m"], upstream)) as server:
        for number in range(30):
            write(server.file, config([f"m{number}"], upstream))
            server.send(signal.SIGHUP)
        async with asyncio.timeout(15):
            while await listed(server.url) != ["m29"]:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        server.send(signal.SIGTERM)
        assert await server.ended() == 0
        assert server.logged("reload failed") == []


async def test_the_demo_has_nothing_to_reload(tmp_path: Path):
    async with running(tmp_path, None) as server:
        server.send(signal.SIGHUP)
        await server.logs("nothing to reload")
        assert (await ask(server.url, "mock-gpt-model")).status == 200
