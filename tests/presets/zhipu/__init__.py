"""Zhipu AI's wire."""

from typing import Any

from tests.upstream import LAST_CHUNK, Received, chunked, json_answer, sse, stream_head

GIVEN = {"id": "0123456789abcdef0123456789abcdef", "secret": "secret-key-of-16"}
MODEL = "glm-4.6"

CITIES = [("get_weather", {"city": "Graz"}), ("get_weather", {"city": "Linz"})]
SAYS = {
    "whole": {
        "content": "A dragoman was an interpreter and guide in the Ottoman Empire.",
        "reasoning_content": "The user wants one sentence about a word.",
        "finish_reason": "stop",
        "usage": {
            "prompt_tokens": 45,
            "completion_tokens": 31,
            "total_tokens": 76,
            "prompt_tokens_details": {"cached_tokens": 4},
        },
    },
    "stream": {
        "content": "A dragoman is an interpreter – «通译» in Chinese.",
        "reasoning_content": "One sentence.",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 45, "completion_tokens": 24},
    },
    "cited": {
        "content": "It rains in Linz.[1]",
        "annotations": [("https://wetter.example/linz", "Das Wetter in Linz")],
    },
    "sensitive": {"content": "", "finish_reason": "content_filter"},
    "error": {"status": 400, "code": "upstream_rejected"},
    "limited": {"status": 429, "code": "upstream_rate_limited"},
    "unpaid": {"status": 502, "code": "upstream_auth_error"},
    "tools": {"tool_calls": CITIES, "finish_reason": "tool_calls"},
    "tools-stream": {"tool_calls": CITIES, "finish_reason": "tool_calls"},
    "results": {"content": "Graz is sunny at 21 °C, while it rains in Linz at 14 °C.", "finish_reason": "stop"},
    "image": {"content": "It is a single pixel."},
    "schema": {"content": '{"city": "Graz"}'},
}
ASKED = {
    "cited": {
        "messages": [{"role": "user", "content": "What is the weather in Linz?"}],
        "tools": [{"type": "web_search", "web_search": {"enable": True, "search_result": True}}],
        "reasoning_effort": "none",
        "user": "caller-1",
    },
}

HEAD = {"id": "20251123201320f2b1a0c6d7e84a31", "created": 1763900000, "model": MODEL}
USAGE = {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30, "prompt_tokens_details": {"cached_tokens": 2}}


def whole(asked: Received, text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return json_answer({**HEAD, "request_id": HEAD["id"], "choices": [choice], "usage": USAGE})


def stream(asked: Received, words: list[str]) -> bytes | None:
    events = [said({"role": "assistant", "content": word}) for word in words]
    last = {**said({"role": "assistant", "content": ""}, finish_reason="stop"), "usage": USAGE}
    return stream_head() + chunked(*sse(*events, last, "[DONE]")) + LAST_CHUNK


def said(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**HEAD, "choices": [{"index": 0, **more, "delta": delta}]}
