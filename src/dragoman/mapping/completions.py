"""Reads OpenAI's own JSON, whole or as stream events, into chunks; nothing that was said is lost."""

from collections.abc import KeysView
from typing import Any

from dragoman.call import Chunk
from dragoman.errors import UpstreamBadResponse, UpstreamFailure

_OURS = frozenset({"id", "object", "created", "model", "choices", "usage", "obfuscation"})
_SAID = frozenset({"role", "content", "tool_calls"})
_BESIDE = frozenset({"index", "delta", "message", "finish_reason"})
_PLAIN = _BESIDE | {"logprobs"}
_ONLY_TEXT = {"content"}
_NOTHING: dict[str, Any] = {}


def _others(value: dict[str, Any], known: frozenset[str]) -> dict[str, Any] | None:
    names = value.keys() - known
    return {name: value[name] for name in names if value[name] is not None} or None if names else None


class Completions:
    """Turns completion objects of one answer into chunks. What is no completion is a failure of the kind `bad`."""

    def __init__(self, bad: type[UpstreamFailure] = UpstreamBadResponse) -> None:
        self._bad = bad
        self._told: dict[str, Any] = {}
        self._names: KeysView[str] = self._told.keys()
        self._others: set[str] = set()

    def chunks(self, value: dict[str, Any]) -> list[Chunk]:
        """The chunks of one chat completion, or of one chunk of it. What is said again and again is told once."""
        if value.keys() != self._names:
            self._names = value.keys()
            self._others = self._names - _OURS
        answer: dict[str, Any] = {}
        for name in self._others:
            if self._told.get(name) != value[name]:
                answer[name] = value[name]
        usage, choices = value.get("usage"), value.get("choices")
        try:
            chunks = list(map(_chunk, choices if isinstance(choices, list) else _list(choices)))
        except ValueError as error:
            raise self._bad(detail=str(error)) from None
        if usage or answer:
            self._told |= answer
            first = chunks[0] if chunks else Chunk()
            first.usage, first.answer = usage if isinstance(usage, dict) else None, answer or None
            return chunks or [first]
        return chunks


def _chunk(choice: Any) -> Chunk:
    if not isinstance(choice, dict):
        raise ValueError("a choice that is no object")
    said = choice.get("delta") or choice.get("message") or _NOTHING
    if not isinstance(said, dict):
        raise ValueError("a message that is no object")
    chunk = Chunk(said["content"]) if said.keys() == _ONLY_TEXT and isinstance(said["content"], str) else message(said)
    if finish := choice.get("finish_reason"):
        chunk.finish = str(finish)
    index = choice.get("index")
    if index and isinstance(index, int):
        chunk.index = index
    if choice.get("logprobs") is not None or not choice.keys() <= _PLAIN:
        chunk.choice = _others(choice, _BESIDE)
    return chunk


def message(said: dict[str, Any]) -> Chunk:
    """A chunk of an assistant message or delta. Raises ValueError if it is none."""
    content = said.get("content")
    chunk = Chunk(content if isinstance(content, str) else _text_parts(content))
    if not said.keys() <= _SAID:
        chunk.delta = _others(said, _SAID)
    if calls := said.get("tool_calls"):
        if not all(_is_call(call) for call in _list(calls)):
            raise ValueError("a tool call that calls nothing")
        chunk.tool_calls = calls
    return chunk


def _is_call(call: Any) -> bool:
    return isinstance(call, dict) and all(isinstance(call.get(kind), dict | None) for kind in ("function", "custom"))


def _text_parts(content: Any) -> str:
    """Some backends answer in parts; their texts are the text."""
    texts = [part.get("text") for part in _list(content) if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str))


def _list(value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    if value is None:
        return []
    raise ValueError("what should be a list is none")
