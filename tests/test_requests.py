"""What a caller may ask: every field of the chat request (OpenAI API reference, create chat completion)."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
import pytest_asyncio
from openai.types.chat import ChatCompletionMessage

from tests.serving import QUESTION, gateway, openai_backend, post
from tests.upstream import Upstream, always, json_answer, listening

pytestmark = pytest.mark.asyncio(loop_scope="module")

ANSWER = json_answer({"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]})


@dataclass
class Served:
    url: str
    upstream: Upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served() -> AsyncIterator[Served]:
    async with listening(always(ANSWER)) as upstream, gateway(openai_backend(upstream.url)) as url:
        yield Served(url, upstream)


def rows(table: dict[str, list[Any]]) -> list[Any]:
    return [pytest.param(field, value, id=f"{field}={value!r:.40}") for field, all in table.items() for value in all]


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **function}}


def custom(**options: Any) -> dict[str, Any]:
    return {"type": "custom", "custom": {"name": "c", **options}}


def called(**changes: Any) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}, **changes}


GOOD = {
    "stream": [False],
    "stream_options": [{}, {"include_usage": True, "include_obfuscation": False}, {"include_usage": None}],
    "max_completion_tokens": [1, 2**31],
    "max_tokens": [1, 128_000],
    "temperature": [0, 0.7, 2, 2.0],
    "top_p": [0, 0.5, 1],
    "frequency_penalty": [-2, 0.1, 2],
    "presence_penalty": [-2.0, 0, 2],
    "n": [1, 128],
    "stop": ["\n", "", ["a"], ["a", "b", "c", "d"]],
    "logprobs": [True, False],
    "logit_bias": [{}, {"50256": -100}, {"1": 100, "2": 0}],
    "seed": [0, -(2**63), 2**63 - 1],
    "response_format": [
        {"type": "text"},
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "n"}},
        {"type": "json_schema", "json_schema": {"name": "n", "description": "d", "schema": {}, "strict": None}},
    ],
    "tools": [
        [],
        [tool()],
        [tool(description="d", parameters={"type": "object"}, strict=True), tool(name="a-B_9" * 12)],
        [tool(description=None, parameters=None, strict=None)],
        [custom(), custom(format={"type": "text"})],
        [custom(format={"type": "grammar", "grammar": {"definition": "s: x", "syntax": "lark"}}, description="d")],
        [{"type": "web_search", "depth": 3}, tool()],
        [tool()] * 128,
    ],
    "tool_choice": [
        *("none", "auto", "required"),
        {"type": "function", "function": {"name": "f"}},
        {"type": "custom", "custom": {"name": "c"}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [tool()]}},
        {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": []}},
    ],
    "parallel_tool_calls": [True, False],
    "functions": [[{"name": "f"}], [{"name": "f", "description": "d", "parameters": {}}] * 128],
    "function_call": ["none", "auto", {"name": "f"}],
    "reasoning_effort": ["none", "minimal", "low", "medium", "high", "xhigh", "max", "a word of next year"],
    "verbosity": ["low", "medium", "high"],
    "service_tier": ["auto", "default", "flex", "scale", "priority", "fast"],
    "modalities": [["text"], ["text", "audio"]],
    "audio": [{"voice": "alloy", "format": "wav"}, {"voice": {"id": "v"}, "format": "pcm16"}],
    "prediction": [
        {"type": "content", "content": "x"},
        {"type": "content", "content": [{"type": "text", "text": "x"}]},
    ],
    "web_search_options": [{}, {"search_context_size": "low", "user_location": {"type": "approximate"}}],
    "store": [True, False],
    "metadata": [{}, {"k" * 64: "v" * 512}, {f"k{number}": "" for number in range(16)}],
    "moderation": [{"model": "m"}, {"model": "m", "policy": {"input": {"mode": "block"}, "output": {"mode": "score"}}}],
    "prompt_cache_key": ["k"],
    "prompt_cache_options": [{"mode": "auto", "ttl": "1h"}],
    "prompt_cache_retention": ["in_memory", "24h"],
    "safety_identifier": ["s" * 128],
    "user": ["u-1", "Jürgen 🦊"],
    "top_k": [40],
    "min_p": [0.1],
    "chat_template_kwargs": [{"enable_thinking": False}],
    "thinking": [{"type": "enabled", "budget_tokens": 1024}],
    "x_of_next_year": [None, True, 2**53 + 1, "text", [1, [2]], {"deep": {"er": None}}],
}

TEXT = {"type": "text", "text": "Hello"}
PARTS = [
    {**TEXT, "prompt_cache_breakpoint": {"type": "ephemeral"}, "cache_control": {"type": "ephemeral"}},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
    {"type": "image_url", "image_url": {"url": "https://example.com/a.png", "detail": "high"}},
    {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
    {"type": "file", "file": {"filename": "a.pdf", "file_data": "AA=="}},
    {"type": "file", "file": {"file_id": "file-1", "filename": None}},
    {"type": "video_of_next_year", "video": {"url": "https://example.com"}},
]
ECHOED = ChatCompletionMessage.model_validate({"role": "assistant", "content": "Hi", "reasoning_content": "Hm"})
ECHOED_CALL = ChatCompletionMessage.model_validate({"role": "assistant", "content": None, "tool_calls": [called()]})
CONVERSATIONS = {
    "instructions": [{"role": "system", "content": "Be."}, {"role": "developer", "content": [TEXT], "name": "d"}],
    "every part": [{"role": "user", "content": PARTS, "name": "ann"}],
    "no parts": [{"role": "user", "content": []}],
    "control characters": [{"role": "user", "content": "\x00\x07\r\n\x7f\u2028 🦊"}],
    "echoed by the SDK": [{"role": "user", "content": "Hello"}, ECHOED.model_dump(), ECHOED_CALL.model_dump()],
    "assistant's parts": [{"role": "assistant", "content": [TEXT, {"type": "refusal", "refusal": "No."}]}],
    "assistant's output": [{"role": "assistant", "content": [{"type": "output_text", "text": "Hi"}]}],
    "nulls": [{"role": "assistant", "content": None, "name": None, "audio": None, "function_call": None}],
    "audio": [{"role": "assistant", "audio": {"id": "audio_1"}}],
    "no content": [{"role": "assistant", "tool_calls": [called()]}],
    "custom calls": [
        {"role": "assistant", "tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "c", "input": "x"}}]}
    ],
    "tools": [
        {"role": "assistant", "content": "", "tool_calls": [called(), called(id="call_2", index=1)]},
        {"role": "tool", "tool_call_id": "call_1", "content": "4"},
        {"role": "tool", "tool_call_id": "call_2", "content": [TEXT]},
    ],
    "functions": [
        {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "4"},
        {"role": "function", "name": "f", "content": None},
    ],
    "unknown fields": [{"role": "user", "content": [{**TEXT, "new": 1}], "new": {"er": [None]}}],
    "2048 messages": [{"role": "user", "content": "x"}] * 2048,
}


async def accepted(served: Served, body: dict[str, Any]) -> Any:
    """The body as the upstream got it."""
    status, _, answer = await post(served.url, body)
    assert status == 200, answer
    return served.upstream.requests[-1].json


@pytest.mark.parametrize(("field", "value"), rows(GOOD))
async def test_a_good_field_is_accepted_and_goes_on_as_it_came(served: Served, field: str, value: Any):
    body = {**QUESTION, field: value}
    assert await accepted(served, body) == body


@pytest.mark.parametrize("messages", [pytest.param(messages, id=name) for name, messages in CONVERSATIONS.items()])
async def test_a_good_conversation_goes_on_as_it_came(served: Served, messages: Any):
    body = {"model": "m", "messages": messages}
    assert await accepted(served, body) == body


async def test_every_optional_field_may_be_null(served: Served):
    body = {**QUESTION, **dict.fromkeys(GOOD), "top_logprobs": None}
    assert await accepted(served, body) == body


async def test_top_logprobs_go_with_logprobs(served: Served):
    for most in (0, 20):
        body = {**QUESTION, "logprobs": True, "top_logprobs": most}
        assert await accepted(served, body) == body


async def test_whole_numbers_stay_whole_for_the_backend(served: Served):
    await accepted(served, {**QUESTION, "logit_bias": {"1": 5}, "x": 5, "seed": 5})
    sent = served.upstream.requests[-1].body
    assert b'"1":5.0' not in sent
    assert sent.count(b":5") == 3


async def test_max_completion_tokens_win_over_max_tokens(served: Served):
    sent = await accepted(served, {**QUESTION, "max_tokens": 9, "max_completion_tokens": 5})
    assert sent["max_completion_tokens"] == 5
    assert "max_tokens" not in sent


@pytest.mark.parametrize("type", [None, "application/json; charset=utf-8", "text/plain", "application/octet-stream"])
async def test_the_content_type_does_not_matter(served: Served, type: str | None):
    headers = {"content-type": type} if type else {}
    assert (await post(served.url, orjson.dumps(QUESTION), **headers))[0] == 200
