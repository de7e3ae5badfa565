"""The one JSON document in what a model says, whatever stands around it; or its refusal to give one."""

import re
from collections.abc import Callable, Iterator
from typing import Any, Literal

import regex

from dragoman.json import dumped, loaded
from dragoman.mending import Mender

REFUSAL = "REFUSAL:"
"""What a model is told to begin a refusal with."""
THOUGHTS = (
    ("<think>", "</think>"),
    ("<thinking>", "</thinking>"),
    ("<|channel|>analysis", "<|channel|>final"),
)
"""What thoughts begin with, at the beginning of an answer, and what ends them."""
WRAPPERS = frozenset(
    {"result", "data", "response", "output", "answer", "json", "arguments", "parameters", "properties", "value"}
)
"""Keys that say no more than "here it is"."""
DEEPEST = 3
MOST = 50
"""Documents that a text is searched for."""
AHEAD = 64
"""Characters after a bracket that are looked at before it is taken for a document's beginning."""

_REFUSES = re.compile(
    r"(?:(?:i['’]m|i am) (?:really |very |truly |so )?sorry|sorry\b|i apologi[sz]e|my apologies|unfortunately,? i\b"
    r"|i (?:can(?:no|['’])t|won['’]t|will not|am unable|must decline|am not able|do not feel comfortable)\b"
    r"|i['’]m (?:unable|not able|not comfortable)|as an ai\b|(?:es )?tut mir leid|ich kann (?:dabei|damit) nicht\b"
    r"|(?:je suis )?désolée?\b|je ne peux pas|lo siento\b|no puedo\b|mi dispiace\b|desculpe\b|не могу\b|извините\b"
    r"|(?:很)?抱歉|对不起|對不起|我(?:无法|不能|無法)|申し訳|すみません|죄송|عذر[اً]|آسف|لا أستطيع|لا يمكنني)",
    re.IGNORECASE,
)
_OBJECT = regex.compile(r"""\{\s*(?:["'“”„‘’`}/#]|[^\W\d][\w$-]*\s*[:=]|\d+\s*:|\n)""")
_ARRAY = regex.compile(r"""\[\s*(?:["'“”„{\[\]/#-]|\d|true\b|false\b|null\b|True\b|False\b|None\b|\n)""")
_LISTED = re.compile(r"""\A(?:[^{\[]*\n)?\s*\[\s*\{""")
_UNBRACED = re.compile(r"""\s*["']?\w+["']?\s*:""")
_ESCAPED = re.compile(r"""\{\s*\\\"""")
_OPENINGS: dict[str, tuple[str, regex.Pattern[str]]] = {"object": ("{", _OBJECT), "array": ("[", _ARRAY)}

Kind = Literal["object", "array", "any"]


def kind_of(schema: Any) -> Kind:
    """What a document that follows the schema begins with."""
    kind = schema.get("type", "object") if isinstance(schema, dict) else "object"
    return "object" if kind == "object" else "array" if kind == "array" else "any"


def refuses(text: str) -> bool:
    """Whether a text without a document is a refusal in plain words."""
    return _REFUSES.match(text.lstrip(" \n*_#>\"'")) is not None


class Document:
    """Reads the document while it comes."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self._held = ""
        self._mender: Mender | None = None
        self.refusing = False
        """Whether it is a refusal that comes."""
        self._closing = ""
        """What ends the thoughts that come."""
        self._open = True
        """Whether a refusal may still begin."""

    @property
    def found(self) -> bool:
        """Whether a document has begun."""
        return self._mender is not None

    @property
    def done(self) -> bool:
        """Whether the document is complete."""
        return self._mender is not None and self._mender.done

    @property
    def cut(self) -> bool:
        """Whether it broke off inside a value, once it has ended."""
        return self._mender is not None and self._mender.cut_in_text

    @property
    def rest(self) -> str:
        """What came after the document."""
        return self._mender.rest if self._mender else ""

    def feed(self, text: str) -> str:
        """What another piece adds to the document, or to the refusal."""
        if self._mender:
            return "" if self._mender.done else self._mender.feed(text)
        if self.refusing:
            return text
        self._held += text
        return "" if self._thinks() else self._begun()

    def end(self) -> str:
        """What closes the document."""
        return self._mender.end() if self._mender else ""

    def _begun(self) -> str:
        if self._open and (told := self._refusal()) is not None:
            return told
        place = self._place()
        if place is None:
            return ""
        self._mender, held, self._held = Mender(), self._held[place:], ""
        return self._mender.feed(held)

    def _thinks(self) -> bool:
        """Whether it is thoughts that come, or may come."""
        if self._closing:
            place = self._held.find(self._closing)
            if place < 0:
                self._held = self._held[-len(self._closing) :]
                return True
            self._held, self._closing = self._held[place + len(self._closing) :], ""
        begun = self._held.lstrip() if self._open else "-"
        for opening, closing in THOUGHTS:
            if begun.startswith(opening):
                self._closing, self._held = closing, begun[len(opening) :]
                return self._thinks()
        return any(opening.startswith(begun) for opening, _ in THOUGHTS)

    def _refusal(self) -> str | None:
        """What a refusal begins with; empty while one may still begin, None once it cannot."""
        begun = self._held.lstrip(" \n*")
        if begun.startswith(REFUSAL):
            rest = begun[len(REFUSAL) :].lstrip(" *")
            if not rest:
                return ""
            self.refusing = True
            return rest
        if REFUSAL.startswith(begun):
            return ""
        self._open = False
        return None

    def _place(self) -> int | None:
        """Where the document begins in what is held; what cannot be its beginning is forgotten."""
        if self._kind == "any":
            self._held = self._held.lstrip()
            return 0 if self._held else None
        bracket, opening = _OPENINGS[self._kind]
        place = self._held.find(bracket)
        while place >= 0:
            match = opening.match(self._held, place, partial=True)
            if match and not match.partial:
                return place
            if match and len(self._held) - place < AHEAD:
                self._held = self._held[place:]
                return None
            place = self._held.find(bracket, place + 1)
        self._held = ""
        return None


def documents(text: str, kind: Kind) -> Iterator[tuple[str, bool]]:
    """The first documents in a whole text, one after the other, each with whether it breaks off inside a value."""
    for _ in range(MOST):
        document = Document(kind)
        told = document.feed(text) + document.end()
        if document.refusing or not document.found:
            return
        yield told, document.cut
        text = document.rest


def meant(text: str, kind: Kind, good: Callable[[Any], bool]) -> str | None:
    """The good document that a whole answer means, as JSON: the last of several, or what is wrapped in one.

    None if there is none.
    """
    text = said(text)
    written = [told for told, cut in _read(text, kind) if not cut]
    for told in reversed(written):
        if good(loaded(told.encode(errors="replace"))):
            return told
    for told in reversed(written):
        for value in _within(loaded(told.encode(errors="replace")), 0):
            if good(value):
                return dumped(value).decode()
    return None


def said(text: str) -> str:
    """A whole text without the thoughts that it begins with."""
    begun = text.lstrip()
    for opening, closing in THOUGHTS:
        if begun.startswith(opening) and closing in begun:
            return begun[begun.index(closing) + len(closing) :]
    return text


def _read(text: str, kind: Kind) -> Iterator[tuple[str, bool]]:
    """The documents in a text, and what could be one if it were written a little otherwise."""
    if kind == "object" and (several := _LISTED.search(text)):
        told = next(documents(text[several.start() :], "array"), ("[]", True))
        items = loaded(told[0].encode(errors="replace"))
        if len(items) != 1:
            return
    found = list(documents(text, kind))
    if not found and _UNBRACED.match(text):
        found = list(documents(f"{{{text}}}", kind))
    if not found or _ESCAPED.search(text):
        found += documents(text.replace('\\"', '"'), kind)
    if not found:
        found = list(documents(text, "any")) if text.lstrip().startswith('"') else []
    yield from found


def _within(value: Any, depth: int) -> Iterator[Any]:
    """What a value wraps: what stands alone in it, or under a key that means no more than "here it is"."""
    if isinstance(value, str) and value.lstrip().startswith(("{", "[")):
        try:
            value = loaded(value.encode(errors="replace"))
        except ValueError:
            return
        yield value
    if depth == DEEPEST or not isinstance(value, dict):
        return
    for key, inner in value.items():
        if len(value) == 1 or key in WRAPPERS:
            yield inner
            yield from _within(inner, depth + 1)
