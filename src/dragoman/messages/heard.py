"""What is heard of an answer beside what it says: how it ends, and whether it is the caller's own words."""

from typing import Any

from dragoman.call import Chunk
from dragoman.messages.begun import Begun
from dragoman.wire.chat import ChatRequest

REASONS = {
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
"""What chats call the end of an answer. `stop` is an end that may have reasons of its own."""


class Heard:
    """Reads an answer's chunks, and leaves in them what is to be told."""

    __slots__ = ("_begun", "_refused", "_stops", "_word")

    def __init__(self, request: ChatRequest, beginning: str) -> None:
        self._stops: Any = request.stop or ()
        self._begun = Begun(beginning)
        self._word: str | None = None
        self._refused = False

    def read(self, chunk: Chunk) -> None:
        if chunk.delta and "refusal" in chunk.delta:
            self._refuse(chunk, chunk.delta)
        if chunk.stopped or chunk.choice:
            self._word = chunk.stopped or self._told_beside(chunk.choice or {}) or self._word
        if not self._begun.over:
            self._begun.read(chunk)

    def ending(self, finish: str | None) -> dict[str, Any]:
        """The reason of the end, and the stop word where it is known."""
        if reason := REASONS.get(finish or ""):
            return {"stop_reason": reason, "stop_sequence": None}
        if self._word:
            return {"stop_reason": "stop_sequence", "stop_sequence": self._word}
        return {"stop_reason": "refusal" if self._refused else "end_turn", "stop_sequence": None}

    def _refuse(self, chunk: Chunk, delta: dict[str, Any]) -> None:
        """What a chat tells apart from its text is text here."""
        refusal = delta["refusal"]
        if isinstance(refusal, str) and refusal:
            self._refused = True
            chunk.text += refusal
        chunk.delta = {name: value for name, value in delta.items() if name != "refusal"}

    def _told_beside(self, beside: dict[str, Any]) -> str | None:
        """The stop word as vLLM tells it."""
        word = beside.get("stop_reason")
        return word if isinstance(word, str) and word in self._stops else None
