"""Asking again: what a backend said cannot be used, so it is told what was wrong, as often as is allowed."""

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from dragoman.call import Call, Chunk, Handler
from dragoman.completion import added
from dragoman.errors import EmulationFailed
from dragoman.patience import Patience

LONGEST = 8000
"""Characters of what it said that a backend is shown again."""


class Unusable(Exception):
    """An answer of which nothing has reached the caller, and nothing can."""

    def __init__(self, reason: str, said: str, correction: str, usage: dict[str, Any] | None = None) -> None:
        self.reason = reason
        """What was wrong, for the caller and the log."""
        self.said = said
        """What the backend said."""
        self.correction = correction
        """What the backend is told."""
        self.usage = usage
        """What it used, if it said so."""
        super().__init__(reason)


Read = Callable[[Call, AsyncIterator[Chunk], bool], AsyncIterator[Chunk]]
"""Makes of an answer's chunks what the caller gets; raises Unusable. It is told whether this is the last attempt."""


@dataclass(frozen=True, slots=True)
class Bound:
    """How often, and how long, a backend is asked."""

    attempts: int
    seconds: float


async def insisted(next: Handler, call: Call, read: Read, bound: Bound) -> AsyncIterator[Chunk]:
    """What `read` makes of the first answer that can be used. Raises EmulationFailed if there is none in time."""
    clock = Patience(asyncio.get_running_loop(), bound.seconds)
    call.open.callback(clock.close)
    asked, spent = call, None
    for attempt in range(1, bound.attempts + 1):
        once = asked.apart()
        chunks = next(once) if attempt == 1 else _in_time(next(once), clock, spent)
        try:
            async for chunk in read(once, chunks, attempt == bound.attempts):
                yield chunk
            return
        except Unusable as wrong:
            await once.open.aclose()
            spent = wrong.usage or spent
            if attempt == bound.attempts or clock.spent:
                raise failed(wrong.reason) from wrong
            asked = asked.asking(messages=[*call.request.messages, *_corrected(wrong)])


def failed(reason: str) -> EmulationFailed:
    """The failure that a reason stands for."""
    return EmulationFailed(f"{EmulationFailed.fixed_message} {reason}", detail=reason)


def _corrected(wrong: Unusable) -> list[dict[str, Any]]:
    said = wrong.said if len(wrong.said) <= LONGEST else f"{wrong.said[:LONGEST]} […]"
    return [{"role": "assistant", "content": said or "…"}, {"role": "user", "content": wrong.correction}]


async def _in_time(chunks: AsyncIterator[Chunk], clock: Patience, spent: dict[str, Any] | None) -> AsyncIterator[Chunk]:
    """The chunks, as long as there is time for another attempt, with what those before it have used."""
    try:
        while True:
            chunk = await clock.wait(anext(chunks), float("inf"))
            if chunk.usage:
                chunk.usage = added(spent, chunk.usage)
            yield chunk
    except StopAsyncIteration:
        return
    except TimeoutError:
        if not clock.over:
            raise
        raise failed("There was no time left to ask again.") from None
