"""Baidu Qianfan's wire."""

from typing import Any

from tests.upstream import LAST_CHUNK, Received, chunked, json_answer, sse, stream_head

GIVEN = {
    "client_id": "GBXtLcC1Zp0oE2QqyHdBlFNL",
    "client_secret": "secret-key",
    "token_url": "{url}/oauth/2.0/token",
}
MODEL = "completions_pro"

SAYS = {
    "whole": {
        "content": "A dragoman was an interpreter and guide in the Ottoman Empire.",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 38, "completion_tokens": 14, "total_tokens": 52},
    },
    "stream": {
        "content": "A dragoman is an interpreter – «通译» in Chinese.",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 38, "completion_tokens": 15, "total_tokens": 53},
    },
    "cited": {
        "content": "It rains in Linz.^[1]^",
        "finish_reason": "length",
        "annotations": [("https://wetter.example/linz", "Das Wetter in Linz")],
    },
    "unsafe": {"finish_reason": "content_filter"},
    "error": {"status": 400, "code": "upstream_rejected"},
    "limited": {"status": 429, "code": "upstream_rate_limited"},
    "limited-stream": {"status": 429, "code": "upstream_rate_limited"},
    "expired": {"status": 502, "code": "upstream_auth_error"},
    "login": {"status": 502, "code": "upstream_login_failed"},
    "tools": {"tool_calls": [("get_weather", {"city": "Graz"})], "finish_reason": "tool_calls"},
    "tools-stream": {"tool_calls": [("get_weather", {"city": "Graz"})], "finish_reason": "tool_calls"},
    "results": {"content": "Graz is sunny at 21 °C, while it rains in Linz at 14 °C.", "finish_reason": "stop"},
    "schema": {"content": '{"city": "Graz"}'},
}

USAGE = {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}


def whole(asked: Received, text: str) -> bytes:
    if "/oauth/2.0/token" in asked.head:
        token = {"access_token": "24.4a3a19b18992", "session_key": "", "session_secret": "", "refresh_token": "25.92bb"}
        return json_answer({**token, "expires_in": 2592000, "scope": "public wenxinworkshop_mgr"})
    return json_answer({**said(text, finish_reason="normal"), "usage": USAGE})


def stream(asked: Received, words: list[str]) -> bytes | None:
    events = [said(word, sentence_id=number, is_end=False) for number, word in enumerate(words)]
    last = {**said("", sentence_id=len(words), is_end=True, finish_reason="normal"), "usage": USAGE}
    return stream_head() + chunked(*sse(*events, last)) + LAST_CHUNK


def said(text: str, **more: Any) -> dict[str, Any]:
    head = {"id": "as-bcmt5ct4iy", "object": "chat.completion", "created": 1763900000}
    return {**head, "result": text, "is_truncated": False, "need_clear_history": False, **more}
