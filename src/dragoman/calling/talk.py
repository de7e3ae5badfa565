"""What the readers of one answer share."""

import re
from dataclasses import dataclass, field
from enum import IntEnum

from dragoman.calling.events import Report
from dragoman.calling.script import NoCall, Spoken
from dragoman.calling.tools import Tools


class Trust(IntEnum):
    """How sure it is that what follows is a call."""

    BARE = 0
    """Only if it names a tool."""
    LIKELY = 1
    """It stands in something that others use as well: `<function>`."""
    SURE = 2
    """It stands in something that only calls stand in: `<tool_call>`."""


_NAME = re.compile(r"[\w.:/\- ]{1,160}")
"""What may be a tool's name, and is not just a place for one."""
ROOM, WIDE_ROOM = 2_000, 100_000
"""Characters that are held back at most until it is clear that they are a call, and of which tool: bare, or marked."""
WIDE_TRIES, TRIES = 20, 1_000
"""What only seemed to be calls: after so many there is less room, after so many no more is tried."""


@dataclass(slots=True)
class Talk:
    """One answer while it is read."""

    tools: Tools
    script: Spoken = field(default_factory=Spoken)
    report: Report = field(default_factory=Report)
    trust: Trust = Trust.BARE
    fenced: bool = False
    """Whether the calls stand in a code block."""
    messages: bool = False
    """Whether the answer is several messages, between marks."""
    failed: dict[bool, int] = field(default_factory=lambda: {True: 0, False: 0})
    """How often what seemed to be a call was none, by whether it had a mark."""
    unknown: str | None = None
    """The unknown tool that what is held calls."""

    def trusted(self, trust: Trust) -> None:
        """What comes is as sure as that, at least."""
        self.trust = max(self.trust, trust)
        self.script.widen(self.room)

    @property
    def room(self) -> int:
        """How much may be held back."""
        return WIDE_ROOM if self.trust and self.failed[True] < WIDE_TRIES else ROOM

    def mistaken(self, marked: bool) -> None:
        """What seemed to be a call was none."""
        self.failed[marked] += 1

    def tries(self, marked: bool) -> bool:
        """Whether it still is worth to try."""
        return self.failed[marked] < TRIES

    def called(self, name: str) -> None:
        """A call of a known tool begins, and nothing is held back any more."""
        self.script.release()
        self.report.called(name)

    def call(self, written: str, arguments: str, cut: bool = False, cut_in_text: bool = False) -> None:
        """A call, whole, of a tool that is known."""
        self.called(written)
        self.report.argued(arguments)
        self.report.ended(cut, cut_in_text)

    def named(self, written: str) -> str | None:
        """The tool that is called so. Raises NoCall for one that is not known, unless it is likely a call."""
        name = self.tools.known(written)
        if name is None and (self.trust is Trust.BARE or not _NAME.fullmatch(written)):
            raise NoCall
        return name
