"""Botpress's wire."""

from typing import Any

from tests.upstream import Received, json_answer

GIVEN = {"webhook": "3c2a1f0e-8a36-4a0e-8a54-4f6a3e1d7c22", "key": "secret-key", "user": "user_01JH"}
MODEL = "bot"
SAYS: dict[str, dict[str, Any]] = {
    "whole": {"content": "A dragoman is an interpreter and guide.", "finish_reason": "stop"},
    "bloc": {"content": "Here he is:\nhttps://example.com/dragoman.jpg", "finish_reason": "stop"},
    "error": {"status": 429, "code": "upstream_rate_limited"},
}

TALK = {"id": "conv_01JH", "createdAt": "2025-01-10T09:00:00.000Z", "updatedAt": "2025-01-10T09:00:00.000Z"}


def message(user: str, second: int, text: str) -> dict[str, Any]:
    payload = {"type": "text", "text": text}
    told = {"id": f"msg_{second}", "createdAt": f"2025-01-10T09:00:{second:02}.000Z", "payload": payload}
    return {**told, "userId": user, "conversationId": TALK["id"]}


def stream(asked: Received, words: list[str]) -> None:
    return None


def whole(asked: Received, text: str) -> bytes:
    if asked.head.startswith("GET"):
        said = [message("user_bot", 3, text), message(GIVEN["user"], 2, "…")]
        return json_answer({"messages": said, "meta": {}})
    if "/conversations " in asked.head:
        return json_answer({"conversation": TALK}, status="201 Created")
    return json_answer({"message": message(GIVEN["user"], 2, "…")}, status="201 Created")
