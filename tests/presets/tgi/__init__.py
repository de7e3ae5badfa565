"""TGI's wire."""

from typing import Any

from tests.upstream import LAST_CHUNK, Received, chunked, json_answer, sse, stream_head

GIVEN = {"key": "secret-key"}
MODEL = "mistralai/Mistral-7B-v0.3"
TEXT = " A dragoman was an interpreter."
SAYS = {
    "whole": {"content": TEXT, "finish_reason": "stop", "usage": {"completion_tokens": 8}},
    "stream": {
        "content": TEXT,
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 44, "completion_tokens": 8, "total_tokens": 52},
    },
    "error": {"status": 400, "code": "upstream_rejected"},
    "limited": {"status": 429, "code": "upstream_rate_limited"},
    "error-stream": {"status": None, "code": "upstream_error"},
    "cut": {"content": " A dragoman", "finish_reason": "length"},
    "schema": {"content": '{"city": "Vienna"}'},
}
ASKED = {"cut": {"temperature": 0, "top_p": 1, "max_tokens": 4}, "schema": {"temperature": 1, "top_p": 0.5}}


def details(**more: Any) -> dict[str, Any]:
    return {"finish_reason": "eos_token", "generated_tokens": 5, "seed": None, **more}


def whole(asked: Received, text: str) -> bytes:
    return json_answer({"generated_text": text, "details": details(prefill=[], tokens=[])})


def token(index: int, text: str, **more: Any) -> dict[str, Any]:
    said = {"id": 100 + index, "text": text, "logprob": -0.1, "special": False}
    return {"index": index, "token": said, "generated_text": None, "details": None, **more}


def stream(asked: Received, words: list[str]) -> bytes:
    end = token(len(words) + 1, "</s>", generated_text="".join(words), details=details(input_length=9))
    end["token"]["special"] = True
    return stream_head() + chunked(*sse(*(token(*each) for each in enumerate(words, 1)), end)) + LAST_CHUNK
