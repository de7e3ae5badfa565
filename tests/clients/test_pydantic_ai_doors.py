"""Pydantic AI in every dialect on a chat API that gives only text."""

from typing import Any

import pytest

from tests.clients.expected import ADA, ANSWER, CALLS, DONE, VECTORS, alike
from tests.clients.place import needs_clients

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_clients]

PROGRAM = "with_pydantic_ai_doors.py"
DIALECTS = ("responses", "azure", "anthropic")


async def test_an_agent_answers_from_what_its_tool_gave(found: dict[str, Any]):
    assert alike(found["tool"], DIALECTS, {**DONE, "used": True})


async def test_an_agent_streams(found: dict[str, Any]):
    for dialect in DIALECTS:
        told = found["streamed"][dialect]
        assert (told["text"], told["calls"]) == (ANSWER, CALLS)
        assert told["pieces"] > 5


async def test_output_is_typed(found: dict[str, Any]):
    assert alike(found["output"], DIALECTS, ADA)
    assert alike(found["native_output"], ("responses", "azure"), ADA)


async def test_texts_are_embedded(found: dict[str, Any]):
    assert found["embedded"] == VECTORS
