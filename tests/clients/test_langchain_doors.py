"""LangChain's models of every dialect on a chat API that gives only text."""

from typing import Any

import pytest

from tests.clients.expected import ADA, CALLS, DONE, HELLO, VECTORS, alike
from tests.clients.place import needs_clients

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_clients]

PROGRAM = "with_langchain_doors.py"
DIALECTS = ("responses", "azure", "anthropic")


async def test_an_answer_comes_whole(found: dict[str, Any]):
    assert alike(found["whole"], DIALECTS, {"text": HELLO, "used": True})


async def test_an_answer_streams(found: dict[str, Any]):
    for dialect in DIALECTS:
        assert found["streamed"][dialect]["text"] == HELLO
        assert found["streamed"][dialect]["pieces"] > 5


async def test_calls_stream(found: dict[str, Any]):
    assert alike(found["calls_streamed"], DIALECTS, CALLS)


async def test_an_agent_answers_from_what_its_tool_gave(found: dict[str, Any]):
    assert alike(found["agent"], DIALECTS, DONE)


async def test_output_is_structured_in_every_way(found: dict[str, Any]):
    assert alike(found["structured"], DIALECTS, {"function_calling": ADA, "json_schema": ADA})


async def test_texts_are_embedded(found: dict[str, Any]):
    assert alike(found["embedded"], ("openai", "azure"), [VECTORS[0], *VECTORS])


async def test_a_prompt_is_completed(found: dict[str, Any]):
    assert found["completed"] == [HELLO, HELLO]
