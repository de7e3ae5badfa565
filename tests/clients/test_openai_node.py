"""The official SDK for Node on a chat API that gives only text."""

from typing import Any

import pytest

from tests.clients.expected import ANSWER, CALLS, HELLO, PEOPLE
from tests.clients.place import LISTED, MODELS, needs_node

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_node]

PROGRAM = "with_openai.mjs"


async def test_an_answer_comes_whole(found: dict[str, Any]):
    told = {"text": HELLO, "finish_reason": "stop", "object": "chat.completion", "requested": True}
    assert found["whole"] == told


async def test_an_answer_streams(found: dict[str, Any]):
    assert found["streamed"]["text"] == HELLO
    assert found["streamed"]["pieces"] > 5
    assert found["streamed"]["used"]


async def test_tools_are_run(found: dict[str, Any]):
    told = {"text": ANSWER, "calls": CALLS}
    assert found["tools"] == {"false": told, "true": told}


async def test_output_is_parsed(found: dict[str, Any]):
    assert found["parsed"] == dict.fromkeys(MODELS, PEOPLE)
    assert found["parsed_while_it_comes"]["parsed"] == PEOPLE
    assert found["parsed_while_it_comes"]["seen"] > 5


async def test_failures_are_of_their_kinds(found: dict[str, Any]):
    about = {"type": "invalid_request_error"}
    unknown = {"kind": "NotFoundError", "status": 404, "code": "model_not_found", "param": None}
    wrong = {"kind": "UnprocessableEntityError", "status": 422, "code": "decimal_above_max_value"}
    assert found["refusals"] == {"unknown": unknown | about, "wrong": {**wrong, "param": "temperature", **about}}


async def test_models_are_listed(found: dict[str, Any]):
    assert found["models"] == {"listed": LISTED, "one": "chatty"}
