"""What is said to backends and what they answer, on tape: written down as it happens, or played without them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from dragoman.line import Line, Socket


class Tape(Protocol):
    """Records, or answers from recordings."""

    def around(self, line: Line) -> Line:
        """The line whose exchanges go over the tape."""
        ...

    async def dial(self, target: str, headers: Mapping[str, str], connect: Callable[[], Awaitable[Socket]]) -> Socket:
        """A WebSocket that goes over the tape. `connect` opens a real one: raises what it raises."""
        ...
