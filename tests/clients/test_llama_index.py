"""LlamaIndex on a chat API that gives only text."""

from typing import Any

import pytest

from tests.clients.expected import ADA, DONE, HELLO, VECTORS, alike
from tests.clients.place import needs_clients

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_clients]

PROGRAM = "with_llama_index.py"
DIALECTS = ("chat", "responses")


async def test_an_answer_comes_whole(found: dict[str, Any]):
    assert alike(found["whole"], DIALECTS, HELLO)


async def test_an_answer_streams(found: dict[str, Any]):
    for dialect in DIALECTS:
        assert found["streamed"][dialect]["text"] == HELLO
        assert found["streamed"][dialect]["pieces"] > 5


async def test_an_agent_answers_from_what_its_tool_gave(found: dict[str, Any]):
    assert alike(found["agent"], DIALECTS, [DONE, DONE])


async def test_output_is_structured(found: dict[str, Any]):
    assert alike(found["structured"], DIALECTS, ADA)


async def test_texts_are_embedded(found: dict[str, Any]):
    assert found["embedded"] == [VECTORS[0], *VECTORS]
