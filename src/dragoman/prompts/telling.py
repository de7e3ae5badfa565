"""An answer as completions tell it, whole or in events: plain texts, and perhaps the prompts before them."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from dragoman.call import Chunk
from dragoman.completion import DONE, Choice, Folded, usage_in
from dragoman.errors import Failure, UpstreamDisconnected
from dragoman.ids import unique
from dragoman.json import dumped
from dragoman.prompts.logprobs import Columns

FINISHES = frozenset({"stop", "length", "content_filter"})
OURS = frozenset({"id", "object", "created", "model", "choices", "usage"})


@dataclass(slots=True)
class Wanted:
    """How an answer is to be told."""

    echoed: Sequence[str]
    """What is said before the choices of each prompt; one for all of them if it is nothing."""
    prompts: int
    n: int
    top: int | None
    """How many likely tokens are told, if any are."""

    def echo(self, index: int) -> str:
        """What is said before a choice."""
        return self.echoed[min(index // self.n, len(self.echoed) - 1)]

    def columns(self, index: int) -> Columns | None:
        """What tells a choice's log probabilities."""
        return None if self.top is None else Columns(self.top, len(self.echo(index)))

    def check(self, choices: Sequence[int]) -> None:
        """Raises UpstreamDisconnected if a prompt has no choice."""
        if len({index // self.n for index in choices}) < self.prompts:
            raise UpstreamDisconnected(detail="a prompt was not answered")


class FoldedText(Folded):
    """A completion as one JSON."""

    def __init__(self, model: str, wanted: Wanted) -> None:
        super().__init__(unique("cmpl-"), int(time.time()), model)
        self._wanted = wanted

    def json(self) -> bytes:
        whole = self.completion()
        self._wanted.check([choice["index"] for choice in whole["choices"]])
        choices = [self._as_text(choice) for choice in whole["choices"]]
        return dumped({**whole, "object": "text_completion", "choices": choices})

    def _as_text(self, choice: dict[str, Any]) -> dict[str, Any]:
        index, logprobs = choice["index"], choice.pop("logprobs")
        text, columns = _text(choice.pop("message")), self._wanted.columns(index)
        ours = {
            "text": self._wanted.echo(index) + text,
            "index": index,
            "logprobs": _told(columns, logprobs),
            "finish_reason": _finish(choice["finish_reason"]),
        }
        return {**ours, **choice, **ours}


class StreamedText:
    """A completion as server-sent events."""

    def __init__(self, model: str, with_usage: bool, wanted: Wanted) -> None:
        head = {"id": unique("cmpl-"), "object": "text_completion", "created": int(time.time()), "model": model}
        self._head = b"data: " + dumped(head)[:-1]
        self._tail = b',"usage":null}\n\n' if with_usage else b"}\n\n"
        self._opening = self._head + b',"choices":[{"text":'
        self._closings: dict[int, bytes] = {}
        self._with_usage, self._wanted = with_usage, wanted
        self._choices: dict[int, Choice] = {}
        self._columns: dict[int, Columns | None] = {}
        self._usage: dict[str, Any] | None = None
        self._held: dict[str, Any] = {}

    def events(self, chunk: Chunk) -> bytes:
        """The chunk as events; none at all if it says nothing."""
        closing = self._closings.get(chunk.index)
        if closing and not (
            chunk.finish or chunk.tool_calls or chunk.delta or chunk.choice or chunk.answer or chunk.usage
        ):
            return self._opening + dumped(chunk.text) + closing if chunk.text else b""
        return b"".join(self._written(chunk))

    def _written(self, chunk: Chunk) -> Iterator[bytes]:
        self._usage = chunk.usage or self._usage
        self._held |= {name: chunk.answer[name] for name in chunk.answer if name not in OURS} if chunk.answer else {}
        choice = self._choices.get(chunk.index)
        if choice is None:
            if not (chunk.text or chunk.finish or chunk.tool_calls or chunk.delta or chunk.choice) and (
                chunk.usage or chunk.answer
            ):
                return
            choice = self._begun(chunk.index)
            if echo := self._wanted.echo(chunk.index):
                yield self._event(choice, echo, {})
        if choice.finish:
            return
        text, beside = "".join(map(_text, choice.deltas(chunk))), self._beside(chunk)
        if text or beside:
            yield self._event(choice, text, beside)
        if choice.finish:
            del self._closings[choice.index]
            yield self._event(choice, "", {}, _finish(choice.finish))

    def _begun(self, index: int) -> Choice:
        choice = self._choices[index] = Choice(index)
        self._columns[index] = self._wanted.columns(index)
        self._closings[index] = b',"index":%d,"logprobs":null,"finish_reason":null}]' % index + self._tail
        return choice

    def _beside(self, chunk: Chunk) -> dict[str, Any]:
        """What is said beside a choice's text."""
        if not chunk.choice:
            return {}
        told = _told(self._columns[chunk.index], chunk.choice.get("logprobs"))
        others = {name: chunk.choice[name] for name in chunk.choice if name != "logprobs"}
        return {**others, "logprobs": told} if told else others

    def _event(self, choice: Choice, text: str, beside: dict[str, Any], finish: str | None = None) -> bytes:
        ours = {"text": text, "index": choice.index}
        told = {**ours, "logprobs": None, **beside, **ours, "finish_reason": finish}
        extra, self._held = b"," + dumped(self._held)[1:-1] if self._held else b"", {}
        return b"".join((self._head, b',"choices":[', dumped(told), b"]", extra, self._tail))

    def ending(self) -> bytes:
        """The usage where it was asked for and is known, and `[DONE]`. Raises UpstreamDisconnected."""
        if not all(choice.finish for choice in self._choices.values()):
            raise UpstreamDisconnected(detail="the answer ended without a finish reason")
        self._wanted.check(list(self._choices))
        usage = usage_in(self._usage) if self._with_usage else None
        if not usage:
            return DONE
        return b"".join((self._head, b',"choices":[],"usage":', dumped(usage), b"}\n\n", DONE))

    def broken(self, failure: Failure, request_id: str) -> bytes:
        """The failure as an event, after which there is neither a finish reason nor `[DONE]`."""
        return b"data: " + failure.envelope(request_id) + b"\n\n"


def _text(said: dict[str, Any]) -> str:
    """What is text in a message or a delta; words of refusal are words, too."""
    return "".join(text for name in ("content", "refusal") if isinstance(text := said.get(name), str))


def _told(columns: Columns | None, logprobs: Any) -> dict[str, Any] | None:
    return columns.of(logprobs.get("content")) if columns and isinstance(logprobs, dict) else None


def _finish(reason: str) -> str:
    return reason if reason in FINISHES else "stop"
