"""What docs/clients.md shows, run as it stands; its blocks for agents are run in test_agents.py."""

import json
from collections import Counter

import pytest

from tests.clients.expected import HELLO
from tests.clients.guide import languages, shown
from tests.clients.place import CLIENTS, NODE, Place, needs_clients, needs_node, printed, workplace

pytestmark = pytest.mark.asyncio(loop_scope="module")

EACH = "import json, sys\nfor block in json.load(open(sys.argv[1])): exec(block, {'__name__': '__main__'})"
"""Runs Python's blocks one after the other, each of which knows nothing of the others."""


async def test_no_block_is_shown_that_is_not_run():
    assert Counter(languages()) == {"python": 6, "js": 3, "toml": 2, "sh": 1}


@needs_clients
async def test_python_hears_the_answer_in_every_way(place: Place):
    with workplace() as folder:
        (folder / "blocks").write_text(json.dumps(shown("python", place.url)))
        told = await printed(CLIENTS, "-c", EACH, "blocks", folder=folder)
    assert told.splitlines() == [HELLO] * 12


@needs_node
async def test_node_hears_the_answer_in_every_way(place: Place):
    told = []
    for block in shown("js", place.url):
        with workplace() as folder:
            (folder / "block.mjs").write_text(block)
            told += (await printed(NODE, "block.mjs", folder=folder)).splitlines()
    assert told == [HELLO] * 6
