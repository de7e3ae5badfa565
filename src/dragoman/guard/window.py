"""Counts of what happened in the last seconds."""

from collections import deque
from time import monotonic

PARTS = 10


class Window:
    """Two counts, over the last `seconds`, forgotten a tenth at a time."""

    __slots__ = ("_parts", "_seconds", "others", "ours")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds / PARTS
        self._parts: deque[list[int]] = deque()
        self.ours = 0
        self.others = 0

    def add(self, ours: int = 0, others: int = 0) -> None:
        """Counts what happens now."""
        now = self.turn()
        if not self._parts or self._parts[-1][0] != now:
            self._parts.append([now, 0, 0])
        self._parts[-1][1] += ours
        self._parts[-1][2] += others
        self.ours += ours
        self.others += others

    def turn(self) -> int:
        """Forgets what is too long ago."""
        now = int(monotonic() / self._seconds)
        while self._parts and self._parts[0][0] <= now - PARTS:
            _, ours, others = self._parts.popleft()
            self.ours -= ours
            self.others -= others
        return now

    def clear(self) -> None:
        """Forgets everything."""
        self._parts.clear()
        self.ours = self.others = 0
