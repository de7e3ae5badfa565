"""Cloudflare Workers AI's wire."""

from tests.upstream import LAST_CHUNK, Received, chunked, json_answer, sse, stream_head

GIVEN = {"account": "023e105f4ecef8ad9ca31a8372d0c353", "key": "secret-key"}
MODEL = "@cf/meta/llama-3.3-70b-instruct-fp8-fast"

CITIES = [("get_weather", {"city": "Graz"}), ("get_weather", {"city": "Linz"})]
SAYS = {
    "whole": {
        "content": "A dragoman was an interpreter and guide in the Ottoman Empire.",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 68, "completion_tokens": 17, "total_tokens": 85},
    },
    "stream": {
        "content": "A dragoman is an interpreter – «tarjumān» in Arabic.",
        "finish_reason": "stop",
        "usage": {"prompt_tokens": 68, "completion_tokens": 18},
    },
    "openai": {
        "content": "An interpreter and guide.",
        "reasoning_content": "They ask about a word.",
        "finish_reason": "length",
        "usage": {"prompt_tokens": 92, "completion_tokens": 200, "prompt_tokens_details": {"cached_tokens": 64}},
    },
    "openai-stream": {
        "content": "An interpreter and guide.",
        "reasoning_content": "They ask about a word.",
        "finish_reason": "stop",
    },
    "error": {"status": 400, "code": "upstream_rejected"},
    "limited": {"status": 429, "code": "upstream_rate_limited"},
    "tools": {"tool_calls": CITIES, "content": None, "finish_reason": "tool_calls"},
    "tools-stream": {"tool_calls": CITIES, "finish_reason": "tool_calls", "usage": {"completion_tokens": 41}},
    "results": {"content": "Graz is sunny at 21 °C, while it rains in Linz at 14 °C.", "finish_reason": "stop"},
    "image": {"content": "It is a single pixel."},
    "schema": {"content": '{"city":"Graz"}'},
    "schema-stream": {"content": '{"city":"Graz"}', "finish_reason": "stop"},
}


def whole(asked: Received, text: str) -> bytes:
    usage = {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}
    result = {"response": text, "tool_calls": [], "usage": usage}
    return json_answer({"result": result, "success": True, "errors": [], "messages": []})


def stream(asked: Received, words: list[str]) -> bytes | None:
    usage = {"prompt_tokens": 21, "completion_tokens": 9, "total_tokens": 30}
    said = [{"response": word, "p": "abdefghijklmn"} for word in words]
    return stream_head() + chunked(*sse(*said, {"response": "", "usage": usage}, "[DONE]")) + LAST_CHUNK
