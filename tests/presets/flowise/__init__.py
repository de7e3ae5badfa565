"""Flowise's wire."""

import json
from typing import Any

from tests.upstream import LAST_CHUNK, Received, chunked, json_answer, stream_head

GIVEN = {"key": "secret-key"}
MODEL = "d1bf1e9f-8cc4-4f4c-9a5e-2b7c5c1f6c11"
SOURCES = [("https://example.com/dragoman", "Dragoman")]
SAYS: dict[str, dict[str, Any]] = {
    "whole": {"content": "A dragoman is an interpreter and guide.", "finish_reason": "stop", "annotations": SOURCES},
    "stream": {
        "content": "A dragoman – „Dolmetscher“ – interprets.",
        "reasoning_content": "An old word.",
        "finish_reason": "stop",
        "annotations": SOURCES,
    },
    "unstreamed-stream": {"content": "A dragoman is an interpreter and guide.", "finish_reason": "stop"},
    "image": {"content": "A single pixel.", "finish_reason": "stop"},
    "error": {"status": 502, "code": "upstream_error"},
    "error-stream": {"status": None, "code": "upstream_error"},
}

IDS = {"chatId": "0b1b2b5c-6d0e-4a35-9a3c-7a3f4b9f6a11", "chatMessageId": "c2f0e9a2-2e4e-4d57-8a0e-0d6d3b7f0c55"}


def event(name: str, data: Any) -> bytes:
    return f"message:\ndata:{json.dumps({'event': name, 'data': data})}\n\n".encode()


def stream(asked: Received, words: list[str]) -> bytes | None:
    if not asked.json["streaming"]:
        return None
    said = [event("token", word) for word in words]
    last = [event("metadata", IDS), event("end", "[DONE]")]
    return stream_head() + chunked(event("start", words[0]), *said, b":heartbeat\n\n", *last) + LAST_CHUNK


def whole(asked: Received, text: str) -> bytes:
    return json_answer({"text": text, "question": asked.json["question"], **IDS, "memoryType": "Buffer Memory"})
