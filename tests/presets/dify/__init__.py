"""Dify's wire."""

from typing import Any

from tests.upstream import LAST_CHUNK, Received, chunked, sse, stream_head

GIVEN = {"key": "app-secret"}
MODEL = "helper"
SAYS: dict[str, dict[str, Any]] = {
    "whole": {
        "content": "A dragoman is an interpreter and guide.",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 57, "completion_tokens": 9, "total_tokens": 66},
    },
    "stream": {
        "content": "A dragoman – „Dolmetscher“ – interprets.",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 61, "completion_tokens": 12},
    },
    "moderated-stream": {"content": "I know ", "finish_reason": "content_filter"},
    "error": {"status": 400, "code": "upstream_rejected"},
    "error-stream": {"status": 429, "code": "upstream_rate_limited"},
}

IDS = {
    "task_id": "900bbd43-dc0b-4383-a372-aa6e6c414227",
    "message_id": "5ad4cb98-f0c7-4085-b384-88c403be6290",
    "conversation_id": "45701982-8118-4bc5-8e9b-64562b4555f2",
    "created_at": 1705398420,
}
USAGE = {"prompt_tokens": 57, "completion_tokens": 9, "total_tokens": 66, "currency": "USD", "latency": 0.77}


def stream(asked: Received, words: list[str]) -> bytes:
    said = ({"event": "message", **IDS, "answer": word} for word in words)
    first = {"event": "workflow_started", **IDS, "data": {"inputs": {}}}
    last = {"event": "message_end", **IDS, "metadata": {"usage": USAGE, "retriever_resources": []}}
    return stream_head() + chunked(*sse(first), b"event: ping\n\n", *sse(*said, last)) + LAST_CHUNK


def whole(asked: Received, text: str) -> bytes:
    return stream(asked, [text])
