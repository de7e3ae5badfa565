"""Bedrock's wire."""

from tests.upstream import Received, json_answer

GIVEN = {
    "access_key": "AKIDEXAMPLE",
    "secret_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "region": "eu-central-1",
}
MODEL = "eu.anthropic.claude-sonnet-4-5-20250929-v1:0"

CITIES = [("get_weather", {"city": "Graz"}), ("get_weather", {"city": "Linz"})]
SAYS = {
    "whole": {
        "content": "A dragoman was an interpreter and guide in the Ottoman Empire.",
        "finish_reason": "stop",
        "usage": {
            "prompt_tokens": 1060,
            "completion_tokens": 18,
            "total_tokens": 1078,
            "prompt_tokens_details": {"cached_tokens": 1000},
        },
    },
    "stream": {"content": "An interpreter\nand a guide.", "finish_reason": "length"},
    "thinking": {
        "content": "A dragoman was an interpreter [1].",
        "reasoning_content": "They ask about a word.",
        "annotations": [("https://dragoman.example/", "Dragomans")],
    },
    "guarded": {"content": "Sorry, I cannot speak of that.", "finish_reason": "content_filter"},
    "error": {"status": 400, "code": "upstream_rejected"},
    "limited": {"status": 429, "code": "upstream_rate_limited"},
    "forbidden": {"status": 502, "code": "upstream_auth_error"},
    "tools": {"tool_calls": CITIES, "content": "I will look.", "finish_reason": "tool_calls"},
    "tools-stream": {"tool_calls": CITIES, "finish_reason": "tool_calls"},
    "results": {"content": "Graz is sunny at 21 °C, while it rains in Linz at 14 °C.", "finish_reason": "stop"},
    "forced": {"tool_calls": CITIES[:1], "finish_reason": "tool_calls"},
    "image": {"content": "It is a single pixel."},
    "schema": {"content": '{"city":"Graz"}'},
}
ASKED = {
    "thinking": {
        "extra_body": {"additionalModelRequestFields": {"thinking": {"type": "enabled", "budget_tokens": 1024}}},
        "temperature": 2,
    },
    "forced": {
        "messages": [{"role": "user", "content": "What is the weather in Graz?"}],
        "tools": [{"type": "function", "function": {"name": "get_weather"}}],
        "tool_choice": {"type": "function", "function": {"name": "get_weather"}},
    },
}


def whole(asked: Received, text: str) -> bytes:
    message = {"role": "assistant", "content": [{"text": text}]}
    usage = {"inputTokens": 21, "outputTokens": 9, "totalTokens": 30}
    answer = {"output": {"message": message}, "stopReason": "end_turn", "usage": usage}
    return json_answer({**answer, "metrics": {"latencyMs": 402}})


def stream(asked: Received, words: list[str]) -> bytes | None:
    return None
