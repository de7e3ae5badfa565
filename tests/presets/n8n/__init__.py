"""n8n's wire."""

import json
from typing import Any

from tests.upstream import LAST_CHUNK, Received, chunked, stream_head

GIVEN = {"user": "ada", "password": "secret"}
MODEL = "6f5b1c2e-5a40-4d1c-8f0b-0c6a2f7f3f10"
SAYS: dict[str, dict[str, Any]] = {
    "whole": {"content": "A dragoman is an interpreter and guide.", "finish_reason": "stop"},
    "stream": {"content": "A dragoman – „Dolmetscher“ – interprets.", "finish_reason": "stop"},
    "error": {"status": 400, "code": "upstream_rejected"},
    "error-stream": {"status": None, "code": "upstream_error"},
}

NODE = {"nodeId": "b2f6e6de-8a36-4a0e-8a54-4f6a3e1d7c22", "nodeName": "AI Agent", "itemIndex": 0, "runIndex": 0}


def chunk(type: str, **content: str) -> bytes:
    return json.dumps({"type": type, **content, "metadata": {**NODE, "timestamp": 1755074919000}}).encode() + b"\n"


def stream(asked: Received, words: list[str]) -> bytes:
    said = [chunk("item", content=word) for word in words]
    # an agent that calls a tool first
    pieces = (chunk("begin"), chunk("end"), chunk("begin"), *said, chunk("end"))
    return stream_head("application/json; charset=utf-8") + chunked(*pieces) + LAST_CHUNK


def whole(asked: Received, text: str) -> bytes:
    """A workflow that streams does so for everyone."""
    return stream(asked, [text[place : place + 4] for place in range(0, len(text), 4)])
