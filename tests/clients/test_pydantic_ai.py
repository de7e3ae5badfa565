"""Pydantic AI on a chat API that gives only text."""

from typing import Any

import pytest

from tests.clients.place import MODELS, needs_clients

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_clients]

PROGRAM = "with_pydantic_ai.py"
ADA, ALAN = {"name": "Ada", "age": 36}, {"name": "Alan", "age": 41}
OSLO = {"city": "Oslo", "celsius": 7}
ANSWER = "It is 18 °C in Paris and 21 °C in Rome."
CALLS = [["get_weather", {"city": "Paris"}], ["get_weather", {"city": "Rome"}]]


async def test_an_agent_answers_from_what_its_tool_gave(found: dict[str, Any]):
    assert found["tool"] == {model: {"text": ANSWER, "calls": CALLS} for model in MODELS}


async def test_output_is_typed_in_every_way(found: dict[str, Any]):
    told = found["output"]
    assert told == dict.fromkeys(told, ADA)
    assert len(told) == 3 * len(MODELS) - 1


async def test_an_agent_with_a_tool_gives_typed_output(found: dict[str, Any]):
    called = ["get_weather", {"city": "Oslo"}]
    assert found["tool_and_output"] == {
        "ModelMetaclass": {"output": OSLO, "calls": [called, ["final_result", OSLO]]},
        "NativeOutput": {"output": OSLO, "calls": [called]},
    }


async def test_an_agent_streams(found: dict[str, Any]):
    text = found["streamed"]["text"]
    assert (text["whole"], text["calls"]) == (ANSWER, CALLS)
    assert text["pieces"] > 5


async def test_typed_output_streams(found: dict[str, Any]):
    for kind in ("GenericAlias", "NativeOutput"):
        assert found["streamed"][kind]["last"] == [ADA, ALAN]
        assert found["streamed"][kind]["seen"] > 1
