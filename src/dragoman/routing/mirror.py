"""The first answers; the others are sent a copy, and what they say is thrown away."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from random import random

from dragoman.call import Call, Chunk, Handler
from dragoman.errors import Failure
from dragoman.logs import log
from dragoman.routing.members import Member, fitting

MOST = 100
"""Copies under way; beyond that, calls go without one."""


class Copies:
    """Copies of calls that are under way, ended with the gateway."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[None]] = set()

    def send(self, member: Member, call: Call) -> None:
        """Sends a copy, unless there are too many already."""
        if len(self._tasks) < MOST:
            task = asyncio.get_running_loop().create_task(_copied(member, call))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Ends them all."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)


async def _copied(member: Member, call: Call) -> None:
    async with AsyncExitStack() as own:
        copy = Call(call.request, call.key, own, call.id, call.headers)
        try:
            async for _ in member.handler(copy):
                pass
        except Failure as failure:
            log.info("mirrored", request_id=call.id, backend=failure.backend, code=failure.code)
        except Exception as error:
            log.warning("mirrored", request_id=call.id, backend=member.name, error=type(error).__name__)


def mirrored(members: Sequence[Member], share: float, copies: Copies) -> Handler:
    """Answers by the first that fits, and sends a share of the calls to the others, too."""

    def handle(call: Call) -> AsyncIterator[Chunk]:
        first, *others = fitting(members, call)
        if random() < share:  # noqa: S311
            for member in others:
                copies.send(member, call)
        return first.handler(call)

    return handle
