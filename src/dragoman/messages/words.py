"""How a chat's answer ends and what it used, in Anthropic's words."""

from typing import Any

from dragoman.call import Chunk
from dragoman.completion import usage_in
from dragoman.counting.requests import BYTES_OF_A_TOKEN, about
from dragoman.wire.chat import ChatRequest

REASONS = {
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
"""What chats call the end of an answer. `stop` is an end that may have reasons of its own."""
THOUGHTS = ("reasoning_content", "reasoning")
"""What backends call their thoughts."""


class Ending:
    """Why an answer ended, as far as its chunks tell."""

    __slots__ = ("_stops", "refused", "word")

    def __init__(self, request: ChatRequest) -> None:
        self._stops: Any = request.stop or ()
        self.word: str | None = None
        """The stop word that ended it."""
        self.refused = False

    def read(self, chunk: Chunk) -> None:
        """Takes what a chunk tells of it."""
        if chunk.stopped:
            self.word = chunk.stopped
        elif chunk.choice and (word := chunk.choice.get("stop_reason")) in self._stops:
            self.word = word  # as vLLM tells it
        if chunk.delta and chunk.delta.get("refusal"):
            self.refused = True

    def told(self, finish: str | None) -> dict[str, Any]:
        """The reason, and the stop word where it is known."""
        if reason := REASONS.get(finish or ""):
            return {"stop_reason": reason, "stop_sequence": None}
        if self.word:
            return {"stop_reason": "stop_sequence", "stop_sequence": self.word}
        return {"stop_reason": "refusal" if self.refused else "end_turn", "stop_sequence": None}


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


def text_in(delta: dict[str, Any]) -> str:
    """The text in a delta or a message, and what it refuses with."""
    return "".join(text for name in ("content", "refusal") if isinstance(text := delta.get(name), str))


def _details(counted: dict[str, Any], of: str) -> dict[str, Any]:
    details = counted.get(f"{of}_tokens_details")
    return details if isinstance(details, dict) else {}


def _number(details: dict[str, Any], name: str) -> int:
    value = details.get(name)
    return value if isinstance(value, int) and value > 0 else 0
