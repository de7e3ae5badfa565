"""A gateway before a model that gives only text, as clients meet it."""

import asyncio
import fcntl
import json
import os
import shutil
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TextIO

import pytest

from tests.clients.model import answering, embedding, text_of
from tests.serving import gateway
from tests.upstream import Script, Upstream, listening

CLIENTS = Path(".venv/clients/bin/python").absolute()
NODE = Path(".venv/node/bin/node").absolute()
MODULES = Path(".venv/node/node_modules").absolute()
RUN_BY = {".py": CLIENTS, ".mjs": NODE}
PROGRAMS = Path(__file__).parent / "programs"
PATIENCE = 120.0
"""Seconds that a program may take."""
NOTHING: dict[str, str] = {}
"""What programs have of the environment: no proxy, no key, nobody to be told."""

needs_clients = pytest.mark.skipif(not CLIENTS.exists(), reason="`scripts/environment clients` was not run")
needs_node = pytest.mark.skipif(not NODE.exists(), reason="`scripts/environment node` was not run")

SHAPES = {"prompt": {"prompt": "{{ prompt }}"}, "messages": {"messages": "{{ messages }}"}}
MANNERS = ("chatty", "forgetful", "careless")
MODELS = (*SHAPES, *MANNERS)
EMBEDS = "vectors"
"""The model that embeds."""
SHOWN = "mock-gpt-model"
"""The model that guides ask."""
LISTED = [*MODELS, SHOWN, EMBEDS]


@dataclass(frozen=True)
class Place:
    """Where clients find it, and what the model was asked."""

    url: str
    upstream: Upstream

    @property
    def prompts(self) -> list[str]:
        """What the model has read."""
        return [text_of(received.json) for received in self.upstream.requests]

    async def ran(self, program: str) -> dict[str, Any]:
        """What each of a program's checks found, by its name; and as `asked`, what the model was."""
        with workplace() as folder:
            shutil.copytree(PROGRAMS, folder, dirs_exist_ok=True)
            told = await printed(RUN_BY[Path(program).suffix], program, f"{self.url}/v1", folder=folder)
        return {**json.loads(told), "asked": [received.json for received in self.upstream.requests]}


@contextmanager
def workplace() -> Iterator[Path]:
    """A folder where what is written for Node finds its modules."""
    with TemporaryDirectory() as name:
        (Path(name) / "node_modules").symlink_to(MODULES)
        yield Path(name)


async def printed(*command: str | Path, folder: Path, environment: dict[str, str] = NOTHING) -> str:
    """What a command prints, which must end well and in time, and leaves nothing running."""
    running = await asyncio.create_subprocess_exec(
        *command,
        cwd=folder,
        env=environment,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        start_new_session=True,
    )
    try:
        async with asyncio.timeout(PATIENCE):
            told, _ = await running.communicate()
    finally:
        with suppress(ProcessLookupError):
            os.killpg(running.pid, signal.SIGKILL)
    assert running.returncode == 0, told.decode()
    return told.decode()


async def once(kept: Path, run: Callable[[], Awaitable[dict[str, Any]]]) -> dict[str, Any]:
    """What a run gave, whichever of pytest's processes was the first to need it."""
    with _held(kept) as file:
        told = file.read()
        if not told:
            told = json.dumps(await run())
            file.write(told)
    return dict(json.loads(told))


@contextmanager
def _held(path: Path) -> Iterator[TextIO]:
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        file.seek(0)
        yield file


@asynccontextmanager
async def opened(script: Script = answering) -> AsyncIterator[Place]:
    """One model of the gateway for each shape of request, and for each manner of the model's."""
    async with listening(script) as upstream:
        plain = {shape: _backend(upstream.url, request, "plain") for shape, request in SHAPES.items()}
        odd = {manner: _backend(upstream.url, SHAPES["prompt"], manner) for manner in MANNERS}
        models = {**{name: name for name in MODELS}, SHOWN: "prompt", "claude-*": "prompt", "gpt-*": "prompt"}
        async with listening(embedding) as embeds:
            asked = {"url": embeds.url, "request": {"texts": "{{ input }}"}, "response": {"vectors": "vectors"}}
            backends = {**plain, **odd, EMBEDS: {"kind": "http", "embeddings": asked}}
            async with gateway({"backends": backends, "models": {**models, EMBEDS: EMBEDS}}) as url:
                yield Place(url, upstream)


def _backend(url: str, request: dict[str, Any], manner: str) -> dict[str, Any]:
    return {
        "kind": "http",
        "url": url,
        "request": {**request, "manner": manner},
        "response": {"text": "reply"},
        "stream": {"framing": "sse", "text": "reply", "request": {"stream": True}},
    }
