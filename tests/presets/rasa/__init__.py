"""Rasa's wire."""

from typing import Any

from tests.upstream import Received, json_answer

GIVEN: dict[str, str] = {}
MODEL = "assistant"
SAYS: dict[str, dict[str, Any]] = {
    "whole": {
        "content": "A dragoman is an interpreter and guide.\nhttps://example.com/dragoman.jpg\nWhat else?",
        "finish_reason": "stop",
    },
    "error": {"status": 502, "code": "upstream_auth_error"},
}


def stream(asked: Received, words: list[str]) -> None:
    return None


def whole(asked: Received, text: str) -> bytes:
    return json_answer([{"recipient_id": asked.json["sender"], "text": line} for line in text.split("\n")])
