"""Waits that end: one timer for all the waits of a call, so that a bound on each costs next to nothing."""

import asyncio
from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

Result = TypeVar("Result")

NEVER = float("inf")


class Patience:
    """Bounds one wait after the other, and all of them together by `total` seconds."""

    __slots__ = ("_due", "_expired", "_loop", "_rings", "_task", "_timer", "deadline", "over")

    def __init__(self, loop: asyncio.AbstractEventLoop, total: float) -> None:
        self.deadline = loop.time() + total
        self._loop = loop
        self._due = NEVER
        self._rings = NEVER
        self._timer: asyncio.TimerHandle | None = None
        self._task: asyncio.Task[Any] | None = None
        self._expired = False
        self.over = False
        """Whether a wait has ended by its time, and not by a TimeoutError of its own."""

    @property
    def spent(self) -> bool:
        """Whether the time for all waits together is over."""
        return self._loop.time() >= self.deadline

    async def wait(self, awaitable: Awaitable[Result], seconds: float) -> Result:
        """What the awaitable gives. Raises TimeoutError after so many seconds, or when the total is spent."""
        steps = awaitable.__await__()
        try:
            waiting = steps.send(None)
        except StopIteration as ready:
            return ready.value  # type: ignore[no-any-return]
        self._due = due = min(self._loop.time() + seconds, self.deadline)
        self._task = asyncio.current_task(self._loop)
        if due < self._rings:
            self._ring_at(due)
        try:
            return await Rest(steps, waiting)  # type: ignore[no-any-return]
        except asyncio.CancelledError:
            if self._expired and self._task is not None:
                self._expired, self.over = False, True
                if self._task.uncancel() == 0:
                    raise TimeoutError from None
            raise
        finally:
            self._due = NEVER

    def close(self) -> None:
        """Forgets the timer."""
        if self._timer:
            self._timer.cancel()

    def _ring_at(self, when: float) -> None:
        if self._timer:
            self._timer.cancel()
        self._rings = when
        self._timer = self._loop.call_at(when, self._ring)

    def _ring(self) -> None:
        """Ends a wait that is due; a timer that rings for an earlier one is set anew."""
        self._timer, self._rings = None, NEVER
        if self._due == NEVER:
            return
        if self._loop.time() < self._due:
            self._ring_at(self._due)
        elif self._task:
            self._expired = True
            self._task.cancel()


class Rest(Awaitable[Any]):
    """The rest of an await whose first step has shown that it must wait; `first` is run before it does."""

    __slots__ = ("_first", "_steps", "_waiting")

    def __init__(
        self, steps: Generator[Any, Any, Any], waiting: Any, first: Callable[[], Awaitable[None]] | None = None
    ) -> None:
        self._steps, self._waiting, self._first = steps, waiting, first

    def __await__(self) -> Generator[Any, Any, Any]:
        steps, waiting = self._steps, self._waiting
        error: BaseException | None = None
        if self._first:
            try:
                yield from self._first().__await__()
            except BaseException as raised:
                error = raised
        try:
            while True:
                if error is None:
                    try:
                        yield waiting
                    except BaseException as raised:
                        error = raised
                waiting, error = (steps.send(None) if error is None else steps.throw(error)), None
        except StopIteration as done:
            return done.value
