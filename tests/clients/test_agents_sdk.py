"""OpenAI's Agents SDK on a chat API that gives only text."""

from typing import Any

import pytest

from tests.clients.expected import ADA, ANSWER, DONE, HELLO, alike
from tests.clients.place import needs_clients

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_clients]

PROGRAM = "with_agents_sdk.py"
DIALECTS = ("chat", "responses")


async def test_an_agent_answers(found: dict[str, Any]):
    assert alike(found["plain"], DIALECTS, HELLO)


async def test_an_agent_answers_from_what_its_tool_gave(found: dict[str, Any]):
    assert alike(found["tools"], DIALECTS, DONE)


async def test_an_agent_streams(found: dict[str, Any]):
    for dialect in DIALECTS:
        told = found["streamed"][dialect]
        assert (told["text"], told["told"]) == (ANSWER, ANSWER)
        assert told["pieces"] > 5


async def test_output_is_typed(found: dict[str, Any]):
    assert alike(found["structured"], DIALECTS, ADA)


async def test_an_agent_hands_over(found: dict[str, Any]):
    assert alike(found["handed_over"], DIALECTS, {"by": "Weatherman", "text": "It is 7 °C in Oslo."})
