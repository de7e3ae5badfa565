"""Reads OpenAI's own JSON, whole or as stream events, into chunks; nothing that was said is lost."""

from collections.abc import Iterator
from typing import Any

from dragoman.call import Chunk

_OURS = frozenset({"id", "object", "created", "model", "choices", "usage", "obfuscation"})
_SAID = frozenset({"role", "content", "tool_calls"})
_BESIDE = frozenset({"index", "delta", "message", "finish_reason"})


def _others(value: dict[str, Any], known: frozenset[str]) -> dict[str, Any] | None:
    return {key: value[key] for key in value if key not in known and value[key] is not None} or None


class Completions:
    """Turns completion objects of one answer into chunks."""

    def __init__(self) -> None:
        self._answer: dict[str, Any] | None = None

    def chunks(self, value: dict[str, Any]) -> Iterator[Chunk]:
        """The chunks of one chat completion, or of one chunk of it."""
        answer = _others(value, _OURS)
        answer, self._answer = (None if answer == self._answer else answer), answer
        usage = value.get("usage") or None
        for choice in value.get("choices") or ():
            if isinstance(choice, dict):
                yield _chunk(choice, usage, answer)
                usage = answer = None
        if usage or answer:
            yield Chunk(usage=usage, answer=answer)


def _chunk(choice: dict[str, Any], usage: dict[str, Any] | None, answer: dict[str, Any] | None) -> Chunk:
    said = choice.get("delta") or choice.get("message") or {}
    index = choice.get("index")
    chunk = message(said)
    chunk.finish = choice.get("finish_reason") or None
    chunk.index = index if isinstance(index, int) else 0
    chunk.usage = usage
    chunk.answer = answer
    if not choice.keys() <= _BESIDE:
        chunk.choice = _others(choice, _BESIDE)
    return chunk


def message(said: dict[str, Any]) -> Chunk:
    """A chunk of an assistant message or delta."""
    content = said.get("content")
    chunk = Chunk(text=content if isinstance(content, str) else _text_parts(content))
    if said.keys() <= _SAID:
        chunk.tool_calls = said.get("tool_calls") or None
        return chunk
    chunk.tool_calls = said.get("tool_calls") or None
    chunk.delta = _others(said, _SAID)
    return chunk


def _text_parts(content: Any) -> str:
    """Some backends answer in parts; their texts are the text."""
    parts = content if isinstance(content, list) else []
    return "".join(part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str))
