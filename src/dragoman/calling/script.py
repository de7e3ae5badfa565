"""A text that is read while it arrives, by generators that yield where they need more of it.

What they read never depends on how the text was sliced: a pattern is decided once it cannot match differently.
"""

import re
from collections.abc import Callable, Generator
from typing import TypeVar

import regex

T = TypeVar("T")
Reading = Generator[None, None, T]
"""Reads on each time it is asked, until it returns what it has read."""

STEP = 4096
"""Characters that are looked through at once."""

_BLANKS = re.compile(r"\s*+")


class NoCall(Exception):
    """What is being read is no call."""


class Script:
    """Text that arrives: `text` from `at` is to be read, and `ended` says that no more comes."""

    def __init__(self) -> None:
        self.text, self.at, self.ended = "", 0, False

    @property
    def stop(self) -> int:
        """Where the text ends for now."""
        return len(self.text)

    @property
    def final(self) -> bool:
        """Whether the text ends there for good."""
        return self.ended

    def add(self, text: str) -> None:
        """More has arrived."""
        self.text, self.at = self.text[self.at :] + text, 0

    def back(self, text: str) -> None:
        """The last that was read is to be read again."""
        if len(text) > self.at:
            self.text, self.at = text + self.text[self.at :], 0
        else:
            self.at -= len(text)

    def more(self) -> Reading[None]:
        """Waits for more. Raises NoCall where no more may be held back."""
        raise NotImplementedError

    def peek(self) -> Reading[str]:
        """The next character, or nothing at the end."""
        while self.at >= self.stop:
            if self.final:
                return ""
            yield from self.more()
        return self.text[self.at]

    def blanks(self) -> Reading[str]:
        """Passes blanks; the next character after them, or nothing at the end."""
        while True:
            blanks = _BLANKS.match(self.text, self.at, self.stop)
            self.at = blanks.end() if blanks else self.at
            if self.at < self.stop or self.final:
                return self.text[self.at : self.at + 1]
            yield from self.more()

    def match(self, pattern: regex.Pattern[str]) -> Reading[regex.Match[str] | None]:
        """The pattern's match here. What it matches must be bounded, and no match the beginning of another."""
        while True:
            final = self.final
            match = pattern.match(self.text, self.at, self.stop, partial=not final)
            if not match or final or not (match.partial or match.end() == self.stop):
                return match
            yield from self.more()

    def passed(self, pattern: regex.Pattern[str]) -> Reading[regex.Match[str] | None]:
        """The pattern's match here, which has then been read."""
        match = yield from self.match(pattern)
        if match:
            self.at = match.end()
        return match

    def until(
        self,
        pattern: regex.Pattern[str],
        take: Callable[[str], object],
        accept: Callable[[regex.Match[str]], bool] = bool,
    ) -> Reading[regex.Match[str] | None]:
        """Gives all text before an accepted match to `take`; the match, which is still to be read, or None."""
        while True:
            stop = min(self.stop, self.at + STEP)
            final = self.final and stop == self.stop
            match = pattern.search(self.text, self.at, stop, partial=not final)
            begin = match.start() if match else stop
            if begin > self.at:
                take(self.text[self.at : begin])
                self.at = begin
            elif match and (final or (not match.partial and match.end() < stop)):
                if accept(match):
                    return match
                take(self.text[begin : begin + 1])
                self.at = begin + 1
            elif final:
                return None
            else:
                yield from self.more()


class Spoken(Script):
    """What the model says. Some of it can be held, to be read again if it is no call."""

    def __init__(self) -> None:
        super().__init__()
        self._mark: int | None = None
        self._room = 0

    @property
    def stop(self) -> int:
        if self._mark is None:
            return len(self.text)
        return min(len(self.text), self._mark + self._room)

    @property
    def final(self) -> bool:
        return self.ended and self.stop == len(self.text)

    def add(self, text: str) -> None:
        kept = self.at if self._mark is None else self._mark
        self.text = self.text[kept:] + text
        self.at -= kept
        if self._mark is not None:
            self._mark = 0

    def more(self) -> Reading[None]:
        if self._mark is not None and len(self.text) >= self._mark + self._room:
            raise NoCall
        yield

    def hold(self, room: int) -> None:
        """Holds what is read from here, at most `room` characters."""
        self._mark, self._room = self.at, room

    def widen(self, room: int) -> None:
        """More may be held than was thought."""
        self._room = max(self._room, room)

    def held(self) -> str:
        """What was read since."""
        return self.text[self.at if self._mark is None else self._mark : self.at]

    def release(self) -> None:
        """Holds no longer."""
        self._mark = None

    def rewind(self) -> None:
        """What was held is to be read again."""
        if self._mark is not None:
            self.at, self._mark = self._mark, None
