"""IBM watsonx.ai's wire, and that of IBM Cloud's IAM."""

from typing import Any

from tests.upstream import LAST_CHUNK, Received, chunked, json_answer, sse, stream_head

GIVEN = {
    "key": "secret-key",
    "project": "63dc4cf1-252f-424b-b52d-5cdd9814987f",
    "token_url": "{url}/identity/token",
}
MODEL = "meta-llama/llama-3-3-70b-instruct"

CITIES = [("get_weather", {"city": "Graz"}), ("get_weather", {"city": "Linz"})]
SAYS = {
    "whole": {
        "content": "A dragoman was an interpreter and guide in the Ottoman Empire.",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 69, "completion_tokens": 16, "total_tokens": 85},
    },
    "stream": {
        "content": "A dragoman is an interpreter – «tarjumān» in Arabic.",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 69, "completion_tokens": 17, "total_tokens": 86},
    },
    "thinking": {
        "content": "An interpreter.",
        "reasoning_content": "They ask about a word.",
        "finish_reason": "length",
    },
    "broken-stream": {"code": "upstream_error"},
    "error": {"status": 400, "code": "upstream_rejected"},
    "limited": {"status": 429, "code": "upstream_rate_limited"},
    "tools": {"tool_calls": CITIES, "finish_reason": "tool_calls"},
    "tools-stream": {"tool_calls": CITIES, "finish_reason": "tool_calls"},
    "results": {"content": "Graz is sunny at 21 °C, while it rains in Linz at 14 °C.", "finish_reason": "stop"},
    "forced": {"tool_calls": CITIES[:1], "finish_reason": "tool_calls"},
    "image": {"content": "It is a single pixel."},
    "schema": {"content": '{"city": "Graz"}'},
}
ASKED = {
    "forced": {
        "messages": [{"role": "user", "content": "What is the weather in Graz?"}],
        "tools": [{"type": "function", "function": {"name": "get_weather"}}],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    },
}

USAGE = {"completion_tokens": 9, "prompt_tokens": 21, "total_tokens": 30}


def whole(asked: Received, text: str) -> bytes:
    if "/identity/token" in asked.head:
        token = {"access_token": "eyJraWQiOiIyMDI1", "refresh_token": "not_supported", "token_type": "Bearer"}
        return json_answer({**token, "expires_in": 3600, "expiration": 4102444800, "scope": "ibm openid"})
    message = {"role": "assistant", "content": text}
    return json_answer(said({"index": 0, "message": message, "finish_reason": "stop"}, usage=USAGE))


def stream(asked: Received, words: list[str]) -> bytes | None:
    deltas = [{"role": "assistant", "content": ""}, *({"content": word} for word in words)]
    events = [said({"index": 0, "finish_reason": None, "delta": delta}) for delta in deltas]
    events += [said({"index": 0, "finish_reason": "stop", "delta": {"content": ""}}), said(usage=USAGE)]
    named = (f"id: {number}\nevent: message\n".encode() + event for number, event in enumerate(sse(*events), 1))
    return stream_head() + chunked(*named) + LAST_CHUNK


def said(*choices: dict[str, Any], **more: Any) -> dict[str, Any]:
    head = {"id": "chatcmpl-0b2dc4cf16f64a90", "model_id": MODEL, "created": 1763900000}
    return {**head, "choices": list(choices), "created_at": "2025-11-23T12:13:20.000Z", **more}
