"""Reads the texts in JSON: whichever quotes they have, whatever stands in them."""

from collections.abc import Callable

import regex

from dragoman.mending.quotes import CLOSING, ESCAPE, FIRST_HALF, HALF, PLAIN, SPECIAL, THRICE, WINDOW, passed, unescaped
from dragoman.mending.reader import Reader, State


class Texts(Reader):
    """A reader that knows texts."""

    def __init__(self, state: State) -> None:
        super().__init__(state)
        self._quote = self._end = ""
        """The quote that began the text; three of them, if three must end it."""
        self._after: regex.Pattern[str] | None = None
        """What follows the quote that ends the text; None if the first one ends it."""
        self._then = state
        self._special: Callable[[str], object] | None = None
        """Finds what in a text does not pass as it is; None if we are not within one."""

    def feed(self, text: str) -> str:
        """The JSON that is sure with this text, which begins where the value begins."""
        if self._special and not self._special(text):
            return text
        said = self._read(text)
        within = self._state is Texts._within and self._at == len(self._text) and self._key_at is None
        self._special = SPECIAL[self._quote].search if within else None
        return said

    def _begin_text(self, after: regex.Pattern[str] | None, then: State) -> bool:
        """Reads the quote that begins a text, after which comes `then`."""
        self._begin()
        self._said.append('"')
        self._quote = self._end = self._text[self._at]
        self._after, self._then = after, then
        self._at += 1
        return self._go(Texts._begun)

    def _begun(self) -> bool:
        if self._quote in THRICE and self._text.startswith(self._quote, self._at):
            if self._lacks(2):
                return False
            if self._text.startswith(self._quote * 2, self._at):
                self._at += 2
                self._end = self._quote * 3
        elif self._lacks(1):
            return False
        return self._go(Texts._within)

    def _within(self) -> bool:
        if plain := self._take(PLAIN[self._quote]):
            self._said.append(plain)
        sign = self._text[self._at : self._at + 1]
        if not sign:
            return False
        if sign == "\\":
            return self._escape()
        return self._ends() if sign in CLOSING[self._quote] else self._passed()

    def _passed(self) -> bool:
        """Says a character that JSON would have had escaped, or a quote that ends nothing."""
        self._said.append(passed(self._text[self._at]))
        return self._skip()

    def _escape(self) -> bool:
        escape = ESCAPE.match(self._text, self._at, partial=True)
        if escape and escape.partial:
            return False
        if escape:
            self._said.append(unescaped(escape))
            self._at = escape.end()
        elif half := FIRST_HALF.match(self._text, self._at):
            self._said.append(HALF)
            self._at = half.end()
        else:
            return self._passed()
        return True

    def _ends(self) -> bool:
        """At a quote that may end the text."""
        if len(self._end) == 3:
            return self._ends_thrice()
        start = self._at + 1
        follows = self._after and self._after.match(self._text, start, start + WINDOW, partial=True)
        if self._after and not follows:
            return self._passed()
        if follows and follows.partial and self._lacks(1 + WINDOW):
            return False
        if follows and not follows.partial and follows.groupdict().get("joined"):
            self._quote = self._end = follows["joined"]
            self._at = follows.end()
            return True
        return self._close_text()

    def _ends_thrice(self) -> bool:
        if self._text.startswith(self._end, self._at):
            return self._close_text()
        return not self._lacks(3) and self._passed()

    def _close_text(self) -> bool:
        self._said.append('"')
        self._at += len(self._end)
        return self._go(self._then)
