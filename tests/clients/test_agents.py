"""Codex and Claude Code do a task on a chat API that gives only text: the calls of their tools are read out of it."""

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.clients.guide import shown
from tests.clients.place import MODULES, NODE, SHOWN, Place, needs_node, opened, printed, workplace
from tests.clients.worker import task, working

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_node]

WORDS = "Hello from afar, it is 'quoted'"
UNASKED = "--dangerously-bypass-approvals-and-sandbox"
CODEX = (NODE, MODULES / "@openai/codex/bin/codex.js", "exec", "--skip-git-repo-check", UNASKED)
ALLOWED = ("--allowedTools", "Bash,Read,Write", "--")
CLAUDE = (NODE, MODULES / "@anthropic-ai/claude-code/cli-wrapper.cjs", "--print", *ALLOWED)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def place() -> AsyncIterator[Place]:
    async with opened(working) as place:
        yield place


@pytest.fixture
def folder(place: Place):
    """Where an agent works, and is at home."""
    place.upstream.requests.clear()
    with workplace() as folder:
        yield folder


async def did(place: Place, folder: Path, *agent: str | Path, **own: str) -> None:
    """An agent does the task: the file is there, and what it read in it came back to the model, which says so."""
    asked = task(folder / "greeting.txt", WORDS)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(folder), **own}
    told = await printed(*agent, asked, folder=folder, environment=environment)
    assert (folder / "greeting.txt").read_text().strip() == WORDS
    assert told.strip().endswith(f"It says: {WORDS}")
    assert [prompt.partition(asked)[2].count("<tool_result") for prompt in place.prompts] == [0, 1, 2]
    assert all(received.json["stream"] for received in place.upstream.requests)


def exported(place: Place) -> dict[str, str]:
    """What the guide has Claude Code's environment be."""
    return dict(re.findall(r"^export (\w+)=(.*)$", shown("sh", place.url)[0], re.MULTILINE))


@pytest.mark.parametrize("model", [SHOWN, "gpt-5.5", "gpt-6-sol"])
async def test_codex_does_its_work(place: Place, folder: Path, model: str):
    """To models whose names it knows it offers other tools: one takes patches, one scripts, and items bring some."""
    (folder / ".codex").mkdir()
    (folder / ".codex/config.toml").write_text("\n".join(shown("toml", place.url)).replace(SHOWN, model))
    await did(place, folder, *CODEX, DRAGOMAN_KEY="sk-test")


async def test_claude_code_does_its_work(place: Place, folder: Path):
    await did(place, folder, *CLAUDE, **exported(place))


async def test_claude_code_does_its_work_by_the_names_that_it_asks_for(place: Place, folder: Path):
    unnamed = {name: value for name, value in exported(place).items() if not name.endswith("_MODEL")}
    assert len(unnamed) == 3
    await did(place, folder, *CLAUDE, **unnamed)
