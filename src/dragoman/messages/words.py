"""What a chat's answer says and used, in Anthropic's words."""

from typing import Any

from dragoman.completion import usage_in
from dragoman.counting.requests import BYTES_OF_A_TOKEN, about
from dragoman.wire.chat import ChatRequest

THOUGHTS = ("reasoning_content", "reasoning")
"""What backends call their thoughts."""


def usage(given: dict[str, Any] | None, request: ChatRequest, said: int) -> dict[str, Any]:
    """The usage object. What the backend did not count is estimated by the length of what was asked and `said`."""
    counted = usage_in(given)
    if counted is None:
        return used(about(request), -(-said // BYTES_OF_A_TOKEN))
    asked, answered = _details(counted, "prompt"), _details(counted, "completion")
    read, written = _number(asked, "cached_tokens"), _number(asked, "cache_write_tokens")
    told = used(max(counted["prompt_tokens"] - read - written, 0), counted["completion_tokens"], read, written)
    if thought := _number(answered, "reasoning_tokens"):
        told["output_tokens_details"] = {"thinking_tokens": thought}
    return told


def used(asked: int, answered: int, read: int = 0, written: int = 0) -> dict[str, Any]:
    """The usage object, by the tokens asked and answered, and those read from a cache and written there."""
    return {
        "input_tokens": asked,
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": read,
        "output_tokens": answered,
    }


def thoughts_in(delta: dict[str, Any]) -> str:
    """The thoughts in a delta or a message."""
    return next((text for name in THOUGHTS if isinstance(text := delta.get(name), str) and text), "")


def _details(counted: dict[str, Any], of: str) -> dict[str, Any]:
    details = counted.get(f"{of}_tokens_details")
    return details if isinstance(details, dict) else {}


def _number(details: dict[str, Any], name: str) -> int:
    value = details.get(name)
    return value if isinstance(value, int) and value > 0 else 0
