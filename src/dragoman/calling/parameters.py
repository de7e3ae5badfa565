"""A call's name and arguments as they are gathered from marks: `<parameter=city>Paris</parameter>`."""

from dataclasses import dataclass, field
from typing import Any

import regex

from dragoman.calling.marks import AROUND, KINDS, MARK, Kind, attributes, closes, folded, meant, name
from dragoman.calling.script import NoCall, Reading
from dragoman.calling.talk import Talk, Trust

_VALUE = regex.compile(r"\s{0,200}+<arg_value>")
_DATA = regex.compile(r"\s*+<!\[CDATA\[(.*)\]\]>\s*+", regex.DOTALL)


@dataclass(slots=True)
class Pending:
    """A call whose arguments are still to come."""

    talk: Talk
    name: str | None = None
    word: str | None = None
    """The word of the mark that named it, and around its arguments."""
    parted: bool = False
    """Whether there was a mark since the name that parts it from its arguments."""
    opened: int = 0
    """How many marks stand around it."""
    tool: str | None = None
    """The tool, once its call was reported."""
    values: dict[str, Any] = field(default_factory=dict)

    def begin(self) -> str | None:
        """Reports the call, if it is of a tool that is known. Raises NoCall if it may be a text."""
        known = self.talk.named(self.name or "")
        if known is not None and self.tool is None:
            self.talk.called(known)
            self.tool = known
        return known

    def finish(self, cut: bool = False, cut_in_text: bool = False) -> None:
        """Reports what it is given. Raises NoCall if it may be a text."""
        if self.name is None:
            raise NoCall
        known = self.begin()
        if known is not None:
            self._give(self.talk.tools.arguments(known, self.values), cut, cut_in_text)
        elif cut or (not self.values and (self.word is None or self.talk.trust is not Trust.SURE)):
            raise NoCall
        else:
            self.talk.unknown = self.name

    def _give(self, arguments: str, cut: bool, cut_in_text: bool) -> None:
        self.talk.report.argued(arguments)
        self.talk.report.ended(cut, cut_in_text)

    def parameter(self, mark: regex.Match[str]) -> Reading[bool]:
        """Reads an argument, of which `mark` was read; whether the call is over."""
        known = self.begin()
        key, word = name(mark) or mark["word"], mark["word"]
        if meant(mark) is Kind.KEY:
            parts: list[str] = []
            yield from self._until_mark(parts, word, word)
            key, word = "".join(parts).strip(), "arg_value"
            yield from self.talk.script.passed(_VALUE)
        parts = []
        whole = (mark["more"] or "").endswith("/") or mark["end"] == "/"
        ended = whole or (yield from self._until_mark(parts, word, key))
        text = _plain("".join(parts))
        stays = known is None or attributes(mark).get("string") == "true"
        self.values[key] = text if stays else self.talk.tools.value(known or "", key, text)
        if not ended:
            self.finish(cut=True, cut_in_text=True)
        return not ended

    def text(self) -> Reading[None]:
        """Reads the call's only argument, which is all text up to the mark that ends it."""
        talk, known = self.talk, self.talk.named(self.name or "")
        tools = talk.tools
        if known is None and talk.trust is not Trust.SURE:
            raise NoCall
        if known is not None and not tools.custom(known) and tools.properties(known) and not tools.only(known):
            raise NoCall
        parts: list[str] = []
        ended = yield from self._until_mark(parts, self.word or "", "")
        if not ended and not talk.trust:
            raise NoCall
        if self.begin() is None:
            talk.unknown = self.name
        else:
            self._give(tools.texted(known or "", "input", _plain("".join(parts))), not ended, True)

    def _until_mark(self, parts: list[str], *words: str) -> Reading[bool]:
        """Takes text up to what ends an argument, and reads that if it is a mark of one of the words."""
        script = self.talk.script
        usual, open = folded(words[0]) in KINDS, 0

        def ends(mark: regex.Match[str]) -> bool:
            nonlocal open
            kind = KINDS.get(folded(mark["word"]))
            if usual and kind in (Kind.CALL, Kind.LIKELY):
                open += -1 if closes(mark) else 1
                return open < 0
            if closes(mark) and mark["word"] in (*words, self.word):
                return True
            if meant(mark) is Kind.END:
                return usual and kind not in AROUND
            return kind in (Kind.PARAMETER, Kind.KEY) and mark["word"] == words[0] and bool(mark["more"])

        mark = yield from script.until(MARK, parts.append, ends)
        if mark and closes(mark) and mark["word"] in words:
            script.at = mark.end()
        return mark is not None


def _plain(text: str) -> str:
    """The text without the line ends next to its marks."""
    data = _DATA.fullmatch(text)
    return data[1] if data else text.removeprefix("\r").removeprefix("\n").removesuffix("\n").removesuffix("\r")
