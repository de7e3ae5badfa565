"""Ollama's wire."""

import json
from typing import Any

from tests.upstream import LAST_CHUNK, Received, chunked, json_answer, stream_head

GIVEN = {"key": "secret-key", "context": 8192, "keep_alive": "10m"}
MODEL = "qwen3:8b"
TEXT = "A dragoman was an interpreter and guide in the Ottoman Empire."
CALLS = [("get_weather", {"city": "Graz"}), ("get_weather", {"city": "Linz"})]
CALLED = {"tool_calls": CALLS, "finish_reason": "tool_calls"}
USAGE = {"prompt_tokens": 58, "completion_tokens": 16, "total_tokens": 74}
THOUGHT = {"content": TEXT, "reasoning_content": "The user asks for an old word."}
SAYS = {
    "whole": {"content": TEXT, "finish_reason": "stop", "usage": USAGE},
    "stream": {"content": TEXT, "finish_reason": "stop", "usage": USAGE},
    "error": {"status": 400, "code": "upstream_rejected"},
    "broken": {"status": 502, "code": "upstream_error"},
    "error-stream": {"status": None, "code": "upstream_error"},
    "tools": {**CALLED, "reasoning_content": "Two cities, two calls."},
    "tools-stream": CALLED,
    "results": {"content": "Sunny in Graz, rain in Linz."},
    "image": {"content": "A black pixel.", "finish_reason": "length"},
    "schema": {"content": '{"city": "Vienna"}'},
    "thinking": THOUGHT,
    "thinking-stream": THOUGHT,
}
QUESTION = {"messages": [{"role": "user", "content": "What is a dragoman?"}]}
ASKED = {
    "schema": {"response_format": {"type": "json_object"}, "seed": 7, "extra_body": {"think": False, "top_k": 20}},
    "thinking": {**QUESTION, "reasoning_effort": "minimal"},
    "thinking-stream": {**QUESTION, "reasoning_effort": "high"},
}


def said(content: str, **more: Any) -> dict[str, Any]:
    head = {"model": MODEL, "created_at": "2026-05-04T10:11:12.131415Z"}
    return {**head, "message": {"role": "assistant", "content": content}, "done": False, **more}


ENDED = {"done": True, "done_reason": "stop", "total_duration": 5, "prompt_eval_count": 9, "eval_count": 5}


def whole(asked: Received, text: str) -> bytes:
    return json_answer(said(text, **ENDED))


def stream(asked: Received, words: list[str]) -> bytes:
    lines = [json.dumps(value).encode() + b"\n" for value in (*map(said, words), said("", **ENDED))]
    return stream_head("application/x-ndjson") + chunked(*lines) + LAST_CHUNK
