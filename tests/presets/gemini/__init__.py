"""Gemini's wire."""

from typing import Any

from tests.presets import ASKING, TOOLS, call, calling, result
from tests.upstream import LAST_CHUNK, Received, chunked, json_answer, sse, stream_head

GIVEN = {"key": "secret-key"}
MODEL = "gemini-3-flash-preview"
TEXT = "A dragoman was an interpreter and guide in the Ottoman Empire."
CALLED = {
    "tool_calls": [("get_weather", {"city": "Graz"}), ("get_weather", {"city": "Linz"})],
    "finish_reason": "tool_calls",
}
USAGE = {"prompt_tokens": 41, "completion_tokens": 140, "completion_tokens_details": {"reasoning_tokens": 126}}
THOUGHT = {"content": TEXT, "reasoning_content": "**Defining the word**\n\nIt is an old one."}
CITED = [("https://vertexaisearch.cloud.google.com/grounding-api-redirect/AUZIYQ", "wikipedia.org")]
SAYS = {
    "whole": {"content": TEXT, "finish_reason": "stop", "usage": USAGE},
    "stream": {"content": TEXT, "finish_reason": "stop", "usage": USAGE},
    "error": {"status": 400, "code": "upstream_rejected"},
    "error-stream": {"status": None, "code": "upstream_rate_limited"},
    "limited": {"status": 429, "code": "upstream_rate_limited"},
    "locked": {"status": 502, "code": "upstream_auth_error"},
    "blocked": {"content": "", "finish_reason": "content_filter"},
    "blocked-stream": {"finish_reason": "content_filter"},
    "cut": {"content": "", "finish_reason": "length"},
    "tools": CALLED,
    "tools-stream": CALLED,
    "results": {"content": "Sunny in Graz, rain in Linz."},
    "image": {"content": "A black pixel.", "finish_reason": "length"},
    "schema": {"content": '{"city": "Vienna"}'},
    "thinking": THOUGHT,
    "thinking-stream": THOUGHT,
    "search": {"content": TEXT, "annotations": CITED},
}
QUESTION = {"messages": [{"role": "user", "content": "What is a dragoman?"}]}
FORCED = {"type": "function", "function": {"name": "get_weather"}}
SIGNED = [call("8f2b~EpwCCpkCAXLI2nyK", "Graz"), call("c0de", "Linz"), call("~EpwCCp/4+g==", "Wien")]
ASKED = {
    "tools": {"tool_choice": FORCED},
    "tools-stream": {"tool_choice": "required"},
    "results": {
        **TOOLS,
        "messages": [ASKING, calling(*SIGNED), *(result(each["id"], "sunny, 21 °C") for each in SIGNED)],
    },
    "thinking": {**QUESTION, "reasoning_effort": "medium"},
    "thinking-stream": {**QUESTION, "extra_body": {"thinkingConfig": {"includeThoughts": True, "thinkingBudget": -1}}},
    "search": {**QUESTION, "web_search_options": {}},
}


def said(text: str, **more: Any) -> dict[str, Any]:
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 14}
    content = {"parts": [{"text": text}], "role": "model"}
    return {"candidates": [{"content": content, "index": 0, **more}], "usageMetadata": usage, "modelVersion": MODEL}


def whole(asked: Received, text: str) -> bytes:
    return json_answer(said(text, finishReason="STOP"))


def stream(asked: Received, words: list[str]) -> bytes:
    *first, last = words
    return stream_head() + chunked(*sse(*map(said, first), said(last, finishReason="STOP"))) + LAST_CHUNK
