"""Reads tool calls out of what a model says, while it says it."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import regex

from dragoman.calling import blocks, messages, steps
from dragoman.calling.events import Argued, Broken, Called, Ended, Event, Said, Unknown
from dragoman.calling.marks import AROUND, BRACKET, FENCE, KINDS, LANGUAGES, MARK, Kind, closes, folded, meant
from dragoman.calling.prose import MAY_BEGIN, Begin, Prose
from dragoman.calling.script import NoCall, Reading
from dragoman.calling.talk import ROOM, WIDE_ROOM, Talk, Trust
from dragoman.calling.tools import Tools, bare

__all__ = ["Argued", "Broken", "Called", "Calls", "Ended", "Event", "Said", "Unknown"]

_READERS = {
    Begin.CALL: blocks.call,
    Begin.MESSAGE: messages.message,
    Begin.STEP: steps.step,
    Begin.SPOKEN: messages.spoken,
}
_MARKS = "<[`~"
_OPENING = regex.compile(rf"{MARK.pattern}|{BRACKET.pattern}|{FENCE.pattern}")
_CLOSING = regex.compile(rf"{MARK.pattern}|(?P<fence>```|~~~)")


class Calls:
    """Reads tool calls out of what a model says, while it says it.

    `tools` gives the kind of each tool by name, `function` or `custom`, and `schemas` the JSON schemas of functions'
    arguments, which tell where what looks like a number is text. Whatever is fed, nothing is raised, and the events are
    the same however the text was sliced. `over`: the model has gone on with results of its own making, and what
    follows is not read.
    """

    def __init__(
        self, tools: Mapping[str, str], schemas: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
    ) -> None:
        self.over = False
        self._talk = Talk(Tools(tools, schemas))
        self._prose = Prose(self._talk)
        self._reading = self._read()

    def feed(self, text: str) -> list[Event]:
        """What is heard with this text."""
        if self._prose.within_line and not MAY_BEGIN.search(text):
            return [Said(text)] if text else []
        if self.over:
            return []
        self._talk.script.add(text)
        return self._heard()

    def end(self) -> list[Event]:
        """What is heard when nothing more is said."""
        self._talk.script.ended = True
        return self._heard()

    def _heard(self) -> list[Event]:
        next(self._reading, None)
        return self._talk.report.taken()

    def _read(self) -> Reading[None]:
        while not self.over and (begin := (yield from self._prose.read())):
            if begin is Begin.RESULT:
                self.over = True
            elif begin is Begin.THOUGHT:
                yield from self._prose.thought()
            else:
                yield from self._attempt(begin)
        self._prose.within_line = False

    def _attempt(self, begin: Begin) -> Reading[None]:
        """Reads what may be a call. If it is none, it is text."""
        talk = self._talk
        before, fenced = talk.report.calls, talk.fenced
        talk.script.hold(talk.room)
        try:
            self.over = bool((yield from _READERS[begin](talk)))
            if self._prose.code and talk.unknown is not None:
                raise NoCall
        except NoCall:
            talk.script.rewind()
            talk.unknown = None
            if talk.report.calls == before:
                talk.fenced = fenced
                talk.mistaken(marked=talk.script.text[talk.script.at] in _MARKS)
                broken = talk.trust is Trust.SURE and (yield from self._broken())
                if not broken:
                    yield from self._prose.otherwise()
                    return
        self._prose.called()
        if not self.over:
            yield from self._after(talk.report.calls > before or talk.unknown is not None)

    def _broken(self) -> Reading[bool]:
        """Whether it clearly was meant as a call, as it stands on a line of its own or goes on like one."""
        script = self._talk.script
        if self._prose.code:
            return False
        script.hold(ROOM)
        try:
            opening = yield from script.passed(_OPENING)
            sign = yield from script.blanks()
            like_one = sign and sign in "{["
            fence = bool(opening and opening[0].startswith(("`", "~")))
            sure = not fence or (opening and LANGUAGES.get(folded(opening["language"])) is Kind.CALL)
            if opening and sure and (like_one or self._prose.starts):
                end = yield from script.until(_CLOSING, len, lambda mark: _ends(mark, fence))
                script.at += len(end[0]) if end else 0
                if end or like_one:
                    self._talk.report.broken(script.held())
                    script.release()
                    return True
        except NoCall:
            pass
        script.rewind()
        return False

    def _after(self, called: bool) -> Reading[None]:
        """Passes what ends calls, and blanks; what does is part of a call that is not known."""
        talk, script = self._talk, self._talk.script
        script.widen(WIDE_ROOM + ROOM)
        try:
            while sign := (yield from script.blanks()):
                if called and sign in (")]},;\"'" if talk.trust else ")]},;"):
                    script.at += 1
                elif not (yield from self._closing(sign)):
                    break
        except NoCall:
            pass
        if talk.unknown is not None:
            talk.report.unknown(bare(talk.unknown), script.held().strip(" \t\r\n,;"))
            talk.unknown = None
        script.release()

    def _closing(self, sign: str) -> Reading[bool]:
        """Passes a mark that ends calls, if there is one."""
        talk, script = self._talk, self._talk.script
        pattern = {"<": MARK, "[": BRACKET, "`": FENCE, "~": FENCE}.get(sign)
        mark = (yield from script.match(pattern)) if pattern else None
        if not mark or not self._closes(mark, sign):
            return False
        script.at = mark.end()
        if sign in "`~":
            talk.fenced = False
        if sign != "<" or KINDS.get(folded(mark["word"])) not in AROUND:
            talk.trust = Trust.BARE
        return True

    def _closes(self, mark: regex.Match[str], sign: str) -> bool:
        if sign in "`~":
            return self._talk.fenced and not mark["language"]
        if sign == "[":
            return bool(mark["close"])
        return meant(mark) is Kind.END or (closes(mark) and self._talk.tools.known(mark["word"]) is not None)


def _ends(mark: regex.Match[str], fenced: bool) -> bool:
    if mark["fence"]:
        return fenced
    return meant(mark) is Kind.END and KINDS.get(folded(mark["word"])) not in AROUND
