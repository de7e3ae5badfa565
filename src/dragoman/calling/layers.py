"""Texts within a text: JSON as the model writes it, mended; and what a text in that JSON says."""

import re

import regex

from dragoman.calling.script import STEP, Reading, Script
from dragoman.json import loaded
from dragoman.mending import Mender

_STOP = re.compile(r"<|```")
CLOSING = regex.compile(
    r"</(?:\w{1,20}:)?(?:tools?|functions?|invoke|tool[-_]?calls?|function[-_]?calls?)\s?>"
    r"|</?[|｜]?(?:end_function_call|[\w▁]{0,30}(?:call|calls|section|action)(?:[_▁]end)?)[|｜]>|```"
)
"""What ends a call around its JSON."""
_AFTER_VALUE = re.compile(r"[^\\\s:,\[{(][\"'][\s}\])]*+$")
"""How JSON ends whose last bracket is missing."""
_BEFORE_TEXT = re.compile(r"[:,\[({]\s*+$")
_SIGNS = re.compile(r'\\.|"', re.DOTALL)
_TAIL = 40

_TICKS = regex.compile("```")
_UNITS = re.compile(
    r'(?:[^"\\]|\\[^u]|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[0-9a-fA-F]{4}|\\u(?![dD][89abAB])[0-9a-fA-F]{4})*+'
)
"""As much of a JSON text as can be decoded on its own."""


class Mended(Script):
    """The JSON value that begins where `source` is, as valid JSON. It ends where the value does, or its call."""

    def __init__(self, source: Script) -> None:
        super().__init__()
        self._source = source
        self._mender = Mender()
        self._tail, self._within = "", False
        self._sure: int | None = None

    @property
    def cut(self) -> bool:
        """Whether what was read last was complete only because it was closed for the model, which had stopped."""
        return self._sure is not None and self.at > self._sure

    @property
    def cut_in_text(self) -> bool:
        """Whether the model stopped within a text or number."""
        return self._mender.cut_in_text

    def more(self) -> Reading[None]:
        source = self._source
        sign = yield from source.peek()
        if not sign:
            self._close(cut=True)
            return
        end = min(source.stop, source.at + STEP)
        stop = _STOP.search(source.text, source.at, end)
        if not stop and source.text.endswith(("`", "``"), source.at, end):
            end = source.at + len(source.text[source.at : end].rstrip("`"))
        if not stop and end > source.at:
            self._feed(end)
        elif stop and stop.start() > source.at:
            self._feed(stop.start())
        elif (yield from self._ends_here(sign)):
            self._close(cut=False)
        else:
            self._feed(source.at + 1)

    def drained(self) -> Reading[None]:
        """Reads on to the end."""
        while not self.ended:
            self.at = len(self.text)
            yield from self.more()
        self.at = len(self.text)

    def _ends_here(self, sign: str) -> Reading[bool]:
        if sign == "`":
            ticks = yield from self._source.match(_TICKS)
            if not ticks:
                return False
        if not self._within:
            return sign == "<" or not _BEFORE_TEXT.search(self._tail)
        if not _AFTER_VALUE.search(self._tail):
            return False
        closing = yield from self._source.match(CLOSING)
        return closing is not None

    def _feed(self, end: int) -> None:
        source, mender = self._source, self._mender
        piece = source.text[source.at : end]
        source.at = end
        self._tail = (self._tail + piece)[-_TAIL:]
        self._given(mender.feed(piece))
        if mender.done:
            self.ended = True
            source.back(mender.rest)

    def _close(self, cut: bool) -> None:
        if _AFTER_VALUE.search(self._tail):
            self._given(self._mender.feed("\n"))
        rest = "" if self._mender.done else self._mender.end()
        self._given("")
        self._sure = len(self.text) if cut else None
        self.text += rest
        self.ended = True

    def _given(self, text: str) -> None:
        self.add(text)
        if '"' in text:
            for sign in _SIGNS.finditer(text):
                self._within ^= sign[0] == '"'


class Decoded(Script):
    """What the JSON text says whose opening quote `source` has just passed."""

    def __init__(self, source: Script) -> None:
        super().__init__()
        self._source = source

    def more(self) -> Reading[None]:
        source = self._source
        sign = yield from source.peek()
        units = _UNITS.match(source.text, source.at, source.stop)
        end = units.end() if units else source.at
        if end > source.at:
            self.add(_said(source.text[source.at : end]))
            source.at = end
        elif sign in ('"', ""):
            source.at += len(sign)
            self.ended = True
        else:
            yield from source.more()


def _said(escaped: str) -> str:
    return str(loaded(f'"{escaped}"'.encode()))
