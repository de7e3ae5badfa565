"""Cohere's wire."""

import json
from typing import Any

from tests.upstream import LAST_CHUNK, Received, chunked, json_answer, stream_head

GIVEN = {"key": "secret-key"}
MODEL = "command-a-03-2025"
TEXT = "A dragoman was an interpreter and guide in the Ottoman Empire."
CALLS = [("get_weather", {"city": "Graz"}), ("get_weather", {"city": "Linz"})]
PLAN = "I will look up the weather in Graz and in Linz."
CALLED = {"reasoning_content": PLAN, "tool_calls": CALLS, "finish_reason": "tool_calls"}
USAGE = {"prompt_tokens": 512, "completion_tokens": 15, "prompt_tokens_details": {"cached_tokens": 496}}
CITED = [("https://en.wikipedia.org/wiki/Dragoman", "Dragoman")]
THOUGHT = {"content": TEXT, "reasoning_content": "An old word."}
SAYS = {
    "whole": {"content": TEXT, "finish_reason": "stop", "usage": USAGE},
    "stream": {"content": TEXT, "finish_reason": "stop", "usage": USAGE},
    "error": {"status": 429, "code": "upstream_rate_limited"},
    "missing": {"status": 400, "code": "upstream_rejected"},
    "error-stream": {"status": None, "code": "upstream_error"},
    "tools": CALLED,
    "tools-stream": CALLED,
    "results": {"content": "It is sunny in Graz and raining in Linz.", "annotations": []},
    "image": {"content": "A black pixel.", "finish_reason": "length"},
    "schema": {"content": '{"city": "Vienna"}'},
    "thinking": THOUGHT,
    "thinking-stream": THOUGHT,
    "cited": {"content": TEXT, "annotations": CITED},
    "cited-stream": {"content": TEXT, "annotations": CITED},
}
QUESTION = {"messages": [{"role": "user", "content": "What is a dragoman?"}]}
DATA = {"title": "Dragoman", "url": "https://en.wikipedia.org/wiki/Dragoman", "text": "An interpreter and guide."}
CITING = {**QUESTION, "extra_body": {"documents": [{"id": "doc-1", "data": DATA}], "safety_mode": "STRICT"}}
ASKED = {
    "tools": {"tool_choice": "required"},
    "tools-stream": {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
    "thinking": {**QUESTION, "reasoning_effort": "low"},
    "thinking-stream": {**QUESTION, "extra_body": {"thinking": {"type": "enabled", "token_budget": 500}}},
    "cited": CITING,
    "cited-stream": CITING,
}
USED = {"billed_units": {"input_tokens": 9, "output_tokens": 5}, "tokens": {"input_tokens": 70, "output_tokens": 5}}


def whole(asked: Received, text: str) -> bytes:
    message = {"role": "assistant", "content": [{"type": "text", "text": text}]}
    return json_answer({"id": "c14c80c3", "message": message, "finish_reason": "COMPLETE", "usage": USED})


def event(type: str, delta: dict[str, Any] | None = None, **more: Any) -> bytes:
    value = {"type": type, **more, **({"delta": delta} if delta else {})}
    return f"event: {type}\ndata: {json.dumps(value)}\n\n".encode()


def content(**said: Any) -> dict[str, Any]:
    return {"message": {"content": said}}


def stream(asked: Received, words: list[str]) -> bytes:
    began = {"role": "assistant", "content": [], "tool_plan": "", "tool_calls": [], "citations": []}
    said = [
        event("message-start", {"message": began}, id="29f14a5a"),
        event("content-start", content(type="text", text=""), index=0),
        *(event("content-delta", content(text=word), index=0) for word in words),
        event("content-end", index=0),
        event("message-end", {"finish_reason": "COMPLETE", "usage": USED}),
        b"data: [DONE]\n\n",
    ]
    return stream_head() + chunked(*said) + LAST_CHUNK
