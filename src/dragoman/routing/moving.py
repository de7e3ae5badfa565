"""One after the other: the first that can answer does, and may be followed when it breaks."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from time import monotonic
from typing import Any

from dragoman.call import Begun, Call, Chunk, Handler, Settled, begun
from dragoman.errors import Failure, Unreachable, UpstreamDisconnected, UpstreamFailure
from dragoman.logs import log
from dragoman.routing.members import Member, fitting, moves_on, summed

GO_ON = (
    "Your answer was cut off. Go on with it exactly where it stopped, in the middle of a word if need be. "
    "Repeat nothing, and say nothing about this."
)

Order = Callable[[Sequence[Member]], Sequence[Member]]
"""In which order those that fit a call are asked."""


def moving(members: Sequence[Member], order: Order, window: float, continues: bool) -> Handler:
    """Asks one member after the other until one begins to answer; all share `window` seconds to be reached."""
    road = _Moving(members, order, window)
    if not continues:
        return lambda call: Settled(road.found, call)
    return lambda call: road.continued(call) if _plain(call) else Settled(road.found, call)


class _Moving:
    def __init__(self, members: Sequence[Member], order: Order, window: float) -> None:
        self._members, self._order, self._window = members, order, window

    async def found(self, call: Call) -> Begun:
        """The first answer that has begun. Raises Failure."""
        return await self._first(call, self._ordered(call))

    def _ordered(self, call: Call) -> deque[Member]:
        return deque(self._order(fitting(self._members, call)))

    async def _first(self, call: Call, waiting: deque[Member]) -> Begun:
        """The same, from those who wait; who has been asked does not wait any more."""
        failures: list[Failure] = []
        left = self._window
        while waiting:
            member = waiting.popleft()
            began = monotonic()
            attempt = call.apart(began + left / (len(waiting) + 1))
            try:
                return await begun(member.handler(attempt))
            except Failure as failure:
                await attempt.open.aclose()
                if not moves_on(failure):
                    raise
                failures.append(failure)
                if isinstance(failure, Unreachable):
                    left -= monotonic() - began
                if waiting:
                    log.info("moved on", request_id=call.id, backend=failure.backend, code=failure.code)
        raise summed(failures)

    async def continued(self, call: Call) -> AsyncIterator[Chunk]:
        """The answer, taken up by the next when one breaks in the middle of its text."""
        waiting, said, calls, ended = self._ordered(call), "", False, False
        chunks = await self._first(call, waiting)
        while True:
            try:
                async for chunk in chunks:
                    said += chunk.text
                    calls, ended = calls or bool(chunk.tool_calls), ended or bool(chunk.finish)
                    yield chunk
                if ended:
                    return
                raise UpstreamDisconnected(detail="the answer ended without a finish reason")
            except UpstreamFailure as broken:
                if ended or calls or not waiting or not moves_on(broken):
                    raise
                chunks = await self._followed(call, waiting, said, broken)

    async def _followed(self, call: Call, waiting: deque[Member], said: str, broken: UpstreamFailure) -> Begun:
        """The rest of a broken answer, by the next. Raises what broke it if there is none."""
        rest = call.asking(messages=[*call.request.messages, *_so_far(said)])
        try:
            chunks = await self._first(rest, waiting)
        except Failure as failure:
            raise broken from failure
        about = chunks.first.about or {}
        name = about.get("backend", "")
        chunks.first.about = {**about, "continued": name}
        log.warning("continued", request_id=call.id, broken=broken.backend, code=broken.code, backend=name)
        return chunks


def _so_far(said: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": said}, {"role": "user", "content": GO_ON}] if said else []


def _plain(call: Call) -> bool:
    """Whether an answer is one text, of which another backend can write the rest."""
    form: Any = call.request.response_format
    return (call.request.n or 1) == 1 and (form is None or form["type"] == "text")
