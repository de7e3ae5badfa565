"""A second backend is asked when the first is slow; the one that begins first answers."""

import asyncio
from collections import deque
from collections.abc import Sequence
from time import monotonic

from dragoman.call import Begun, Call, Handler, Settled, begun
from dragoman.errors import Failure
from dragoman.logs import log
from dragoman.routing.budget import Budget
from dragoman.routing.members import Member, fitting, moves_on, summed

UNKNOWN_SECONDS = 1.0
"""When the second is asked as long as too little is known of the first."""
LOOK_AGAIN_SECONDS = 0.05
"""How long a call waits for the budget before it looks again."""
ENOUGH = 20
KEPT = 200


class Times:
    """How long the first byte took, of the last answers."""

    def __init__(self) -> None:
        self._times: deque[float] = deque(maxlen=KEPT)
        self.late: float | None = None
        """Seconds after which an answer is later than 95 % of them; None as long as they are too few."""
        self._new = 0

    def add(self, seconds: float) -> None:
        """Notes one; of an answer that was given up, the time that it had been waited for."""
        self._times.append(seconds)
        self._new += 1
        if self._new >= ENOUGH:
            self._new = 0
            self.late = sorted(self._times)[int(len(self._times) * 0.95)]


def hedged(members: Sequence[Member], after: float | None, window: float) -> Handler:
    """Asks the first, and the next beside it when it is late or has failed."""
    road = _Hedged(members, after, window)
    return lambda call: Settled(road.found, call)


class _Hedged:
    def __init__(self, members: Sequence[Member], after: float | None, window: float) -> None:
        self._members, self._after, self._window = members, after, window
        self._times = {member.name: Times() for member in members}
        self._budget = Budget()

    async def found(self, call: Call) -> Begun:
        """The answer that begins first. Raises Failure."""
        self._budget.count()
        race = _Race(call, deque(fitting(self._members, call)), self._window, self._times)
        try:
            race.start()
            late = self._after or race.late
            while True:
                failed = len(race.failures)
                if answer := await race.next(late if race.waiting else None):
                    return answer
                if len(race.failures) > failed:
                    race.replace()
                elif self._budget.spend():
                    log.info("hedged", request_id=call.id, backend=race.waiting[0].name)
                    race.start()
                else:
                    late = LOOK_AGAIN_SECONDS
        finally:
            race.end()


class _Race:
    """Members that answer one call at the same time."""

    def __init__(self, call: Call, waiting: deque[Member], window: float, times: dict[str, Times]) -> None:
        self.waiting = waiting
        self.running: set[asyncio.Task[Begun]] = set()
        self._call, self._share, self._times = call, window / len(waiting), times
        self.failures: list[Failure] = []
        self._began: dict[asyncio.Task[Begun], tuple[Member, float]] = {}
        known = [late for member in waiting if (late := times[member.name].late) is not None]
        self.late = min(known, default=UNKNOWN_SECONDS)
        """When the first is late: as late as the quickest of all would seldom be, however slow it has become itself."""

    def start(self) -> None:
        """Asks the next."""
        member = self.waiting.popleft()
        attempt = self._call.apart(monotonic() + self._share)
        task = asyncio.ensure_future(_answer(member, attempt))
        self.running.add(task)
        self._began[task] = member, monotonic()
        self._call.open.push_async_callback(_over, task)

    def replace(self) -> None:
        """Asks the next in place of one that has failed. Raises what all have failed with when there is none left."""
        if self.waiting:
            self.start()
        elif not self.running:
            raise summed(self.failures)

    async def next(self, seconds: float | None) -> Begun | None:
        """The first answer that begins, within so many seconds; None if there is none, or one has failed.

        Raises a failure that no other would do better.
        """
        done, self.running = await asyncio.wait(self.running, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        answers = [task.result() for task in done if self._answered(task)]
        return answers[0] if answers else None

    def _answered(self, task: "asyncio.Task[Begun]") -> bool:
        failure = task.exception()
        if failure is None:
            self._note(task)
            return True
        if not isinstance(failure, Failure) or not moves_on(failure):
            raise failure
        self.failures.append(failure)
        log.info("moved on", request_id=self._call.id, backend=failure.backend, code=failure.code)
        return False

    def end(self) -> None:
        """Gives up those that have not begun."""
        for task in self.running:
            self._note(task)
            task.cancel()

    def _note(self, task: "asyncio.Task[Begun]") -> None:
        member, began = self._began[task]
        self._times[member.name].add(monotonic() - began)


async def _answer(member: Member, attempt: Call) -> Begun:
    try:
        return await begun(member.handler(attempt))
    except BaseException:
        await attempt.open.aclose()
        raise


async def _over(task: "asyncio.Task[Begun]") -> None:
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.exception()
