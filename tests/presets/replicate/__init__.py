"""Replicate's wire: a prediction is made, and asked for until it is done."""

from tests.upstream import Received, json_answer

GIVEN = {"key": "r8_secret-key", "poll": {"every": "5ms"}}
MODEL = "meta/meta-llama-3-70b-instruct"

SAYS = {
    "whole": {
        "content": "A dragoman is an interpreter and guide who stood between the Ottoman court and Europe’s embassies.",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 44, "completion_tokens": 22, "total_tokens": 66},
    },
    "stream": {
        "content": "A dragoman is an interpreter and guide, “terdžuman” in older books.",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 44, "completion_tokens": 19},
    },
    "image": {"content": "A single white pixel."},
    "error": {"status": 400, "code": "upstream_rejected"},
    "failed": {"status": 502, "code": "upstream_job_failed"},
}


def whole(asked: Received, text: str) -> bytes:
    done = asked.head.startswith("GET ")
    prediction = {
        "id": "gm3qorzdhgbfurvjtvhg6dckhu",
        "model": MODEL,
        "version": "hidden",
        "output": [text[start : start + 5] for start in range(0, len(text), 5)] if done else None,
        "error": None,
        "status": "succeeded" if done else "starting",
        "metrics": {"input_token_count": 14, "output_token_count": 21, "predict_time": 0.4} if done else {},
    }
    return json_answer(prediction, status="200 OK" if done else "201 Created")


def stream(asked: Received, words: list[str]) -> bytes | None:
    return None
