"""Several choices for a backend that gives one: a call of its own for each, all at once."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import reduce
from typing import Any

from dragoman.call import Call, Chunk, Handler, Middleware
from dragoman.completion import added
from dragoman.errors import InvalidRequest

AHEAD = 64
"""Chunks that the choices may be ahead of the caller."""

_Came = Chunk | BaseException | None
"""A chunk, what a choice failed with, or its end."""


def chosen(limit: int) -> Middleware:
    """Makes `n` choices, up to a limit. What one of them fails with, the call fails with; usage is added up."""

    def around(next: Handler) -> Handler:
        async def handle(call: Call) -> AsyncIterator[Chunk]:
            wanted = call.request.n or 1
            _check(wanted, limit)
            came: asyncio.Queue[_Came] = asyncio.Queue(AHEAD)
            for index in range(wanted):
                _begin(next, await _alone(call, index), index, came)
            usages: dict[int, dict[str, Any]] = {}
            begun = 0
            while wanted:
                chunk = await came.get()
                if chunk is None:
                    wanted -= 1
                    continue
                if isinstance(chunk, BaseException):
                    raise chunk
                if chunk.usage:
                    usages[chunk.index], chunk.usage = chunk.usage, None
                for index in range(begun, chunk.index):
                    yield Chunk(index=index)  # clients expect that choices begin in their order
                begun = max(begun, chunk.index + 1)
                if chunk.says or chunk.about:
                    yield chunk
            if usages:
                yield Chunk(usage=reduce(added, usages.values()))

        return handle

    return around


def _check(wanted: int, limit: int) -> None:
    if wanted > limit:
        raise InvalidRequest(
            f"Invalid 'n': integer above maximum value. Expected a value <= {limit}.",
            param="n",
            code="integer_above_max_value",
        )


async def _alone(call: Call, index: int) -> Call:
    """The call for one choice. A seed that were the same for all would make them all the same."""
    alone = call.apart().without("n")
    seed = alone.request.seed
    return alone if seed is None else alone.asking(seed=seed + index if seed < 2**62 else seed - index)


def _begin(next: Handler, call: Call, index: int, came: "asyncio.Queue[_Came]") -> None:
    task = asyncio.ensure_future(_tell(next, call, index, came))
    call.open.push_async_callback(_ended, task)


async def _ended(task: "asyncio.Future[None]") -> None:
    task.cancel()
    await asyncio.wait([task])


async def _tell(next: Handler, call: Call, index: int, came: "asyncio.Queue[_Came]") -> None:
    """Puts what one choice says among what all say."""
    try:
        async for chunk in next(call):
            await came.put(replace(chunk, index=index))
    except Exception as failure:
        await came.put(failure)
    else:
        await came.put(None)
