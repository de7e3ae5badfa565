"""The official SDK, over a backend that knows nothing but text and over one that has it all."""

import json
from contextlib import asynccontextmanager

import pydantic
import pytest
from openai.types.responses import Response

from tests.responses.speaking import SHELL, WEATHER, calling, native, plain
from tests.serving import client

ASKED = "What is the weather in Paris?"


def block(name, **arguments):
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


@asynccontextmanager
async def spoken(kind, *said):
    """The SDK and the upstream; what is said is a text, or the name of a tool with its arguments."""
    if kind == "text":
        made = plain(*(each if isinstance(each, str) else block(each[0], **each[1]) for each in said))
    else:
        made = native(*(each if isinstance(each, str) else calling(each[0], json.dumps(each[1])) for each in said))
    async with made as (url, upstream), client(url) as sdk:
        yield sdk, upstream


@pytest.fixture(params=["text", "native"])
def kind(request):
    return request.param


async def test_a_text_is_answered(kind):
    async with spoken(kind, "Grüß dich!") as (sdk, _):
        response = await sdk.responses.create(model="m", input="Hello", instructions="Be kind.", metadata={"a": "b"})
        assert response.output_text == "Grüß dich!"
        assert (response.status, response.model, response.instructions) == ("completed", "m", "Be kind.")
        assert response.metadata == {"a": "b"}
        assert response._request_id
        Response.model_validate(response.to_dict(), strict=True)


async def test_a_stream_tells_the_same(kind):
    async with spoken(kind, "Grüß dich, du!") as (sdk, _):
        events = [event async for event in await sdk.responses.create(model="m", input="Hello", stream=True)]
        deltas = [event.delta for event in events if event.type == "response.output_text.delta"]
        assert len(deltas) > 1
        assert "".join(deltas) == events[-1].response.output_text == "Grüß dich, du!"
        assert events[-1].type == "response.completed"


async def test_the_stream_helper_has_the_final_response(kind):
    async with spoken(kind, "One two three.") as (sdk, _):
        async with sdk.responses.stream(model="m", input="Hello") as stream:
            snapshots = [event.snapshot async for event in stream if event.type == "response.output_text.delta"]
            final = await stream.get_final_response()
        assert snapshots[-1] == final.output_text == "One two three."


class City(pydantic.BaseModel):
    name: str
    people: int


async def test_structured_output_is_parsed(kind):
    async with spoken(kind, '{"name": "Paris", "people": 2000000}') as (sdk, upstream):
        response = await sdk.responses.parse(model="m", input="A city", text_format=City)
        assert response.output_parsed == City(name="Paris", people=2000000)
        assert "people" in upstream.requests[0].body.decode()
        async with sdk.responses.stream(model="m", input="A city", text_format=City) as stream:
            assert (await stream.get_final_response()).output_parsed == City(name="Paris", people=2000000)


async def test_a_function_is_called_and_answered_with_the_conversation_kept(kind):
    async with spoken(kind, ("weather", {"city": "Paris"}), "It rains.") as (sdk, upstream):
        first = await sdk.responses.create(model="m", input=ASKED, tools=[WEATHER])
        (call,) = first.output
        assert (call.type, call.name, json.loads(call.arguments)) == ("function_call", "weather", {"city": "Paris"})
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "rain"}
        second = await sdk.responses.create(model="m", previous_response_id=first.id, input=[output], tools=[WEATHER])
        assert (second.output_text, second.previous_response_id) == ("It rains.", first.id)
        sent = upstream.requests[-1].body.decode()
        assert all(each in sent for each in (ASKED, "weather", "rain"))


async def test_a_function_is_called_and_answered_with_the_items_echoed(kind):
    async with spoken(kind, ("weather", {"city": "Paris"}), "It rains.") as (sdk, upstream):
        asked = [{"role": "user", "content": ASKED}]
        first = await sdk.responses.create(model="m", input=asked, tools=[WEATHER], store=False)
        asked += first.output
        asked += [{"type": "function_call_output", "call_id": first.output[-1].call_id, "output": "rain"}]
        second = await sdk.responses.create(model="m", input=asked, tools=[WEATHER], store=False)
        assert second.output_text == "It rains."
        assert "rain" in upstream.requests[-1].body.decode()


async def test_a_streamed_call_has_its_pieces_and_its_name(kind):
    async with (
        spoken(kind, ("weather", {"city": "Paris"})) as (sdk, _),
        sdk.responses.stream(model="m", input=ASKED, tools=[WEATHER]) as stream,
    ):
        events = [event async for event in stream]
        done = next(event for event in events if event.type == "response.function_call_arguments.done")
        deltas = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
        assert done.name == "weather"
        assert json.loads("".join(deltas)) == json.loads(done.arguments) == {"city": "Paris"}
        (call,) = (await stream.get_final_response()).output
        assert call.call_id.startswith("call_")


async def test_a_custom_tool_is_called_with_text():
    async with plain(block("shell", input="ls -l")) as (url, _), client(url) as sdk:
        (call,) = (await sdk.responses.create(model="m", input="Look around", tools=[SHELL])).output
        assert (call.type, call.name, call.input) == ("custom_tool_call", "shell", "ls -l")
        stream = await sdk.responses.create(model="m", input="Look around", tools=[SHELL], stream=True)
        events = [event async for event in stream]
        deltas = [event.delta for event in events if event.type == "response.custom_tool_call_input.delta"]
        assert "".join(deltas) == "ls -l"


async def test_several_calls_are_several_items():
    first, second = (calling("weather", json.dumps({"city": city}), f"call_{city}") for city in ("Rome", "Oslo"))
    both = {**first, "content": "Let me look.", "tool_calls": first["tool_calls"] + second["tool_calls"]}
    async with native(both, "Fine.") as (url, upstream), client(url) as sdk:
        response = await sdk.responses.create(model="m", input=ASKED, tools=[WEATHER])
        assert [item.type for item in response.output] == ["message", "function_call", "function_call"]
        outputs = [
            {"type": "function_call_output", "call_id": item.call_id, "output": "rain"} for item in response.output[1:]
        ]
        await sdk.responses.create(model="m", input=outputs, previous_response_id=response.id, tools=[WEATHER])
        said = upstream.requests[-1].json["messages"]
        assert [message["role"] for message in said] == ["user", "assistant", "tool", "tool"]
        assert said[1]["content"] == "Let me look."
        assert [call["id"] for call in said[1]["tool_calls"]] == ["call_Rome", "call_Oslo"]


async def test_reasoning_is_a_summary_which_is_taken_back():
    thinking = {**calling("weather", '{"city":"Rome"}'), "reasoning_content": "I need the weather."}
    async with native(thinking, "Fine.") as (url, upstream), client(url) as sdk:
        response = await sdk.responses.create(model="m", input=ASKED, tools=[WEATHER], store=False)
        assert [item.type for item in response.output] == ["reasoning", "function_call"]
        assert response.output[0].summary[0].text == "I need the weather."
        echoed = [{"role": "user", "content": ASKED}, *response.output]
        echoed += [{"type": "function_call_output", "call_id": "call_1", "output": "rain"}]
        async with sdk.responses.stream(model="m", input=echoed, tools=[WEATHER], store=False) as stream:
            assert (await stream.get_final_response()).output_text == "Fine."
        assert upstream.requests[-1].json["messages"][1]["reasoning_content"] == "I need the weather."
        later = [*echoed, {"role": "assistant", "content": "Fine."}, {"role": "user", "content": "And now?"}]
        await sdk.responses.create(model="m", input=later, tools=[WEATHER], store=False)
        assert not any("reasoning_content" in message for message in upstream.requests[-1].json["messages"])


async def test_what_a_key_stored_can_be_read_listed_and_deleted(kind):
    async with spoken(kind, "Hello.") as (sdk, _):
        made = await sdk.responses.create(model="m", input="Hello")
        assert await sdk.responses.retrieve(made.id) == made
        (item,) = [item async for item in sdk.responses.input_items.list(made.id)]
        assert (item.role, item.content[0].text) == ("user", "Hello")
        await sdk.responses.delete(made.id)
        with pytest.raises(Exception, match="No response is kept"):
            await sdk.responses.retrieve(made.id)


async def test_the_tokens_of_the_input_are_counted(kind):
    async with spoken(kind, "Hello.") as (sdk, upstream):
        few = await sdk.responses.input_tokens.count(model="m", input="Hello")
        many = await sdk.responses.input_tokens.count(model="m", input="Hello " * 100, tools=[WEATHER])
        assert (few.object, many.object) == ("response.input_tokens",) * 2
        assert 0 < few.input_tokens < 100 < many.input_tokens
        assert upstream.requests == []
