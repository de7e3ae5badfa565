"""The official SDK for Node in every dialect but chat, on a chat API that gives only text."""

from typing import Any

import pytest

from tests.clients.expected import ADA, ANSWER, CALLS, HELLO, PEOPLE, VECTORS
from tests.clients.place import needs_node

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_node]

PROGRAM = "with_openai_doors.mjs"


async def test_a_response_comes_whole(found: dict[str, Any]):
    assert found["response"] == {"text": HELLO, "status": "completed", "used": True, "metadata": {"of": "tests"}}


async def test_a_response_streams(found: dict[str, Any]):
    told = found["response_streamed"]
    assert (told["texts"], told["last"], told["gapless"]) == ([HELLO] * 3, "response.completed", True)
    assert told["pieces"] > 5


async def test_a_response_goes_on_from_what_tools_gave(found: dict[str, Any]):
    assert found["response_tools"] == {"calls": CALLS, "texts": [ANSWER] * 3}


async def test_a_response_is_parsed(found: dict[str, Any]):
    assert found["response_parsed"] == [PEOPLE, PEOPLE]


async def test_a_response_is_kept_until_it_is_deleted(found: dict[str, Any]):
    assert found["response_kept"] == {"items": ["Good morning!"], "text": HELLO, "gone": 404}


async def test_texts_are_embedded_as_numbers_and_as_bytes(found: dict[str, Any]):
    assert found["embedded"] == [VECTORS, VECTORS]


async def test_a_prompt_is_completed(found: dict[str, Any]):
    assert found["completed"] == [HELLO, HELLO]


async def test_azure_has_deployments(found: dict[str, Any]):
    assert found["azure"] == {"parsed": ADA, "model": "chatty", "text": HELLO}
