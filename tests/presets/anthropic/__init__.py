"""Anthropic's wire."""

import json
from typing import Any

from tests.upstream import LAST_CHUNK, Received, chunked, json_answer, stream_head

GIVEN = {"key": "secret-key"}
MODEL = "claude-sonnet-4-6"
TEXT = "A dragoman was an interpreter and guide in the countries of the Levant."
CALLS = [("get_weather", {"city": "Graz"}), ("get_weather", {"city": "Linz"})]
CALLED = {"content": "I'll look up both cities.", "tool_calls": CALLS, "finish_reason": "tool_calls"}
USAGE = {"prompt_tokens": 2085, "completion_tokens": 24, "prompt_tokens_details": {"cached_tokens": 2048}}
CITED = [("https://en.wikipedia.org/wiki/Dragoman", "Dragoman - Wikipedia")]
SAYS = {
    "whole": {"content": TEXT, "finish_reason": "stop", "usage": USAGE},
    "stream": {"content": TEXT, "finish_reason": "stop", "usage": USAGE},
    "error": {"status": 400, "code": "upstream_rejected"},
    "limited": {"status": 429, "code": "upstream_rate_limited"},
    "error-stream": {"status": None, "code": "upstream_error"},
    "tools": CALLED,
    "tools-stream": CALLED,
    "results": {"content": "It is sunny in Graz (21 °C) and raining in Linz (14 °C)."},
    "image": {"content": "A single black pixel.", "finish_reason": "length"},
    "schema": {"content": '{"city":"Vienna"}'},
    "thinking": {
        "content": TEXT,
        "reasoning_content": "An old word for an interpreter.",
        "usage": {"completion_tokens": 64, "completion_tokens_details": {"reasoning_tokens": 31}},
    },
    "thinking-stream": {"content": TEXT, "reasoning_content": "An old word for an interpreter."},
    "search": {"content": "A dragoman was an interpreter.", "annotations": CITED},
    "search-stream": {"content": "A dragoman was an interpreter.", "annotations": CITED},
    "refusal": {"content": "", "finish_reason": "content_filter"},
}
QUESTION = {"messages": [{"role": "user", "content": "What is a dragoman?"}], "temperature": 1, "max_tokens": 4096}
SEARCH = {**QUESTION, "web_search_options": {}}
FORCED = {"type": "function", "function": {"name": "get_weather"}}
ASKED = {
    "tools-stream": {"tool_choice": FORCED, "parallel_tool_calls": False, "user": "u-1", "temperature": 1.5},
    "thinking": {**QUESTION, "reasoning_effort": "minimal"},
    "thinking-stream": {**QUESTION, "extra_body": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
    "search": SEARCH,
    "search-stream": SEARCH,
}


def message(**more: Any) -> dict[str, Any]:
    usage = {"input_tokens": 9, "output_tokens": 1}
    head = {"id": "msg_01", "type": "message", "role": "assistant", "model": MODEL, "stop_sequence": None}
    return {**head, "content": [], "stop_reason": None, "usage": usage, **more}


def whole(asked: Received, text: str) -> bytes:
    return json_answer(message(content=[{"type": "text", "text": text}], stop_reason="end_turn"))


def event(type: str, **more: Any) -> bytes:
    return f"event: {type}\ndata: {json.dumps({'type': type, **more})}\n\n".encode()


def stream(asked: Received, words: list[str]) -> bytes:
    deltas = [event("content_block_delta", index=0, delta={"type": "text_delta", "text": word}) for word in words]
    said = [
        event("message_start", message=message()),
        event("content_block_start", index=0, content_block={"type": "text", "text": ""}),
        event("ping"),
        *deltas,
        event("content_block_stop", index=0),
        event("message_delta", delta={"stop_reason": "end_turn", "stop_sequence": None}, usage={"output_tokens": 5}),
        event("message_stop"),
    ]
    return stream_head() + chunked(*said) + LAST_CHUNK
