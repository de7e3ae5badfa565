"""A limit on tokens for a backend that has none: the answer is cut where it is reached, and the backend's ended."""

from collections.abc import AsyncIterator
from dataclasses import replace

from dragoman.call import Call, Chunk, Handler, Middleware
from dragoman.counting import Counter

REASONING = "reasoning_content"


class _Meter:
    """What is left of a limit. Texts are only counted once they could have reached it: a byte is at most a token."""

    def __init__(self, limit: int, counter: Counter) -> None:
        self._limit = limit
        self._counter = counter
        self._said: list[str] = []
        self._length = 0
        self._sure = limit
        """Bytes that surely fit."""
        self.spent = False

    def within(self, text: str) -> str:
        """As much of a text as is within the limit."""
        self._said.append(text)
        self._length += len(text)
        self._sure -= len(text) if text.isascii() else len(text.encode(errors="replace"))
        if self._sure >= 0:
            return text
        whole = "".join(self._said)
        self._said = [whole]
        self._sure = self._limit - self._counter.count(whole)
        if self._sure >= 0:
            return text
        self.spent = True
        fits = self._counter.fitting(whole, self._limit)
        return text[: max(0, fits - (self._length - len(text)))]


def limited(counter: Counter) -> Middleware:
    """Cuts the answer after `max_completion_tokens`, or `max_tokens`; reasoning counts, too."""

    def around(next: Handler) -> Handler:
        async def handle(call: Call) -> AsyncIterator[Chunk]:
            once = call.apart()
            meter = _Meter(call.request.limit or 0, counter)
            async for chunk in next(once):
                if chunk.delta and isinstance(thought := chunk.delta.get(REASONING), str):
                    chunk.delta = {**chunk.delta, REASONING: meter.within(thought)}
                if chunk.text and not meter.spent:
                    chunk.text = meter.within(chunk.text)
                elif meter.spent:
                    chunk.text = ""
                if meter.spent:
                    yield replace(chunk, finish="length", tool_calls=None)
                    await once.open.aclose()
                    return
                yield chunk

        return handle

    return around
