"""What a caller may not ask, and how it is told: the field and the fault by name, what it sent never."""

from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio

from tests.serving import QUESTION, gateway, openai_backend, post
from tests.upstream import Upstream, always, listening

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "sesame"
TEXT = {"type": "text", "text": "Hello"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[Upstream]:
    async with listening(always()) as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def urls(upstream: Upstream) -> AsyncIterator[dict[int, str]]:
    """A gateway by the status that it gives to a bad request."""
    async with (
        gateway(openai_backend(upstream.url)) as specified,
        gateway(openai_backend(upstream.url, errors="openai")) as openai,
    ):
        yield {422: specified, 400: openai}


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **function}}


def called(**changes: Any) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}, **changes}


WRONG = {
    "messages": [
        ([], "messages", "empty_array"),
        (None, "messages", "invalid_type"),
        (SECRET, "messages", "invalid_type"),
        ([SECRET], "messages[0]", "invalid_type"),
        ([{"role": "user", "content": SECRET}] * 2049, "messages", "array_above_max_length"),
    ],
    "model": [
        (None, "model", "invalid_type"),
        (5, "model", "invalid_type"),
        ([SECRET], "model", "invalid_type"),
        ("", "model", "empty_string"),
        (f"m\r\nx: {SECRET}", "model", "invalid_value"),
        (f"{SECRET}\x00", "model", "invalid_value"),
        (f"{SECRET}\x7f", "model", "invalid_value"),
    ],
    "stream": [(SECRET, "stream", "invalid_type"), (1, "stream", "invalid_type")],
    "stream_options": [
        (True, "stream_options", "invalid_type"),
        ({"include_usage": SECRET}, "stream_options.include_usage", "invalid_type"),
    ],
    "max_completion_tokens": [
        (0, "max_completion_tokens", "integer_below_min_value"),
        (1.5, "max_completion_tokens", "invalid_type"),
    ],
    "max_tokens": [(-1, "max_tokens", "integer_below_min_value"), ("5", "max_tokens", "invalid_type")],
    "temperature": [
        (2.1, "temperature", "decimal_above_max_value"),
        (-0.1, "temperature", "decimal_below_min_value"),
        ("1", "temperature", "invalid_type"),
        (True, "temperature", "invalid_type"),
    ],
    "top_p": [(1.01, "top_p", "decimal_above_max_value"), (-1, "top_p", "decimal_below_min_value")],
    "frequency_penalty": [(2.5, "frequency_penalty", "decimal_above_max_value")],
    "presence_penalty": [(-2.5, "presence_penalty", "decimal_below_min_value")],
    "n": [
        (0, "n", "integer_below_min_value"),
        (129, "n", "integer_above_max_value"),
        (10**30, "n", "invalid_type"),
        (True, "n", "invalid_type"),
    ],
    "stop": [
        ([], "stop", "empty_array"),
        ([SECRET] * 5, "stop", "array_above_max_length"),
        (5, "stop", "invalid_type"),
        ([5], "stop[0]", "invalid_type"),
    ],
    "logprobs": [(5, "logprobs", "invalid_type")],
    "top_logprobs": [
        (21, "top_logprobs", "integer_above_max_value"),
        (-1, "top_logprobs", "integer_below_min_value"),
        (5, "top_logprobs", "invalid_value"),
    ],
    "logit_bias": [
        ([], "logit_bias", "invalid_type"),
        ({"token": 0.5}, "logit_bias.token", "invalid_type"),
        ({"token": 101}, "logit_bias.token", "integer_above_max_value"),
        ({"token": -101}, "logit_bias.token", "integer_below_min_value"),
    ],
    "seed": [(1.5, "seed", "invalid_type"), (2**63, "seed", "integer_above_max_value")],
    "response_format": [
        ("json", "response_format", "invalid_type"),
        ({}, "response_format.type", "missing_required_parameter"),
        ({"type": SECRET}, "response_format.type", "invalid_value"),
        ({"type": "json_schema"}, "response_format.json_schema", "missing_required_parameter"),
        ({"type": "json_schema", "json_schema": {}}, "response_format.json_schema.name", "missing_required_parameter"),
        (
            {"type": "json_schema", "json_schema": {"name": "a b"}},
            "response_format.json_schema.name",
            "invalid_value",
        ),
    ],
    "tools": [
        ({}, "tools", "invalid_type"),
        ([SECRET], "tools[0]", "invalid_type"),
        ([tool()] * 129, "tools", "array_above_max_length"),
        ([{"function": {"name": SECRET}}], "tools[0].type", "missing_required_parameter"),
        ([{"type": 5}], "tools[0].type", "invalid_type"),
        ([tool(), {"type": "function"}], "tools[1].function", "missing_required_parameter"),
        ([{"type": "function", "function": {}}], "tools[0].function.name", "missing_required_parameter"),
        ([tool(name="n" * 65)], "tools[0].function.name", "invalid_value"),
        ([tool(name=f"{SECRET}\n")], "tools[0].function.name", "invalid_value"),
        ([tool(name=f"{SECRET} x")], "tools[0].function.name", "invalid_value"),
        ([tool(parameters=SECRET)], "tools[0].function.parameters", "invalid_type"),
        ([{"type": "custom", "custom": {}}], "tools[0].custom.name", "missing_required_parameter"),
    ],
    "tool_choice": [
        (SECRET, "tool_choice", "invalid_value"),
        (5, "tool_choice", "invalid_type"),
        ({"type": "function"}, "tool_choice.function", "missing_required_parameter"),
        ({"type": "function", "function": {}}, "tool_choice.function.name", "missing_required_parameter"),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": SECRET, "tools": []}},
            "tool_choice.allowed_tools.mode",
            "invalid_value",
        ),
    ],
    "parallel_tool_calls": [("yes", "parallel_tool_calls", "invalid_type")],
    "functions": [([], "functions", "empty_array"), ([{"name": "f"}] * 129, "functions", "array_above_max_length")],
    "function_call": [
        (SECRET, "function_call", "invalid_value"),
        ({}, "function_call.name", "missing_required_parameter"),
    ],
    "reasoning_effort": [(5, "reasoning_effort", "invalid_type")],
    "verbosity": [([SECRET], "verbosity", "invalid_type")],
    "service_tier": [({SECRET: 1}, "service_tier", "invalid_type")],
    "web_search_options": [(SECRET, "web_search_options", "invalid_type")],
    "store": [(SECRET, "store", "invalid_type"), (0, "store", "invalid_type")],
    "prompt_cache_key": [(5, "prompt_cache_key", "invalid_type")],
    "prompt_cache_options": [(SECRET, "prompt_cache_options", "invalid_type")],
    "prompt_cache_retention": [(24, "prompt_cache_retention", "invalid_type")],
    "modalities": [("text", "modalities", "invalid_type"), ([5], "modalities[0]", "invalid_type")],
    "audio": [({"voice": "alloy"}, "audio.format", "missing_required_parameter")],
    "prediction": [
        ({"type": SECRET, "content": "x"}, "prediction.type", "invalid_value"),
        ({"type": "content"}, "prediction.content", "missing_required_parameter"),
    ],
    "metadata": [
        ({f"k{number}": SECRET for number in range(17)}, "metadata", "object_above_max_properties"),
        ({"key": 5}, "metadata.key", "invalid_type"),
        ({"key": SECRET * 100}, "metadata.key", "string_above_max_length"),
        ({SECRET * 11: ""}, "metadata.…", "string_above_max_length"),
        ({f"{SECRET}\r\nx: y": ""}, "metadata.…", "invalid_value"),
    ],
    "moderation": [({"policy": {}}, "moderation.model", "missing_required_parameter")],
    "safety_identifier": [("s" * 129, "safety_identifier", "string_above_max_length")],
    "user": [(5, "user", "invalid_type"), (f"{SECRET}\r\n", "user", "invalid_value")],
}

WRONG_MESSAGES = [
    ({"content": SECRET}, "role", "missing_required_parameter"),
    ({"role": SECRET, "content": "x"}, "role", "invalid_value"),
    ({"role": 5, "content": "x"}, "role", "invalid_type"),
    ({"role": "user"}, "content", "missing_required_parameter"),
    ({"role": "user", "content": None}, "content", "invalid_type"),
    ({"role": "user", "content": 5}, "content", "invalid_type"),
    ({"role": "user", "content": "x", "name": 5}, "name", "invalid_type"),
    ({"role": "system", "content": {SECRET: 1}}, "content", "invalid_type"),
    ({"role": "tool", "content": "x"}, "tool_call_id", "missing_required_parameter"),
    ({"role": "function", "content": "x"}, "name", "missing_required_parameter"),
    ({"role": "assistant", "tool_calls": {}}, "tool_calls", "invalid_type"),
    ({"role": "assistant", "tool_calls": [{}]}, "tool_calls[0].type", "missing_required_parameter"),
    ({"role": "assistant", "tool_calls": [called(id=5)]}, "tool_calls[0].id", "invalid_type"),
    (
        {"role": "assistant", "tool_calls": [called(function={"name": "f", "arguments": {SECRET: 1}})]},
        "tool_calls[0].function.arguments",
        "invalid_type",
    ),
]
WRONG_PARTS = [
    (SECRET, "", "invalid_type"),
    ({"text": SECRET}, ".type", "missing_required_parameter"),
    ({"type": None}, ".type", "invalid_type"),
    ({"type": "text"}, ".text", "missing_required_parameter"),
    ({"type": "text", "text": 5}, ".text", "invalid_type"),
    ({"type": "image_url", "image_url": SECRET}, ".image_url", "invalid_type"),
    ({"type": "image_url", "image_url": {}}, ".image_url.url", "missing_required_parameter"),
    ({"type": "input_audio", "input_audio": {"format": "wav"}}, ".input_audio.data", "missing_required_parameter"),
    ({"type": "file", "file": SECRET}, ".file", "invalid_type"),
    ({"type": "refusal"}, ".refusal", "missing_required_parameter"),
]
BAD = [
    *(({**QUESTION, field: value}, param, code) for field, told in WRONG.items() for value, param, code in told),
    *(
        ({"model": "m", "messages": [QUESTION["messages"][0], message]}, f"messages[1].{param}", code)
        for message, param, code in WRONG_MESSAGES
    ),
    *(
        (
            {"model": "m", "messages": [{"role": "user", "content": [TEXT, part]}]},
            f"messages[0].content[1]{param}",
            code,
        )
        for part, param, code in WRONG_PARTS
    ),
    ({"messages": QUESTION["messages"]}, "model", "missing_required_parameter"),
    ({"model": SECRET}, "messages", "missing_required_parameter"),
]


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [pytest.param(*row, id=f"{number}-{row[1]}-{row[2]}") for number, row in enumerate(BAD)],
)
async def test_a_bad_field_is_named_and_never_echoed(
    upstream: Upstream, urls: dict[int, str], body: Any, param: str, code: str
):
    for expected, url in urls.items():
        status, headers, answer = await post(url, body)
        error = orjson.loads(answer)["error"]
        assert (status, error["param"], error["code"]) == (expected, param, code), error["message"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert error["type"] == "invalid_request_error"
        assert headers["content-type"] == "application/json"
        assert SECRET.encode() not in answer
    assert not upstream.requests
