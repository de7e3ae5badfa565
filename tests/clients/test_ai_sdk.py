"""Vercel's AI SDK in every dialect on a chat API that gives only text."""

from typing import Any

import pytest

from tests.clients.expected import ADA, DONE, HELLO, VECTORS, alike
from tests.clients.place import needs_node

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_node]

PROGRAM = "with_ai_sdk.mjs"
DIALECTS = ("chat", "responses", "compatible", "anthropic")


async def test_an_answer_comes_whole(found: dict[str, Any]):
    assert alike(found["whole"], DIALECTS, {"text": HELLO, "finishReason": "stop", "used": True})


async def test_an_answer_streams(found: dict[str, Any]):
    for dialect in DIALECTS:
        told = found["streamed"][dialect]
        assert (told["text"], told["finishReason"]) == (HELLO, "stop")
        assert told["pieces"] > 5


async def test_tools_are_run_whole_and_streamed(found: dict[str, Any]):
    assert alike(found["tools"], DIALECTS, [DONE, DONE])


async def test_a_tool_is_called_if_it_must_be(found: dict[str, Any]):
    assert alike(found["chosen"], DIALECTS, [["get_weather", {"city": "unknown"}]])


async def test_output_is_structured_and_comes_in_parts(found: dict[str, Any]):
    for dialect in DIALECTS:
        told = found["structured"][dialect]
        assert (told["whole"], told["streamed"]) == (ADA, ADA)
        assert told["seen"] > 1


async def test_an_unknown_model_is_told_of(found: dict[str, Any]):
    for dialect in DIALECTS:
        told = found["refused"][dialect]
        assert (told["kind"], told["status"]) == ("AI_APICallError", 404)
        assert "GET /v1/models lists the models" in told["message"]


async def test_texts_are_embedded(found: dict[str, Any]):
    assert found["embedded"] == VECTORS
