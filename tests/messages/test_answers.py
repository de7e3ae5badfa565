"""Messages as they are answered: whole and streamed, by backends of every ability, read by the official SDK."""

import json
from contextlib import asynccontextmanager
from typing import Any

import pytest
from pydantic import BaseModel

from dragoman import Chunk, Gateway
from tests.messages import answering
from tests.messages.asking import ADD, HELLO, PATH, asked, replying, saying, sdk, speaking, told
from tests.serving import gateway, openai_backend, post
from tests.upstream import LAST_CHUNK, always, chunked, listening, sse, stream_head

BOTH = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
CALL = '<tool_call>\n{"name": "add", "arguments": {"a": 2, "b": 2}}\n</tool_call>'
THINKING = {"type": "enabled", "budget_tokens": 1024}


class Holiday(BaseModel):
    place: str
    days: int


@asynccontextmanager
async def said(*chunks: Chunk | str, **abilities: str):
    """The URL of a gateway whose backend says this."""
    async with gateway(saying(lambda: [*chunks], **abilities)) as url:
        yield url


def call(index: int, name: str | None, arguments: str) -> dict[str, Any]:
    opening = {"id": f"call_{index}", "type": "function"} if name else {}
    return {"index": index, **opening, "function": {**({"name": name} if name else {}), "arguments": arguments}}


@BOTH
async def test_a_text_is_a_block(stream):
    async with said("Hel", "lo!") as url:
        message = await told(url, stream=stream)
    assert message["content"] == [{"type": "text", "text": "Hello!"}]
    assert (message["role"], message["model"], message["stop_reason"]) == ("assistant", "m", "end_turn")
    assert message["usage"]["input_tokens"] > 0
    assert message["usage"]["output_tokens"] > 0


async def test_pieces_come_as_they_come():
    async with said("Hel", "lo", "!") as url:
        _, headers, body = await post(url, asked(stream=True), path=PATH)
    assert headers["content-type"] == "text/event-stream; charset=utf-8"
    deltas = [event["delta"]["text"] for event in answering.streamed(body) if event["type"] == "content_block_delta"]
    assert deltas == ["Hel", "lo", "!"]


@BOTH
async def test_an_empty_answer_has_an_empty_block(stream):
    async with said(Chunk(finish="stop")) as url:
        message = await told(url, stream=stream)
    assert (message["content"], message["stop_reason"]) == ([{"type": "text", "text": ""}], "end_turn")


@BOTH
@pytest.mark.parametrize(
    ("finish", "reason"), [("stop", "end_turn"), ("length", "max_tokens"), ("content_filter", "refusal")]
)
async def test_every_end_has_its_reason(finish, reason, stream):
    async with said("Hi", Chunk(finish=finish)) as url:
        assert (await told(url, stream=stream))["stop_reason"] == reason


@BOTH
async def test_a_refusal_is_text_that_ends_so(stream):
    async with said(Chunk(delta={"refusal": "I will not."}), Chunk(finish="stop")) as url:
        message = await told(url, stream=stream)
    assert message["content"] == [{"type": "text", "text": "I will not."}]
    assert message["stop_reason"] == "refusal"


@BOTH
async def test_the_stop_word_that_ended_it_is_told(stream):
    async with said("One, two, th", "ree, four") as url:
        message = await told(url, stream=stream, stop_sequences=["four", "three"])
        other = await told(url, stream=stream, stop_sequences=["five"])
    assert message["content"][0]["text"] == "One, two, "
    assert (message["stop_reason"], message["stop_sequence"]) == ("stop_sequence", "three")
    assert (other["stop_reason"], other["stop_sequence"]) == ("end_turn", None)


@BOTH
@pytest.mark.parametrize(
    ("beside", "end"),
    [
        ({"stop_reason": "END"}, ("stop_sequence", "END")),
        ({"stop_reason": 128001}, ("end_turn", None)),
        ({"stop_reason": "other"}, ("end_turn", None)),
        ({"stop_reason": ["END"]}, ("end_turn", None)),
    ],
)
async def test_a_backend_may_tell_the_stop_word_itself(beside, end, stream):
    async with said("Hi", Chunk(finish="stop", choice=beside), stop="native") as url:
        message = await told(url, stream=stream, stop_sequences=["END"])
    assert (message["stop_reason"], message["stop_sequence"]) == end


@BOTH
async def test_the_limit_ends_it(stream):
    async with said("one two three four five six seven eight nine ten") as url:
        message = await told(url, stream=stream, max_tokens=3)
    assert message["stop_reason"] == "max_tokens"
    assert message["usage"]["output_tokens"] <= 3


@BOTH
async def test_thoughts_come_first(stream):
    thoughts = [Chunk(delta={"reasoning_content": piece}) for piece in ("Hm", "m.")]
    async with said(*thoughts, "Yes.") as url:
        message = await told(url, stream=stream, thinking=THINKING)
    assert message["content"] == [
        {"type": "thinking", "thinking": "Hmm.", "signature": "dragoman"},
        {"type": "text", "text": "Yes."},
    ]
    assert message["usage"]["output_tokens_details"]["thinking_tokens"] > 0


@BOTH
async def test_thoughts_in_tags_are_thoughts(stream):
    backend = {"kind": "python", "target": lambda: "<think>Hm.</think>Yes.", "reasoning": "think-tags"}
    async with gateway(Gateway({"backends": {"b": backend}, "models": {"m": "b"}})) as url:
        message = await told(url, stream=stream)
    assert [block["type"] for block in message["content"]] == ["thinking", "text"]


@BOTH
async def test_calls_are_blocks_with_what_they_are_called_with(stream):
    first, second = call(0, "add", '{"a": 1}'), call(1, "now", "")
    async with said("Well.", Chunk(tool_calls=[first]), Chunk(tool_calls=[second]), tools="native") as url:
        message = await told(url, stream=stream, tools=[ADD])
    assert message["stop_reason"] == "tool_use"
    assert message["content"] == [
        {"type": "text", "text": "Well."},
        {"type": "tool_use", "id": "call_0", "name": "add", "input": {"a": 1}},
        {"type": "tool_use", "id": "call_1", "name": "now", "input": {}},
    ]


@BOTH
async def test_calls_that_come_mixed_are_told_one_after_the_other(stream):
    both = [call(0, "add", ""), call(1, "add", "")]
    pieces = [call(1, None, '{"a"'), call(0, None, '{"b"'), call(1, None, ": 1}"), call(0, None, ": 2}")]
    chunks = [Chunk(tool_calls=both), *(Chunk(tool_calls=[piece]) for piece in pieces), Chunk("Bye.")]
    async with said(*chunks, tools="native") as url:
        message = await told(url, stream=stream, tools=[ADD])
    assert answering.said(message)["calls"] == [("call_0", "add", {"b": 2}), ("call_1", "add", {"a": 1})]
    assert answering.said(message)["text"] == "Bye."


@BOTH
async def test_a_call_may_be_cut_by_the_limit(stream):
    async with said(Chunk(tool_calls=[call(0, "add", '{"a": 1')]), Chunk(finish="length"), tools="native") as url:
        message = await told(url, stream=stream, tools=[ADD])
    assert message["stop_reason"] == "max_tokens"
    assert message["content"][0]["name"] == "add"


async def test_a_call_that_cannot_be_read_is_a_failure():
    async with said(Chunk(tool_calls=[call(0, "add", "[1]")]), Chunk(finish="stop"), tools="native") as url:
        status, _, body = await post(url, asked(tools=[ADD]), path=PATH)
        assert (status, json.loads(body)["error"]["type"]) == (502, "api_error")
        status, _, body = await post(url, asked(tools=[ADD], stream=True), path=PATH)
    assert status == 200
    assert body.endswith(b"<unfinished>")
    *_, last = answering.events(body.removesuffix(b"<unfinished>"), broken=True)
    assert (last["type"], last["error"]["type"]) == ("error", "api_error")


@BOTH
@pytest.mark.parametrize(
    ("begun", "reply", "rest"),
    [('{"a":', '{"a":1}', "1}"), ('{"a":', "1}", "1}"), ("{", "{", ""), ("ab", "aab", "aab")],
)
async def test_what_the_caller_began_is_not_said_again(begun, reply, rest, stream):
    async with said(*reply) as url:
        message = await told(url, stream=stream, messages=[*HELLO, {"role": "assistant", "content": begun}])
    assert message["content"][0]["text"] == rest


@BOTH
async def test_usage_is_the_backends_own(stream):
    usage = {
        "prompt_tokens": 100,
        "completion_tokens": 20,
        "total_tokens": 120,
        "prompt_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }
    async with said("Hi", Chunk(finish="stop"), Chunk(usage=usage), usage="native") as url:
        message = await told(url, stream=stream)
    assert message["usage"] == {
        "input_tokens": 10,
        "cache_read_input_tokens": 60,
        "cache_creation_input_tokens": 30,
        "output_tokens": 20,
        "output_tokens_details": {"thinking_tokens": 5},
    }


@BOTH
async def test_usage_that_a_backend_should_have_told_is_estimated(stream):
    async with said("Hello, you!", usage="native", max_tokens="native") as url:
        message = await told(url, stream=stream)
    assert 5 < message["usage"]["input_tokens"] < 20
    assert message["usage"]["output_tokens"] == 3


async def test_the_sdk_talks_to_a_backend_of_texts():
    async with replying("Hello, you!") as (url, _), sdk(url) as client:
        message = await client.messages.create(**asked())
        async with client.messages.stream(**asked()) as stream:
            texts = [text async for text in stream.text_stream]
            final = await stream.get_final_message()
    assert (message.content[0].text, message.stop_reason) == ("Hello, you!", "end_turn")
    assert ("".join(texts), final.content[0].text) == ("Hello, you!", "Hello, you!")
    assert final.usage.output_tokens == message.usage.output_tokens > 0
    assert message._request_id.startswith("req_")


@BOTH
async def test_the_sdk_goes_through_a_tool_loop_on_a_backend_of_texts(stream):
    async def answer(client, messages):
        if not stream:
            return await client.messages.create(**asked(messages=messages, tools=[ADD]))
        async with client.messages.stream(**asked(messages=messages, tools=[ADD])) as streamed:
            return await streamed.get_final_message()

    async with replying(f"I shall add.\n{CALL}", "It is 4.") as (url, seen), sdk(url) as client:
        asking = [{"role": "user", "content": "What is 2+2?"}]
        first = await answer(client, asking)
        assert first.stop_reason == "tool_use"
        text, use = first.content
        assert (text.text.strip(), use.name, use.input) == ("I shall add.", "add", {"a": 2, "b": 2})
        result = {"type": "tool_result", "tool_use_id": use.id, "content": "4"}
        second = await answer(client, [*asking, first.to_param(), {"role": "user", "content": [result]}])
    assert (second.content[0].text, second.stop_reason) == ("It is 4.", "end_turn")
    assert "Adds two numbers" in seen[0]["q"]
    assert '<tool_result name="add">\n4' in seen[1]["q"]


@BOTH
async def test_the_sdk_gets_the_calls_of_an_upstream_that_has_them(stream):
    function = {"name": "add", "arguments": '{"a": 2, "b": 2}'}
    message = {"content": None, "tool_calls": [{"id": "call_1", "type": "function", "function": function}]}
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    async with speaking(message, "tool_calls", usage=usage) as (url, _), sdk(url) as client:
        if stream:
            async with client.messages.stream(**asked(tools=[ADD])) as streamed:
                got = await streamed.get_final_message()
        else:
            got = await client.messages.create(**asked(tools=[ADD]))
    assert [(block.id, block.input) for block in got.content] == [("call_1", {"a": 2, "b": 2})]
    assert (got.stop_reason, got.usage.input_tokens, got.usage.output_tokens) == ("tool_use", 7, 3)


async def test_the_sdk_reads_a_streamed_call_and_thoughts_as_they_come():
    deltas = [
        {"reasoning_content": "I must "},
        {"reasoning_content": "add."},
        {"tool_calls": [call(0, "add", "")]},
        {"tool_calls": [call(0, None, '{"a": 2')]},
        {"tool_calls": [call(0, None, ', "b": 2}')]},
    ]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    events = [*({"choices": [choice]} for choice in choices), "[DONE]"]
    script = always(stream_head() + chunked(*sse(*events)) + LAST_CHUNK)
    async with (
        listening(script) as upstream,
        gateway(openai_backend(upstream.url)) as url,
        sdk(url) as client,
        client.messages.stream(**asked(tools=[ADD])) as stream,
    ):
        kinds = [event.type async for event in stream]
        thinking, use = (await stream.get_final_message()).content
    assert (thinking.thinking, thinking.signature, use.input) == ("I must add.", "dragoman", {"a": 2, "b": 2})
    assert [kind for kind in kinds if kind in ("thinking", "signature", "input_json")] == [
        *("thinking", "thinking", "signature"),
        *("input_json", "input_json"),
    ]


async def test_the_sdk_parses_what_follows_a_schema():
    async with replying('Here: {"place": "Rome", "days": 3}') as (url, _), sdk(url) as client:
        got = await client.messages.parse(**asked(), output_format=Holiday)
        async with client.messages.stream(**asked(), output_format=Holiday) as stream:
            final = await stream.get_final_message()
    assert got.parsed_output == final.parsed_output == Holiday(place="Rome", days=3)
