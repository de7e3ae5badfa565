"""Several calls that are answered as one: at once, but not too many, and each ended with the whole."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import reduce
from typing import Any, TypeAlias

from dragoman.call import Call, Chunk, Handler
from dragoman.completion import added
from dragoman.wire.chat import ChatRequest

AHEAD = 64
"""Chunks that the answers may be ahead of the caller."""

_Came: TypeAlias = tuple[int, Chunk | Exception | None]
"""By which of the calls, and what: a chunk, what it failed with, or its end."""


async def together(
    next: Handler, call: Call, requests: Sequence[ChatRequest], each: int = 1, most: int = 128
) -> AsyncIterator[Chunk]:
    """What `next` answers to the requests, as it comes; at most so many are asked at once.

    Each has so many choices, which are numbered through: those of the first request, then those of the second. What
    one fails with, all fail with; usage is added up, and told at the end.
    """
    asking = _Asking(next, most)
    for place, request in enumerate(requests):
        task = asyncio.ensure_future(asking.ask(place, call, request))
        call.open.push_async_callback(_ended, task)
    usages: dict[int, dict[str, Any]] = {}
    left = len(requests)
    while left:
        place, said = await asking.came.get()
        if said is None:
            left -= 1
            continue
        if isinstance(said, Exception):
            raise said
        if said.usage:
            usages[place] = said.usage
        chunk = replace(said, index=place * each + said.index % each, usage=None)
        if chunk.says or chunk.about:
            yield chunk
    if usages:
        yield Chunk(usage=reduce(added, usages.values()))


async def _ended(task: "asyncio.Future[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


class _Asking:
    """Puts what is answered to each request among what is answered to all."""

    def __init__(self, next: Handler, most: int) -> None:
        self.came: asyncio.Queue[_Came] = asyncio.Queue(AHEAD)
        self._next, self._turns = next, asyncio.Semaphore(most)

    async def ask(self, place: int, call: Call, request: ChatRequest) -> None:
        """Asks when it is this one's turn. What it opened is closed before another's."""
        try:
            async with self._turns, AsyncExitStack() as opened:
                async for chunk in self._next(replace(call, request=request, open=opened)):
                    await self.came.put((place, chunk))
        except Exception as failure:
            await self.came.put((place, failure))
        else:
            await self.came.put((place, None))
