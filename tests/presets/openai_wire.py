"""The wire of APIs that speak OpenAI."""

from typing import Any

from tests.upstream import LAST_CHUNK, Received, chunked, json_answer, sse, stream_head

GIVEN = {"key": "secret-key"}
TEXT = "A dragoman was an interpreter and guide in the Ottoman Empire."
USAGE = {"prompt_tokens": 46, "completion_tokens": 15, "total_tokens": 61}
SAYS: dict[str, dict[str, Any]] = {
    "whole": {"content": TEXT, "finish_reason": "stop", "usage": USAGE},
    "stream": {"content": TEXT, "finish_reason": "stop", "usage": USAGE},
    "error": {"status": 429, "code": "upstream_rate_limited"},
}


def head(asked: Received, object: str) -> dict[str, Any]:
    return {"id": "theirs", "object": object, "created": 1, "model": asked.json["model"]}


def whole(asked: Received, text: str) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    return json_answer({**head(asked, "chat.completion"), "choices": [choice]})


def stream(asked: Received, words: list[str]) -> bytes:
    deltas = [{"role": "assistant", "content": ""}, *({"content": word} for word in words), {}]
    finishes = [*(None for _ in deltas[1:]), "stop"]
    said = [
        {
            **head(asked, "chat.completion.chunk"),
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        for delta, finish in zip(deltas, finishes, strict=True)
    ]
    return stream_head() + chunked(*sse(*said, "[DONE]")) + LAST_CHUNK
