"""Langflow's wire."""

import json
from typing import Any

from tests.upstream import LAST_CHUNK, Received, chunked, json_answer, stream_head

GIVEN = {"key": "sk-secret"}
MODEL = "support"
SAYS: dict[str, dict[str, Any]] = {
    "whole": {"content": "A dragoman is an interpreter and guide.", "finish_reason": "stop"},
    "stream": {"content": "A dragoman – „Dolmetscher“ – interprets.", "finish_reason": "stop"},
    "error": {"status": 400, "code": "upstream_rejected"},
    "error-stream": {"status": None, "code": "upstream_error"},
}

SESSION = "0b1b2b5c-6d0e-4a35-9a3c-7a3f4b9f6a11"


def result(text: str) -> dict[str, Any]:
    message = {"text": text, "sender": "Machine", "sender_name": "AI", "session_id": SESSION}
    output = {"results": {"message": message}, "messages": [{"message": text, "type": "text"}]}
    return {"session_id": SESSION, "outputs": [{"inputs": {"input_value": "…"}, "outputs": [output]}]}


def event(name: str, data: Any) -> bytes:
    return json.dumps({"event": name, "data": data}).encode() + b"\n\n"


def stream(asked: Received, words: list[str]) -> bytes | None:
    if "stream=true" not in asked.head:
        return None
    said = [event("token", {"chunk": word, "id": "27b66789-e673-4c65-9e81-021752925161"}) for word in words]
    first = event("add_message", {"sender": "User", "session_id": SESSION, "text": asked.json["input_value"]})
    begun = event("add_message", {"sender": "Machine", "session_id": SESSION, "text": words[0]})
    last = event("end", {"result": result("".join(words))})
    return stream_head("text/event-stream; charset=utf-8") + chunked(first, begun, *said, last) + LAST_CHUNK


def whole(asked: Received, text: str) -> bytes:
    return json_answer(result(text))
