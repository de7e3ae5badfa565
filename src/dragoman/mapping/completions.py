"""Reads OpenAI's own JSON, whole or as stream events, into chunks; nothing that was said is lost."""

from typing import Any

from dragoman.call import Chunk

_OURS = frozenset({"id", "object", "created", "model", "choices", "usage", "obfuscation"})
_SAID = frozenset({"role", "content", "tool_calls"})
_BESIDE = frozenset({"index", "delta", "message", "finish_reason"})
_PLAIN = _BESIDE | {"logprobs"}
_NOTHING: dict[str, Any] = {}


def _others(value: dict[str, Any], known: frozenset[str]) -> dict[str, Any] | None:
    names = value.keys() - known
    return {name: value[name] for name in names if value[name] is not None} or None if names else None


class Completions:
    """Turns completion objects of one answer into chunks."""

    def __init__(self) -> None:
        self._told: dict[str, Any] = {}

    def chunks(self, value: dict[str, Any]) -> list[Chunk]:
        """The chunks of one chat completion, or of one chunk of it. What is said again and again is told once."""
        answer = {name: value[name] for name in value.keys() - _OURS if self._told.get(name) != value[name]}
        choices, usage = value.get("choices"), value.get("usage")
        chunks = [_chunk(choice) for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
        if usage or answer:
            self._told |= answer
            first = chunks[0] if chunks else Chunk()
            first.usage, first.answer = usage if isinstance(usage, dict) else None, answer or None
            return chunks or [first]
        return chunks


def _chunk(choice: dict[str, Any]) -> Chunk:
    said = choice.get("delta") or choice.get("message")
    chunk = message(said if isinstance(said, dict) else _NOTHING)
    if finish := choice.get("finish_reason"):
        chunk.finish = str(finish)
    index = choice.get("index")
    if index and isinstance(index, int):
        chunk.index = index
    if not (choice.keys() <= _BESIDE or (choice.get("logprobs") is None and choice.keys() <= _PLAIN)):
        chunk.choice = _others(choice, _BESIDE)
    return chunk


def message(said: dict[str, Any]) -> Chunk:
    """A chunk of an assistant message or delta."""
    content = said.get("content")
    chunk = Chunk(content if isinstance(content, str) else _text_parts(content))
    if not said.keys() <= _SAID:
        chunk.delta = _others(said, _SAID)
    if calls := said.get("tool_calls"):
        chunk.tool_calls = [call for call in calls if isinstance(call, dict)] if isinstance(calls, list) else None
    return chunk


def _text_parts(content: Any) -> str:
    """Some backends answer in parts; their texts are the text."""
    parts = content if isinstance(content, list) else ()
    return "".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))
