"""Anthropic's SDK for Node on a chat API that gives only text."""

from typing import Any

import pytest

from tests.clients.expected import ANSWER, CALLS, HELLO, PEOPLE
from tests.clients.place import LISTED, needs_node

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_node]

PROGRAM = "with_anthropic.mjs"


async def test_a_message_comes_whole(found: dict[str, Any]):
    assert found["whole"] == {"text": HELLO, "role": "assistant", "stop_reason": "end_turn", "used": True}


async def test_a_message_streams(found: dict[str, Any]):
    told = found["streamed"]
    assert (told["text"], told["whole"], told["stop_reason"]) == (HELLO, HELLO, "end_turn")
    assert told["pieces"] > 5


async def test_tools_are_run_though_no_thread_is_kept(found: dict[str, Any]):
    assert found["tools"] == {
        "calls": CALLS,
        "text": ANSWER,
        "streamed": ANSWER,
        "reasons": ["tool_use", "end_turn"],
    }


async def test_output_is_parsed(found: dict[str, Any]):
    assert found["parsed"] == PEOPLE


async def test_tokens_are_counted(found: dict[str, Any]):
    assert found["counted"] is True


async def test_failures_are_of_their_kinds(found: dict[str, Any]):
    unknown = ["NotFoundError", 404, "not_found_error", True]
    assert found["refused"] == {
        "unknown": unknown,
        "wrong": ["UnprocessableEntityError", 422, "invalid_request_error", True],
    }


async def test_models_are_listed(found: dict[str, Any]):
    assert found["models"] == {"listed": LISTED, "one": "model"}
