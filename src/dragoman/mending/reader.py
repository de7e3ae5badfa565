"""Where a mender is in what it was fed, and what it says of it; knows blanks and comments, but no grammar."""

import re
from collections.abc import Callable
from typing import Any

State = Callable[[Any], bool]
"""Reads on; whether it got further. Where it did not, it needs more than was fed."""

_BLANKS = re.compile(r"[ \t\r\n]*+")
COMMENTS = {"//": "\n", "#": "\n", "/*": "*/"}


class Reader:
    """A text that comes in pieces, read by one state after another."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._text, self._at = "", 0
        """What was fed, and where what is unread of it begins."""
        self._final = False
        self._said: list[str] = []
        self._due: list[str] = []
        """A comma and the blanks after it, said once something follows them."""
        self._key_at: int | None = None
        """Where in what is said a key begins whose value has not: it is held, and left out if none comes."""
        self._open: list[str] = []
        """The brackets that are open."""
        self._comment = ""
        """What ends the comment that is being read."""

    def _read(self, text: str) -> str:
        """What there is to say with this text."""
        self._text, self._at = self._text[self._at :] + text, 0
        while self._state(self):
            pass
        sure = len(self._said) if self._key_at is None else self._key_at
        said = "".join(self._said[:sure])
        del self._said[:sure]
        self._key_at = None if self._key_at is None else 0
        return said

    def _begin(self) -> None:
        """Says what is due before the next member."""
        self._said += self._due
        self._due.clear()

    def _go(self, state: State) -> bool:
        self._state = state
        return True

    def _skip(self) -> bool:
        self._at += 1
        return True

    def _lacks(self, length: int) -> bool:
        """Whether so many characters are not there yet, but may come."""
        return len(self._text) < self._at + length and not self._final

    def _take(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self._text, self._at)
        assert match, "each of the patterns matches nothing as well"
        self._at = match.end()
        return match[0]

    def _next(self) -> str:
        """The next character that is neither blank nor comment, unread; "" if there is none yet."""
        while not self._comment or self._commented():
            if (blanks := self._take(_BLANKS)) and self._open:
                (self._due or self._said).append(blanks)
            sign = self._text[self._at : self._at + 1]
            if sign.isspace() or sign == "\ufeff":
                self._at += 1
            elif sign == "/" and self._lacks(2):
                return ""
            elif not self._comments():
                return sign
        return ""

    def _comments(self) -> bool:
        """Whether a comment begins here; what begins it is read."""
        for begin, end in COMMENTS.items():
            if self._text.startswith(begin, self._at):
                self._at += len(begin)
                self._comment = end
                return True
        return False

    def _commented(self) -> bool:
        """Whether the comment is over."""
        end = self._text.find(self._comment, self._at)
        if end < 0:
            self._at = max(self._at, len(self._text) - len(self._comment) + 1)
            return False
        self._at, self._comment = end + len(self._comment), ""
        return True
