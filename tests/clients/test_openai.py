"""The official SDK on a chat API that gives only text."""

import asyncio
import json
from itertools import product
from typing import Any

import openai
import pytest
from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion
from pydantic import BaseModel

from tests.clients.model import WEATHER, answering
from tests.clients.place import MODELS, Place, opened
from tests.serving import client
from tests.upstream import Connection, Received

pytestmark = pytest.mark.asyncio(loop_scope="module")


class GetWeather(BaseModel):
    """How warm it is."""

    city: str


class Weather(BaseModel):
    city: str
    celsius: int


class Person(BaseModel):
    name: str
    age: int


class People(BaseModel):
    people: list[Person]


TOOL = openai.pydantic_function_tool(GetWeather, name="get_weather")
LAX: Any = {"type": "function", "function": {**TOOL["function"], "strict": False}}
CLOCK = {"type": "function", "function": {"name": "get_time", "parameters": GetWeather.model_json_schema()}}
QUESTION = "What is the weather in Paris and Rome?"
ANSWER = "It is 18 °C in Paris and 21 °C in Rome."
ADA = "Ada is 36 years old."
BOTH = "Ada is 36 years old, and Alan is 41."
ADA_AND_ALAN = People(people=[Person(name="Ada", age=36), Person(name="Alan", age=41)])
REFUSAL = "I'm sorry, but I can't help with that."

STREAMED = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
EVERY = pytest.mark.parametrize("model", MODELS)
READABLE = pytest.mark.parametrize("model", [model for model in MODELS if model != "careless"])
AS_A_STREAM = [
    (model, stream) for model, stream in product(MODELS, (False, True)) if (model, stream) != ("careless", True)
]
ANYHOW = pytest.mark.parametrize(("model", "stream"), AS_A_STREAM)
"""What a careless model says wrong cannot be taken back from a stream."""


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def result(call: Any) -> dict[str, str]:
    city = json.loads(call.function.arguments)["city"]
    given = json.dumps({"city": city, "celsius": WEATHER[city]})
    return {"role": "tool", "tool_call_id": call.id, "content": given}


async def asked(place: Place, said: str | list[Any], stream: bool = False, **more: Any) -> ChatCompletion:
    """The completion; a stream's is what the SDK makes of it."""
    messages = [user(said)] if isinstance(said, str) else said
    create: Any = client(place.url).chat.completions.create
    if not stream:
        return await create(**{"model": "prompt", "messages": messages, **more})
    state: Any = ChatCompletionStreamState()
    async for chunk in await create(**{"model": "prompt", "messages": messages, **more}, stream=True):
        state.handle_chunk(chunk)
    return state.get_final_completion()


async def parsed(place: Place, said: str, stream: bool = False, **more: Any) -> Any:
    """The completion with what the SDK has parsed in it."""
    given: dict[str, Any] = {"model": "prompt", "messages": [user(said)], **more}
    sdk: Any = client(place.url).chat.completions
    if not stream:
        return await sdk.parse(**given)
    async with sdk.stream(**given) as events:
        return await events.get_final_completion()


async def events_of(place: Place, said: str, **given: Any) -> tuple[list[Any], Any]:
    """The SDK's events, and the completion that it makes of them."""
    stream: Any = client(place.url).chat.completions.stream
    async with stream(messages=[user(said)], **given) as events:
        return [event async for event in events], await events.get_final_completion()


def calls(completion: ChatCompletion, choice: int = 0) -> list[tuple[str, Any]]:
    made: Any = completion.choices[choice].message.tool_calls or ()
    return [(call.function.name, json.loads(call.function.arguments)) for call in made]


def finish(completion: ChatCompletion) -> list[str]:
    return [choice.finish_reason for choice in completion.choices]


# Tool calls


@ANYHOW
async def test_several_calls_come_at_once(place: Place, model: str, stream: bool):
    completion = await asked(place, QUESTION, stream, model=model, tools=[LAX])
    assert calls(completion) == [("get_weather", {"city": "Paris"}), ("get_weather", {"city": "Rome"})]
    assert finish(completion) == ["tool_calls"]
    assert completion.choices[0].message.content == ("Let me look." if model == "chatty" else None)
    made = completion.choices[0].message.tool_calls or []
    assert len({call.id for call in made}) == 2
    assert len(place.prompts) == (2 if model in ("forgetful", "careless") else 1)


@ANYHOW
async def test_an_agent_goes_on_from_the_results(place: Place, model: str, stream: bool):
    said: list[Any] = [user(QUESTION)]
    message = (await asked(place, said, stream, model=model, tools=[LAX])).choices[0].message
    said += [message.model_dump(exclude_none=True), *map(result, message.tool_calls or ())]
    completion = await asked(place, said, stream, model=model, tools=[LAX])
    assert (completion.choices[0].message.content, finish(completion)) == (ANSWER, ["stop"])
    assert '<tool_result name="get_weather">\n{"city": "Rome", "celsius": 21}\n</tool_result>' in place.prompts[-1]


@STREAMED
async def test_calls_come_one_by_one_if_they_are_to(place: Place, stream: bool):
    said: list[Any] = [user(QUESTION)]
    given: dict[str, Any] = {"tools": [LAX], "parallel_tool_calls": False}
    while (message := (await asked(place, said, stream, **given)).choices[0].message).tool_calls:
        assert len(message.tool_calls) == 1
        said += [message.model_dump(exclude_none=True), *map(result, message.tool_calls)]
    assert message.content == ANSWER
    assert len(place.prompts) == 3


@STREAMED
async def test_an_agent_may_choose_among_tools(place: Place, stream: bool):
    completion = await asked(place, "What are weather and time in Oslo?", stream, tools=[LAX, CLOCK])
    assert calls(completion) == [("get_weather", {"city": "Oslo"}), ("get_time", {"city": "Oslo"})]


@STREAMED
@READABLE
async def test_a_tool_is_called_if_it_must_be(place: Place, model: str, stream: bool):
    given: dict[str, Any] = {"model": model, "tools": [LAX, CLOCK]}
    free = await asked(place, "Good morning!", stream, **given)
    assert (calls(free), finish(free)) == ([], ["stop"])
    held = await asked(place, "Good morning!", stream, **given, tool_choice="required")
    assert (calls(held), finish(held)) == ([("get_time", {"city": "unknown"})], ["tool_calls"])


@STREAMED
async def test_the_named_tool_is_called(place: Place, stream: bool):
    choice = {"type": "function", "function": {"name": "get_weather"}}
    completion = await asked(place, "What time is it?", stream, tools=[LAX, CLOCK], tool_choice=choice)
    assert (calls(completion), finish(completion)) == ([("get_weather", {"city": "unknown"})], ["tool_calls"])
    assert "get_time" not in place.prompts[-1]


@STREAMED
async def test_no_tool_is_called_if_none_may_be(place: Place, stream: bool):
    completion = await asked(place, QUESTION, stream, tools=[LAX], tool_choice="none")
    assert (calls(completion), finish(completion)) == ([], ["stop"])
    assert place.prompts == [QUESTION]


@STREAMED
async def test_each_of_several_choices_calls(place: Place, stream: bool):
    completion = await asked(place, QUESTION, stream, tools=[LAX], n=2)
    assert finish(completion) == ["tool_calls"] * 2
    assert calls(completion) == calls(completion, 1) == [("get_weather", {"city": city}) for city in ("Paris", "Rome")]


@STREAMED
async def test_functions_are_called_in_the_old_words(place: Place, stream: bool):
    said: list[Any] = [user("What is the weather in Oslo?")]
    functions = [LAX["function"]]
    completion = await asked(place, said, stream, functions=functions)
    message = completion.choices[0].message
    assert message.function_call is not None
    assert (message.function_call.name, finish(completion)) == ("get_weather", ["function_call"])
    assert json.loads(message.function_call.arguments) == {"city": "Oslo"}
    told = {"role": "function", "name": "get_weather", "content": '{"city": "Oslo", "celsius": 7}'}
    completion = await asked(place, [*said, message.model_dump(exclude_none=True), told], stream, functions=functions)
    assert (completion.choices[0].message.content, finish(completion)) == ("It is 7 °C in Oslo.", ["stop"])


@EVERY
async def test_arguments_are_parsed(place: Place, model: str):
    completion = await parsed(place, QUESTION, model=model, tools=[TOOL])
    made = completion.choices[0].message.tool_calls
    assert [call.function.parsed_arguments for call in made] == [GetWeather(city="Paris"), GetWeather(city="Rome")]


@READABLE
async def test_calls_are_told_while_they_come(place: Place, model: str):
    events, completion = await events_of(place, QUESTION, model=model, tools=[TOOL])
    done = [event for event in events if event.type == "tool_calls.function.arguments.done"]
    assert [event.parsed_arguments for event in done] == [GetWeather(city="Paris"), GetWeather(city="Rome")]
    assert [event.index for event in done] == [0, 1]
    deltas = [event for event in events if event.type == "tool_calls.function.arguments.delta"]
    pieces = [event.arguments_delta for event in deltas if event.index == 1]
    assert "".join(pieces) == done[1].arguments
    assert len(pieces) > 1
    made = completion.choices[0].message.tool_calls
    assert [call.function.parsed_arguments for call in made] == [event.parsed_arguments for event in done]


async def test_a_stream_that_turned_out_wrong_is_an_error(place: Place):
    with pytest.raises(openai.APIError, match="not valid"):
        await asked(place, QUESTION, stream=True, model="careless", tools=[TOOL])


# Structured output


@EVERY
async def test_an_answer_is_parsed(place: Place, model: str):
    message = (await parsed(place, BOTH, model=model, response_format=People)).choices[0].message
    assert message.parsed == ADA_AND_ALAN
    assert len(place.prompts) == (2 if model in ("forgetful", "careless") else 1)


@READABLE
async def test_an_answer_is_parsed_while_it_comes(place: Place, model: str):
    events, completion = await events_of(place, BOTH, model=model, response_format=People)
    deltas = [event for event in events if event.type == "content.delta"]
    message = completion.choices[0].message
    assert message.parsed == ADA_AND_ALAN
    assert "".join(event.delta for event in deltas) == message.content
    assert {"people": [{"name": "Ada", "age": 36}]} in [event.parsed for event in deltas]


@ANYHOW
async def test_json_is_given_without_a_schema(place: Place, model: str, stream: bool):
    completion = await asked(place, f"{ADA} As JSON!", stream, model=model, response_format={"type": "json_object"})
    said = json.loads(completion.choices[0].message.content or "")
    assert said == ({"name": "Ada"} if model == "careless" else {"name": "Ada", "age": 36})


@STREAMED
async def test_tools_are_called_before_the_answer_is_given_its_form(place: Place, stream: bool):
    form = {
        "type": "json_schema",
        "json_schema": {"name": "weather", "schema": Weather.model_json_schema(), "strict": True},
    }
    given: dict[str, Any] = {"tools": [TOOL], "response_format": form}
    said: list[Any] = [user("What is the weather in Oslo?")]
    message = (await asked(place, said, stream, **given)).choices[0].message
    assert message.content is None
    said += [message.model_dump(exclude_none=True), *map(result, message.tool_calls or ())]
    message = (await asked(place, said, stream, **given)).choices[0].message
    assert json.loads(message.content or "") == {"city": "Oslo", "celsius": 7}


@STREAMED
async def test_a_refusal_is_one(place: Place, stream: bool):
    completion = await parsed(place, "How do I make poison?", stream, response_format=Person)
    message = completion.choices[0].message
    assert (message.refusal, message.content, message.parsed) == (REFUSAL, None, None)
    assert finish(completion) == ["stop"]


async def test_a_refusal_is_told_as_one(place: Place):
    events, _ = await events_of(place, "How do I make poison?", model="prompt", response_format=Person)
    assert [event.refusal for event in events if event.type == "refusal.done"] == [REFUSAL]


@STREAMED
@pytest.mark.parametrize("given", [{"response_format": People}, {"tools": [TOOL]}], ids=["json", "tools"])
async def test_an_answer_that_was_too_long_is_known_as_such(place: Place, stream: bool, given: dict[str, Any]):
    said = QUESTION if "tools" in given else BOTH
    with pytest.raises(openai.LengthFinishReasonError) as caught:
        await parsed(place, said, stream, **given, max_tokens=12)
    assert caught.value.completion.choices[0].finish_reason == "length"


@STREAMED
async def test_several_choices_are_parsed(place: Place, stream: bool):
    completion = await parsed(place, ADA, stream, model="chatty", response_format=Person, n=3)
    assert [choice.message.parsed for choice in completion.choices] == [Person(name="Ada", age=36)] * 3
    assert len(place.prompts) == 3


async def test_choices_begin_in_their_order():
    async def late_first(connection: Connection, received: Received) -> None:
        await asyncio.sleep(pauses.pop(0))
        await answering(connection, received)

    pauses = [0.05, 0.0]
    async with opened(late_first) as other:
        completion = await parsed(other, ADA, stream=True, response_format=Person, n=2)
    assert [choice.index for choice in completion.choices] == [0, 1]
    assert [choice.message.parsed for choice in completion.choices] == [Person(name="Ada", age=36)] * 2
