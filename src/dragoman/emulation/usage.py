"""Token counts for a backend that does not tell them."""

from collections.abc import AsyncIterator
from typing import Any

from dragoman.call import Call, Chunk, Handler, Middleware
from dragoman.counting import Counter
from dragoman.counting.requests import prompt_tokens
from dragoman.json import dumped

REASONING = "reasoning_content"


class _Said:
    """What an answer consists of."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.thoughts: list[str] = []

    def add(self, chunk: Chunk) -> None:
        """Another piece of it."""
        if chunk.text:
            self.texts.append(chunk.text)
        for call in chunk.tool_calls or ():
            inner = call.get("function") or call.get("custom") or {}
            self.texts.extend(_text(inner[name]) for name in ("name", "arguments", "input") if inner.get(name))
        for name, value in (chunk.delta or {}).items():
            (self.thoughts if name == REASONING else self.texts).append(_text(value))

    def usage(self, asked: int, counter: Counter) -> dict[str, Any]:
        """OpenAI's usage object."""
        told = counter.count("".join(self.texts))
        thought = counter.count("".join(self.thoughts)) if self.thoughts else 0
        usage: dict[str, Any] = {"prompt_tokens": asked, "completion_tokens": thought + told}
        return {**usage, "completion_tokens_details": {"reasoning_tokens": thought}} if thought else usage


def _text(value: Any) -> str:
    return value if isinstance(value, str) else dumped(value).decode()


def counted(counter: Counter) -> Middleware:
    """Counts what was asked and answered, unless the backend tells."""

    def around(next: Handler) -> Handler:
        async def handle(call: Call) -> AsyncIterator[Chunk]:
            said, told, asked = _Said(), False, -1
            add = said.texts.append
            async for chunk in next(call):
                told = told or chunk.usage is not None
                if chunk.tool_calls or chunk.delta:
                    said.add(chunk)
                elif chunk.text:
                    add(chunk.text)
                if chunk.finish and not told:
                    # whoever tells the count after the end has the last word
                    asked = prompt_tokens(call.request, counter) if asked < 0 else asked
                    chunk.usage = said.usage(asked, counter)
                yield chunk

        return handle

    return around
