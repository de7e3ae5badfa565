"""Coze's wire."""

import json
from typing import Any

from tests.upstream import LAST_CHUNK, Received, chunked, stream_head

GIVEN = {"key": "pat_secret"}
MODEL = "7490858512726458380"
SAYS: dict[str, dict[str, Any]] = {
    "whole": {
        "content": "A dragoman is an interpreter and guide.",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 614, "completion_tokens": 19, "total_tokens": 633},
    },
    "stream": {
        "content": "A dragoman – „Dolmetscher“ – interprets.",
        "reasoning_content": "An old word for interpreters.",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 614, "completion_tokens": 31},
    },
    "picture": {"content": "A dragoman in his robe.", "finish_reason": "stop"},
    "error": {"status": 502, "code": "upstream_error"},
}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.com/dragoman.jpg?w=200&h=300"}}
ASKED = {
    "picture": {"messages": [{"role": "user", "content": [{"type": "text", "text": 'Who is "this"?\nSay.'}, PICTURE]}]}
}

IDS = {"conversation_id": "7490890868547682340", "bot_id": MODEL, "section_id": "7490890868547682340"}
CHAT = {"id": "7490890868547698724", **IDS, "created_at": 1744108946, "last_error": {"code": 0, "msg": ""}}
ANSWER = {"id": "7490890868547862564", **IDS, "role": "assistant", "type": "answer", "content_type": "text"}
USAGE = {"token_count": 633, "output_count": 19, "input_count": 614}


def event(name: str, data: Any) -> bytes:
    return f"event:{name}\ndata:{json.dumps(data)}\n\n".encode()


def stream(asked: Received, words: list[str]) -> bytes:
    said = [event("conversation.message.delta", {**ANSWER, "content": word}) for word in words]
    return (
        stream_head("text/event-stream; charset=utf-8")
        + chunked(
            event("conversation.chat.created", {**CHAT, "status": "created"}),
            event("conversation.chat.in_progress", {**CHAT, "status": "in_progress"}),
            *said,
            event("conversation.message.completed", {**ANSWER, "content": "".join(words)}),
            event("conversation.message.completed", {**ANSWER, "type": "follow_up", "content": "And then?"}),
            event("conversation.chat.completed", {**CHAT, "status": "completed", "usage": USAGE}),
            event("done", "[DONE]"),
        )
        + LAST_CHUNK
    )


def whole(asked: Received, text: str) -> bytes:
    return stream(asked, [text])
