"""An answer's chunks into its items."""

from typing import Any

from dragoman.call import Chunk
from dragoman.completion import Choice, usage_in
from dragoman.errors import UpstreamDisconnected
from dragoman.responses.items import Calling, Growing, Item, Logprobs, Saying, Tell, Thinking
from dragoman.responses.tools import Offered

LIMITS = {"length": "max_output_tokens", "content_filter": "content_filter"}
"""Why an answer is not complete, by chat's finish reason."""
DIGITS = 32
"""Of a response's id, which the ids of its items begin with."""


class Output:
    """The items of an answer as they come to be. `tell` hears of every step."""

    def __init__(self, id: str, offered: Offered, tell: Tell) -> None:
        self.usage: dict[str, Any] | None = None
        self.service_tier: str | None = None
        self.told: Growing | None = None
        """The message or the thoughts that are being told."""
        self._digits = id.rpartition("_")[2]
        self._offered, self._tell = offered, tell
        self._choice = Choice(0)
        self._items: list[Growing] = []
        self._open: dict[int, Growing] = {}
        self._calls: dict[int, Calling] = {}
        self._done: dict[int, Item] = {}

    @property
    def items(self) -> list[Item]:
        """All items, those that are being told as far as they have come."""
        return [self._done.get(each.index) or each.so_far() for each in self._items]

    @property
    def limited(self) -> str | None:
        """Why the answer is not complete."""
        return LIMITS.get(self._choice.finish or "")

    def add(self, chunk: Chunk) -> None:
        """Takes what comes next. There is one choice; what is said of others is left out."""
        if chunk.usage:
            self.usage = chunk.usage
        if chunk.answer and isinstance(tier := chunk.answer.get("service_tier"), str):
            self.service_tier = tier
        if chunk.index or self._choice.finish:
            return
        logprobs = _logprobs(chunk)
        for delta in self._choice.deltas(chunk):
            self._take(delta, logprobs)
        if self._choice.finish:
            self._end("incomplete" if self.limited else "completed")

    def check_finished(self) -> None:
        """Raises UpstreamDisconnected if the answer has not ended."""
        if not self._choice.finish:
            raise UpstreamDisconnected(detail="the answer ended without a finish reason")

    def _take(self, delta: dict[str, Any], logprobs: Logprobs) -> None:
        if thought := _text(delta, "reasoning_content") or _text(delta, "reasoning"):
            self._telling(Thinking).add(thought)
        if text := _text(delta, "content"):
            self._telling(Saying).add(text, logprobs)
        if refusal := _text(delta, "refusal"):
            self._telling(Saying).refuse(refusal)
        if isinstance(self.told, Saying) and isinstance(sources := delta.get("annotations"), list):
            self.told.cite(sources)
        for call in delta.get("tool_calls") or ():
            self._call(call)

    def _telling(self, kind: Any) -> Any:
        """The message or the thoughts that are being told: new ones where it was something else."""
        if not isinstance(self.told, kind):
            self._close("completed")
            self.told = self._opened(kind(self._id(), len(self._items), self._tell))
        return self.told

    def _call(self, delta: dict[str, Any]) -> None:
        """A piece of a call. Calls stay open, since backends may tell several at a time."""
        given = delta.get("custom") or delta.get("function") or {}
        call = self._calls.get(delta["index"])
        if call is None:
            self._close("completed")
            name = self._offered.meant(given["name"])
            call = self._calls[delta["index"]] = Calling(self._id(), len(self._items), self._tell, delta, name)
            self._opened(call)
        if text := given.get("input") or given.get("arguments"):
            call.add(str(text))

    def _opened(self, item: Growing) -> Growing:
        self._items.append(item)
        self._open[item.index] = item
        return item

    def _id(self) -> str:
        return f"{self._digits}{len(self._items):04x}"

    def _close(self, status: str) -> None:
        """Ends the message or the thoughts that are being told."""
        if self.told:
            item, self.told = self._open.pop(self.told.index), None
            self._done[item.index] = item.done(status)

    def _end(self, status: str) -> None:
        """Ends all that is open. An answer that says nothing is an empty message."""
        if not self._items:
            self._telling(Saying).begin()
        self.told = None
        for item in self._open.values():
            self._done[item.index] = item.done(status)
        self._open.clear()


def response_of(item_id: str) -> str:
    """The id of the response that an item is of, as far as its own tells."""
    return f"resp_{item_id.rpartition('_')[2][:DIGITS]}"


def usage(given: dict[str, Any] | None) -> dict[str, Any] | None:
    """Chat's usage in our words; None if nothing is known."""
    told = usage_in(given)
    if told is None:
        return None
    asked, answered = told.get("prompt_tokens_details") or {}, told.get("completion_tokens_details") or {}
    return {
        "input_tokens": told["prompt_tokens"],
        "input_tokens_details": {
            "cached_tokens": asked.get("cached_tokens") or 0,
            "cache_write_tokens": asked.get("cache_write_tokens") or 0,
        },
        "output_tokens": told["completion_tokens"],
        "output_tokens_details": {"reasoning_tokens": answered.get("reasoning_tokens") or 0},
        "total_tokens": told["total_tokens"],
    }


def _text(delta: dict[str, Any], key: str) -> str | None:
    value = delta.get(key)
    return value if isinstance(value, str) else None


def _logprobs(chunk: Chunk) -> Logprobs:
    told = (chunk.choice or {}).get("logprobs")
    content = told.get("content") if isinstance(told, dict) else None
    return [each for each in content if isinstance(each, dict)] if isinstance(content, list) else []
