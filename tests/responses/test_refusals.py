"""What is refused, how it is told in this dialect's words, and how a stream breaks."""

import json

import openai
import pytest
import pytest_asyncio

from tests.responses.answering import events, streamed
from tests.responses.speaking import HELLO, WEATHER, ask, native, plain, refused
from tests.serving import client, gateway, http_backend
from tests.upstream import always, chunked, json_answer, listening, sse, stream_head

USER = {"role": "user", "content": "Hello"}
IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,iVBORw0KGgo="}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def text():
    """A server whose backend knows nothing but text, and that backend."""
    async with plain("Fine.") as made:
        yield made


def parts(*each):
    return {"input": [{"role": "user", "content": list(each)}]}


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"input": None}, "input", "missing_required_parameter"),
        ({"model": None}, "model", "missing_required_parameter"),
        ({"model": 5}, "model", "invalid_type"),
        ({"input": 5}, "input", "invalid_type"),
        ({"input": []}, "input", "empty_array"),
        ({"input": [5]}, "input[0]", "invalid_type"),
        ({"input": [{}]}, "input[0].type", "missing_required_parameter"),
        ({"input": [{"type": 5}]}, "input[0].type", "invalid_type"),
        ({"input": [{"type": "compaction"}]}, "input", "invalid_value"),
        ({"input": [USER, {"role": "tool", "content": "x"}]}, "input[1].role", "invalid_value"),
        ({"input": [USER, {"role": "user"}]}, "input[1].content", "missing_required_parameter"),
        ({"input": [{"role": "user", "content": None}]}, "input[0].content", "invalid_type"),
        (parts({"type": "input_text"}), "input[0].content[0].text", "missing_required_parameter"),
        (parts({"type": "input_text", "text": "a"}, {}), "input[0].content[1].type", "missing_required_parameter"),
        (parts({"type": "input_image"}), "input[0].content[0].image_url", "missing_required_parameter"),
        (parts({"type": "input_image", "file_id": "f"}), "input[0].content[0].image_url", "missing_required_parameter"),
        (parts({"type": "input_file", "file_url": "u"}), "input[0].content[0].file_url", "unsupported_parameter"),
        ({"input": [{"type": "function_call", "call_id": "c"}]}, "input[0].name", "missing_required_parameter"),
        (
            {"input": [{"type": "function_call_output", "call_id": "c"}]},
            "input[0].output",
            "missing_required_parameter",
        ),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, "input[0].id", "item_not_found"),
        ({"input": [{"id": "msg_" + "0" * 36}]}, "input[0].id", "item_not_found"),
        ({"tools": [{"type": "function"}]}, "tools[0].name", "missing_required_parameter"),
        ({"tools": [{"type": "function", "name": "a b"}]}, "tools[0].name", "invalid_value"),
        ({"tools": [{**WEATHER, "parameters": []}]}, "tools[0].parameters", "invalid_type"),
        ({"tools": [{"name": "a"}]}, "tools[0].type", "missing_required_parameter"),
        ({"tools": [WEATHER] * 129}, "tools", "array_above_max_length"),
        ({"tool_choice": "always"}, "tool_choice", "invalid_value"),
        ({"tool_choice": {"type": "function"}}, "tool_choice.name", "missing_required_parameter"),
        ({"text": {"format": {"type": "xml"}}}, "text.format.type", "invalid_value"),
        (
            {"text": {"format": {"type": "json_schema", "name": "a"}}},
            "text.format.schema",
            "missing_required_parameter",
        ),
        ({"temperature": 3}, "temperature", "decimal_above_max_value"),
        ({"top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
        ({"max_output_tokens": 0}, "max_output_tokens", "integer_below_min_value"),
        ({"metadata": {"a": 5}}, "metadata.a", "invalid_type"),
        ({"truncation": "sometimes"}, "truncation", "invalid_value"),
        ({"background": True}, "background", "unsupported_parameter"),
        ({"conversation": "conv_1"}, "conversation", "unsupported_parameter"),
        ({"conversation": {"id": "conv_1"}}, "conversation", "unsupported_parameter"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt", "unsupported_parameter"),
        ({"previous_response_id": "resp_1"}, "previous_response_id", "previous_response_not_found"),
        ({"previous_response_id": "resp_" + "0" * 32}, "previous_response_id", "previous_response_not_found"),
    ],
)
async def test_what_is_wrong_is_named_by_its_place(text, body, param, code):
    url, upstream = text
    asked = len(upstream.requests)
    status, error = await refused(url, {**HELLO, **body})
    assert (status, error["type"], error["param"], error["code"]) == (422, "invalid_request_error", param, code)
    assert len(upstream.requests) == asked


async def test_openais_statuses_can_be_had():
    async with plain("Fine.", errors="openai") as (url, _), client(url) as sdk:
        with pytest.raises(openai.BadRequestError) as refusal:
            await sdk.responses.create(model="m", input="Hello", background=True)
        assert refusal.value.param == "background"


@pytest.mark.parametrize(
    ("abilities", "body", "param"),
    [
        ({"max_tokens": "reject"}, {"max_output_tokens": 5}, "max_output_tokens"),
        (
            {"json_schema": "reject"},
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": {}}}},
            "text.format",
        ),
        ({"logprobs": "reject"}, {"top_logprobs": 2}, "top_logprobs"),
        ({"logprobs": "reject"}, {"include": ["message.output_text.logprobs"]}, "include"),
        ({"tools": "reject"}, {"tools": [WEATHER]}, "tools"),
        ({}, parts({"type": "input_text", "text": "a"}, IMAGE), "input[0].content[1]"),
        ({}, {"input": [USER, {"role": "user", "content": [IMAGE]}], "instructions": "x"}, "input[1].content[0]"),
    ],
)
async def test_what_a_backend_cannot_do_is_told_in_the_words_of_the_caller(abilities, body, param):
    async with plain("Fine.", abilities=abilities) as (url, _):
        for stream in (False, True):
            status, error = await refused(url, {**HELLO, **body, "stream": stream})
            assert (status, error["param"]) == (422, param)
            assert "max_completion" not in error["message"]


async def test_a_schema_behind_the_door_is_named_where_it_stands():
    tools = [{"type": "web_search"}, {**WEATHER, "parameters": {"type": "object", "properties": {"a": {"$ref": "x"}}}}]
    async with plain("Fine.") as (url, _):
        status, error = await refused(url, {**HELLO, "tools": tools})
        assert status == 422
        assert error["param"].startswith("tools[1].parameters")


async def test_what_the_upstream_says_of_a_request_is_told_in_the_words_of_the_caller():
    wrong = {"error": {"message": "Too many.", "type": "x", "param": "messages[1].content", "code": "y"}}
    async with native("Fine.", show_errors=True) as (url, upstream):
        upstream.script = always(json_answer(wrong, status="400 Bad Request"))
        body = {"model": "m", "input": [USER], "instructions": "Be kind."}
        _, error = await refused(url, body)
        assert (error["param"], error["code"]) == ("input[0].content", "y")


async def test_an_unknown_model_is_refused():
    async with plain("Fine.") as (url, _):
        status, error = await refused(url, {"model": "other", "input": "Hello"})
        assert (status, error["code"]) == (404, "model_not_found")


async def test_a_deep_schema_is_taken_and_a_deeper_one_refused():
    def nested(depth):
        return {"type": "array", "items": nested(depth - 1)} if depth else {"type": "string"}

    async with native("Fine.") as (url, _):
        for depth, expected in ((40, 200), (80, 422)):
            format = {"type": "json_schema", "name": "a", "schema": nested(depth)}
            status, _, _ = await ask(url, {**HELLO, "text": {"format": format}})
            assert status == expected


async def test_a_backend_that_is_down_is_told_before_the_stream_begins():
    async with gateway(http_backend("http://127.0.0.1:9")) as url:
        for stream in (False, True):
            status, error = await refused(url, {**HELLO, "stream": stream})
            assert (status, error["code"]) == (500, "upstream_connect_error")


BROKEN = always(stream_head() + chunked(*sse({"t": "On"}, "{")))
FRAMED = {"stream": {"framing": "sse", "text": "t"}}


async def test_a_stream_that_breaks_ends_with_a_failed_response_and_unfinished():
    async with listening(BROKEN) as upstream, gateway(http_backend(upstream.url, **FRAMED)) as url:
        status, _, body = await ask(url, {**HELLO, "stream": True})
        assert (status, body[-12:]) == (200, b"<unfinished>")
        response = streamed(body)
        assert (response["status"], response["error"]["code"]) == ("failed", "server_error")
        assert "request id: req_" in response["error"]["message"]
        assert str(upstream.port) not in body.decode()
        assert response["output"][0]["content"][0]["text"] == "On"
        assert (await refused(url, None, f"/{response['id']}", "GET"))[0] == 404, "what fails is not kept"


async def test_the_sdk_hears_of_the_failure():
    async with listening(BROKEN) as upstream, gateway(http_backend(upstream.url, **FRAMED)) as url, client(url) as sdk:
        stream, heard = await sdk.responses.create(**HELLO, stream=True), []
        with pytest.raises(openai.APIConnectionError):
            await anext(event async for event in stream if heard.append(event))
        assert heard[-1].type == "response.failed"
        assert heard[-1].response.error.code == "server_error"


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [
        ("/resp_1", "GET", 404),
        ("/resp_1", "DELETE", 404),
        ("/resp_1/input_items", "GET", 404),
        ("/resp_1/cancel", "POST", 404),
        ("/compact", "POST", 404),
        ("/resp_" + "0" * 32, "GET", 404),
        ("/resp_1/telepathy", "GET", 404),
        ("", "GET", 405),
        ("/resp_1", "PUT", 405),
    ],
)
async def test_what_is_not_there_is_told_in_the_envelope(text, path, method, status):
    assert (await refused(text[0], None, path, method))[0] == status


async def test_what_is_over_cannot_be_cancelled_nor_told_as_events():
    async with plain("Fine.") as (url, _):
        _, _, body = await ask(url, HELLO)
        id = json.loads(body)["id"]
        status, error = await refused(url, None, f"/{id}/cancel")
        assert (status, error["code"]) == (422, "not_in_background")
        status, error = await refused(url, None, f"/{id}?stream=true", "GET")
        assert (status, error["param"], error["code"]) == (422, "stream", "unsupported_parameter")


async def test_both_paths_are_answered_with_and_without_v1():
    async with plain("Fine.") as (url, _), client(url.removesuffix("/v1")) as sdk:
        sdk.base_url = url
        made = await sdk.responses.create(**HELLO)
        assert (await sdk.responses.retrieve(made.id)).output_text == "Fine."


async def test_an_event_is_one_block_of_two_lines():
    async with plain("One two.") as (url, _):
        _, headers, body = await ask(url, {**HELLO, "stream": True})
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert len(events(body)) == body.count(b"\n\n")
