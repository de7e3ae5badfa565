"""A completion taking shape: chunks in, OpenAI's events or one JSON out, with OpenAI's rules kept whatever comes.

The rules: the role comes first and once; a tool call has its index in every delta, its id, type and name in the first
only, and arguments that are never empty; each choice has one finish reason out of five, and nothing after it
(OpenAI API reference, the chat completion object and the chat completion chunk object).
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dragoman.call import Chunk
from dragoman.errors import Failure, UpstreamDisconnected, UpstreamError
from dragoman.json import dumped

Delta = dict[str, Any]

CONSTANT = ("service_tier", "system_fingerprint")
"""What is said beside the choices and holds for the whole answer."""
REPLACED = frozenset({"id", "type", "role", "name", "format", "service_tier"})
"""Texts that are said whole each time."""
DONE = b"data: [DONE]\n\n"
FINISH = {
    **dict.fromkeys(("length", "max_tokens", "max_output_tokens", "model_length", "max_length"), "length"),
    "model_context_window_exceeded": "length",
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use"), "tool_calls"),
    **dict.fromkeys(("content_filter", "safety", "recitation", "blocklist", "prohibited_content"), "content_filter"),
    **dict.fromkeys(("refusal", "spii", "image_safety"), "content_filter"),
    "function_call": "function_call",
}
"""What backends call the end of an answer, in OpenAI's words. Whatever is not here is `stop`."""


@dataclass(slots=True)
class _ToolCall:
    named: bool = False
    filled: bool = False
    held: Delta = field(default_factory=dict)


class Choice:
    """One choice's state: what was said of it so far."""

    __slots__ = ("calls", "finish", "ids", "index", "latest")

    def __init__(self, index: int) -> None:
        self.index = index
        self.finish: str | None = None
        self.calls: dict[int, _ToolCall] = {}
        self.ids: dict[str, int] = {}
        self.latest = -1

    def deltas(self, chunk: Chunk) -> Iterator[Delta]:
        """What the chunk adds, in OpenAI's deltas. Nothing is added after the finish.

        Raises UpstreamError if the finish is an error.
        """
        if self.finish:
            return
        if chunk.finish and str(chunk.finish).lower() == "error":
            raise UpstreamError(detail="the backend's finish reason is an error")
        if chunk.text or chunk.delta:
            yield {**({"content": chunk.text} if chunk.text else {}), **(chunk.delta or {})}
        if calls := [delta for call in chunk.tool_calls or () for delta in self._called(call)]:
            yield {"tool_calls": calls}
        if chunk.finish:
            unfilled = [index for index, call in self.calls.items() if call.named and not call.filled]
            if unfilled:
                yield {"tool_calls": [_arguments(index, "{}") for index in unfilled]}
            self.finish = self._finished(chunk.finish)

    def _called(self, given: Delta) -> Iterator[Delta]:
        index = self._index_of(given)
        call = self.calls.setdefault(index, _ToolCall())
        if call.named:
            if delta := _continued(given):
                call.filled = call.filled or bool(delta.get("function", {}).get("arguments"))
                yield {"index": index, **delta}
            return
        call.held = merged(call.held, {key: given[key] for key in given if key != "index" and given[key] is not None})
        if _name_in(call.held):
            call.named = True
            call.filled = call.held.get("type") == "custom" or bool(_as_text(call.held["function"].get("arguments")))
            yield _opening(index, call.held)

    def _index_of(self, given: Delta) -> int:
        """The call's index; a backend that leaves it out means a new call by each new id."""
        index, id = given.get("index"), str(given.get("id") or "")
        if not isinstance(index, int):
            index = self.ids.get(id, self.latest + 1) if id or self.latest < 0 else self.latest
        if id:
            self.ids.setdefault(id, index)
        self.latest = index
        return index

    def _finished(self, reason: str) -> str:
        finish = FINISH.get(str(reason).lower(), "stop")
        if any(call.named for call in self.calls.values()):
            return "tool_calls" if finish in ("stop", "function_call") else finish
        return "stop" if finish == "tool_calls" else finish


def _name_in(call: Delta) -> bool:
    inner = call.get("custom") if call.get("type") == "custom" else call.get("function")
    return isinstance(inner, dict) and isinstance(inner.get("name"), str) and inner["name"] != ""


def _opening(index: int, call: Delta) -> Delta:
    """The first delta of a tool call."""
    opening = {**call, "index": index, "id": call.get("id") or f"call_{secrets.token_hex(12)}"}
    if call.get("type") != "custom":
        function = {**call["function"], "arguments": _as_text(call["function"].get("arguments"))}
        opening |= {"type": "function", "function": function}
    return opening


def _continued(given: Delta) -> Delta:
    """A later delta of a tool call: what was said once is not said again."""
    delta = {key: value for key, value in given.items() if key not in ("index", "id", "type", "function", "custom")}
    if arguments := _as_text(_inside(given, "function").get("arguments")):
        delta["function"] = {"arguments": arguments}
    if text := _inside(given, "custom").get("input"):
        delta["custom"] = {"input": text}
    return delta


def _inside(given: Delta, key: str) -> Delta:
    inner = given.get(key)
    return inner if isinstance(inner, dict) else {}


def _arguments(index: int, text: str) -> Delta:
    return {"index": index, "function": {"arguments": text}}


def _as_text(arguments: object) -> str:
    if arguments is None or isinstance(arguments, str):
        return arguments or ""
    return dumped(arguments).decode()


def merged(old: Any, new: Any, key: str = "") -> Any:
    """Two deltas as one: texts and lists grow, objects merge, list items with an `index` meet, the rest is replaced."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{name: merged(old.get(name), value, name) for name, value in new.items()}}
    if isinstance(old, list | None) and isinstance(new, list):
        return _merged_items(old or [], new)
    if isinstance(old, str) and isinstance(new, str) and key not in REPLACED:
        return old + new
    return old if new is None else new


def _merged_items(old: list[Any], new: list[Any]) -> list[Any]:
    grown = list(old)
    where = {item["index"]: place for place, item in enumerate(grown) if isinstance(item, dict) and "index" in item}
    for item in new:
        place = where.get(item["index"]) if isinstance(item, dict) and "index" in item else None
        if place is not None:
            grown[place] = merged(grown[place], item)
            continue
        grown.append(item)
        if isinstance(item, dict) and "index" in item:
            where[item["index"]] = len(grown) - 1
    return grown


def usage_in(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """The usage object with the three numbers that clients rely on; None when the backend said none of them."""
    if not given:
        return None
    asked, answered = given.get("prompt_tokens"), given.get("completion_tokens")
    if not isinstance(asked, int) and not isinstance(answered, int):
        return None
    asked, answered = asked or 0, answered or 0
    return {**given, "prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered}


def added(one: dict[str, Any] | None, other: dict[str, Any]) -> dict[str, Any]:
    """Two usage objects as one."""
    total = dict(one or {})
    for name, value in other.items():
        if isinstance(value, dict):
            total[name] = added(total.get(name), value)
        elif isinstance(value, int) and isinstance(total.get(name, 0), int):
            total[name] = total.get(name, 0) + value
    return total


class _Completion:
    def __init__(self, id: str, created: int, model: str) -> None:
        self.id, self.created, self.model = id, created, model
        self.choices: dict[int, Choice] = {}
        self.usage: dict[str, Any] | None = None

    def _choice(self, chunk: Chunk) -> tuple[Choice | None, bool]:
        """The choice that the chunk speaks of, and whether it is new. None when it speaks of the whole answer only."""
        if chunk.usage:
            self.usage = chunk.usage
        choice = self.choices.get(chunk.index)
        if choice:
            return choice, False
        silent = not (chunk.text or chunk.finish or chunk.tool_calls or chunk.delta or chunk.choice)
        if silent and (chunk.usage or chunk.answer):
            return None, False
        choice = self.choices[chunk.index] = Choice(chunk.index)
        return choice, True

    def check_finished(self) -> None:
        """Raises UpstreamDisconnected if a choice has not ended."""
        if not self.choices or not all(choice.finish for choice in self.choices.values()):
            raise UpstreamDisconnected(detail="the answer ended without a finish reason")


class Folded(_Completion):
    """A completion as one JSON."""

    def __init__(self, id: str, created: int, model: str) -> None:
        super().__init__(id, created, model)
        self._messages: dict[int, Delta] = {}
        self._texts: dict[int, list[str]] = {}
        self._beside: dict[int, dict[str, Any]] = {}
        self._answer: dict[str, Any] = {}

    def add(self, chunk: Chunk) -> None:
        choice, new = self._choice(chunk)
        if chunk.answer:
            self._answer.update(chunk.answer)
        if choice is None:
            return
        index = choice.index
        if new:
            self._messages[index], self._texts[index], self._beside[index] = {}, [], {}
        if chunk.choice and not choice.finish:
            self._beside[index] = merged(self._beside[index], chunk.choice)
        for delta in choice.deltas(chunk):
            if "content" in delta:
                self._texts[index].append(delta.pop("content"))
            self._messages[index] = merged(self._messages[index], delta)

    def json(self) -> bytes:
        """The chat completion object. Raises UpstreamDisconnected if it is not whole."""
        return dumped(self.completion())

    def completion(self) -> dict[str, Any]:
        """The same, before it is written. Raises UpstreamDisconnected if it is not whole."""
        self.check_finished()
        usage = usage_in(self.usage)
        answer = {
            "id": self.id,
            "object": "chat.completion",
            "created": self.created,
            "model": self.model,
            "choices": [self._told(self.choices[index]) for index in sorted(self.choices)],
            **({"usage": usage} if usage else {}),
        }
        return {**answer, **{key: self._answer[key] for key in self._answer if key not in answer}}

    def _told(self, choice: Choice) -> dict[str, Any]:
        said = self._messages[choice.index]
        text = "".join(self._texts[choice.index])
        content = text if text or not said.keys() - {"annotations"} else None
        message = {"role": "assistant", "content": content, "refusal": None, **said}
        if calls := message.get("tool_calls"):
            message["tool_calls"] = [{key: call[key] for key in call if key != "index"} for call in calls]
        ours = {"index": choice.index, "message": message}
        return {**ours, "logprobs": None, **self._beside[choice.index], **ours, "finish_reason": choice.finish}


class Streamed(_Completion):
    """A completion as server-sent events."""

    def __init__(self, id: str, created: int, model: str, with_usage: bool) -> None:
        super().__init__(id, created, model)
        self._with_usage = with_usage
        self._tail = b',"usage":null}\n\n' if with_usage else b"}\n\n"
        self._closing = b'},"logprobs":null,"finish_reason":null}]' + self._tail
        self._head = dumped({"id": id, "object": "chat.completion.chunk", "created": created, "model": model})[:-1]
        self._constant: dict[str, Any] = {}
        self._held: dict[str, Any] = {}
        self._openings: dict[int, bytes] = {}

    def events(self, chunk: Chunk) -> bytes:
        """The chunk as events; none at all if it only speaks of the usage."""
        opening = self._openings.get(chunk.index)
        if opening and not (
            chunk.finish or chunk.tool_calls or chunk.delta or chunk.choice or chunk.answer or chunk.usage
        ):
            return opening + dumped(chunk.text) + self._closing if chunk.text else b""
        return b"".join(self._written(chunk))

    def _written(self, chunk: Chunk) -> Iterator[bytes]:
        choice, new = self._choice(chunk)
        beside, answer = chunk.choice or {}, {**self._held, **self._learned(chunk.answer or {})}
        self._held = answer if choice is None else {}
        if choice is None:
            return
        if new:
            wordless = chunk.tool_calls or "refusal" in (chunk.delta or ())
            content = None if wordless and not chunk.text else ""
            yield self._event(choice, {"role": "assistant", "content": content, "refusal": None}, {}, {})
        ended = choice.finish
        for delta in choice.deltas(chunk):
            yield self._event(choice, delta, beside, answer)
            beside, answer = {}, {}
        if choice.finish != ended:
            yield self._event(choice, {}, beside, answer, choice.finish)
        elif not ended and (beside or answer):
            yield self._event(choice, {}, beside, answer)
        self._open(choice)

    def _event(
        self,
        choice: Choice,
        delta: Delta,
        beside: dict[str, Any],
        answer: dict[str, Any],
        finish: str | None = None,
    ) -> bytes:
        ours = {"index": choice.index, "delta": delta}
        told = {**ours, "logprobs": None, **beside, **ours, "finish_reason": finish}
        extra = b"," + dumped(answer)[1:-1] if answer else b""
        return b"".join((b"data: ", self._head, b',"choices":[', dumped(told), b"]", extra, self._tail))

    def _learned(self, answer: dict[str, Any]) -> dict[str, Any]:
        """What is said beside the choices; what holds for the whole answer is repeated in each event from here on."""
        constant: dict[str, Any] = {key: answer[key] for key in CONSTANT if key in answer}
        if constant and constant != self._constant:
            self._constant = constant
            base = {"id": self.id, "object": "chat.completion.chunk", "created": self.created, "model": self.model}
            self._head = dumped({**base, **constant})[:-1]
            self._openings.clear()
        ours = ("id", "object", "created", "model", "choices", "usage")
        return {key: answer[key] for key in answer if key not in constant and key not in ours}

    def _open(self, choice: Choice) -> None:
        if choice.finish:
            self._openings.pop(choice.index, None)
        elif choice.index not in self._openings:
            start = b',"choices":[{"index":%d,"delta":{"content":' % choice.index
            self._openings[choice.index] = b"data: " + self._head + start

    def ending(self) -> bytes:
        """What comes after the last chunk: the usage where it was asked for and is known, and `[DONE]`.

        Raises UpstreamDisconnected if a choice has not ended.
        """
        self.check_finished()
        usage = usage_in(self.usage) if self._with_usage else None
        if not usage:
            return DONE
        return b"".join((b"data: ", self._head, b',"choices":[],"usage":', dumped(usage), b"}\n\n", DONE))

    def broken(self, failure: Failure, request_id: str) -> bytes:
        """The failure as an event, after which there is neither a finish reason nor `[DONE]`."""
        return b"data: " + failure.envelope(request_id) + b"\n\n"
