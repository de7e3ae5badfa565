"""LangChain on a chat API that gives only text."""

from typing import Any

import pytest

from tests.clients.model import WEATHER, text_of
from tests.clients.place import MODELS, needs_clients

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_clients]

PROGRAM = "with_langchain.py"
ADA = {"name": "Ada", "age": 36}
ANSWER = "It is 18 °C in Paris and 21 °C in Rome."
CALLS = [["get_weather", {"city": "Paris"}], ["get_weather", {"city": "Rome"}]]


async def test_a_model_with_tools_calls_and_goes_on(found: dict[str, Any]):
    assert found["two_steps"] == {"calls": CALLS, "text": ANSWER, "used": True}


async def test_calls_stream_in_pieces(found: dict[str, Any]):
    told = found["two_steps_streamed"]
    assert (told["calls"], told["text"], told["names"]) == (CALLS, ANSWER, ["get_weather"])
    assert told["arguments"] == '{"city": "Rome"}'
    assert told["parts"] > 2
    assert told["pieces"] > 5


async def test_the_choice_of_tools_is_heard(found: dict[str, Any]):
    unknown = [["get_weather", {"city": "unknown"}]]
    assert found["chosen"] == [unknown, unknown, CALLS[:1]]


async def test_output_is_structured_in_every_way(found: dict[str, Any]):
    told = found["structured"]
    assert told == dict.fromkeys(told, ADA)
    assert len(told) == 3 * len(MODELS) - 1


async def test_structured_output_streams(found: dict[str, Any]):
    assert found["structured_stream"] == {"json_schema": ADA, "function_calling": ADA}


async def test_an_agent_answers_from_what_its_tool_gave(found: dict[str, Any]):
    gave = [f'{{"city": "{city}", "celsius": {WEATHER[city]}}}' for city in ("Paris", "Rome")]
    assert found["agent"] == {model: [*gave, ANSWER] for model in MODELS}


async def test_an_agent_streams_its_answer(found: dict[str, Any]):
    assert found["agent_streamed"]["text"] == ANSWER
    assert found["agent_streamed"]["pieces"] > 5


async def test_an_agent_answers_in_a_form(found: dict[str, Any]):
    assert found["agent_with_form"] == {"city": "Oslo", "celsius": 7}


async def test_the_model_was_asked_for_nothing_but_text(found: dict[str, Any]):
    assert {name for asked in found["asked"] for name in asked} == {"prompt", "messages", "manner", "stream"}
    told = [text_of(asked) for asked in found["asked"]]
    first, second = [text for text in told if text.startswith("You tell people how warm it is.")][:2]
    assert "<tool_result" not in first.partition("What is the weather")[2]
    assert '<tool_result name="get_weather">\n{"city": "Rome", "celsius": 21}\n</tool_result>' in second
