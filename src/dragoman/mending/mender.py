"""The grammar of JSON as models write it: what may come where, and what is made of it."""

import re
from collections.abc import Callable, Mapping

from dragoman.json import MAX_DEPTH
from dragoman.mending.quotes import AFTER_KEY, CLOSING, SET, WINDOW, after_value
from dragoman.mending.reader import COMMENTS, State
from dragoman.mending.texts import Texts
from dragoman.mending.words import cut_scalar, quoted, scalar, spoken

_CLOSERS = {"{": "}", "[": "]", "(": ")", "{}": "}"}
"""What closes an object, an array, a tuple and a set."""

_FIRST_WORD = re.compile(r"[\w.+-]*+")
_NAME = re.compile(r"[^:=,;{}\[\]()\"'“”„\n\r]*+")
_RUN = re.compile(r"[^,:={}\[\]()\"'`“”„‘’‚«;\n\r/#]*+")
_BEFORE = re.compile(r"[rbufRBUF]{1,2}[\"']|(?:new )?[A-Za-z_][\w.]*+\(")
"""What Python and JavaScript write right before a quote or a bracket."""


class Mender(Texts):
    """Turns JSON as models write it into JSON, while it comes.

    `feed` gives the JSON that is sure by now, `end` closes what is open. All they gave is a prefix of valid JSON at any
    time, valid JSON after `end`, and the same however the text was sliced. JSON that is valid passes as it is.
    What is nested more than MAX_DEPTH levels deep ends the value there.

    `done`: the value is complete, and `rest` is what was fed after it. After `end`, `cut` says that it was not
    complete, and `cut_in_text` that it ended within a text, which may be only half of it, or a key was left out.
    """

    def __init__(self) -> None:
        super().__init__(Mender._start)
        self.done = self.cut = self.cut_in_text = False
        self._run: list[str] = []
        """What was read of something without quotes."""
        self._prose = False
        self._rest: list[str] = []

    @property
    def rest(self) -> str:
        """Once `done`: what was fed after the value's end, unread."""
        return "".join(self._rest)

    def end(self) -> str:
        """The JSON that completes what was given; "" if no value had begun."""
        self._final, self._special = True, None
        said = [self._read("")]
        if not self.done:
            state = self._state
            if finish := _ENDINGS.get(state):
                finish(self)
            self.cut = not self.done
            left_out = self._key_at is not None
            if left_out:
                del self._said[self._key_at :]
            half = state in (Mender._within, Mender._name) or (
                state is Mender._words and "".join(self._said).endswith('"')
            )
            self.cut_in_text = self.cut and (left_out or half)
            while self._open:
                self._shut()
            self._go(Mender._over)
        return "".join([*said, *self._said])

    # a table says what each sign begins, where it may stand

    def _start(self) -> bool:
        return self._by(_START, Mender._first)

    def _key(self) -> bool:
        return self._by(_KEY, Mender._bare_key)

    def _colon(self) -> bool:
        return self._by(_COLON, Mender._no_colon)

    def _value(self) -> bool:
        return self._by(_VALUE, Mender._bare)

    def _item(self) -> bool:
        return self._by(_ITEM, Mender._bare)

    def _after_member(self) -> bool:
        return self._by(_AFTER, Mender._no_comma)

    def _by(self, table: Mapping[str, State], otherwise: State) -> bool:
        sign = self._next()
        return bool(sign) and table.get(sign, otherwise)(self)

    # brackets

    def _brace(self) -> bool:
        """An object, or a set."""
        window = self._at + 1 + WINDOW
        is_set = SET.match(self._text, self._at, window, partial=True)
        if is_set and is_set.partial and self._lacks(1 + WINDOW):
            return False
        return self._opened("{}" if is_set and not is_set.partial else "{")

    def _bracket(self) -> bool:
        return self._opened(self._text[self._at])

    def _opened(self, kind: str) -> bool:
        self._begin()
        self._key_at = None
        if len(self._open) == MAX_DEPTH:
            self._said.append("null")
            return self._go(Mender._over)
        self._open.append(kind)
        self._said.append("{" if kind == "{" else "[")
        self._at += 1
        return self._go(self._member())

    def _member(self) -> State:
        """What reads a member of what is open."""
        return Mender._key if self._open[-1] == "{" else Mender._item

    def _closer(self) -> bool:
        """Closes up to the bracket that this one closes; if there is none, what was opened last."""
        sign = self._text[self._at]
        self._at += 1
        if any(_CLOSERS[kind] == sign for kind in self._open):
            while _CLOSERS[self._open[-1]] != sign:
                self._shut()
        elif sign == ")":
            return True
        self._shut()
        self._due.clear()
        return self._go(Mender._ended)

    def _shut(self) -> None:
        self._said.append("}" if self._open.pop() == "{" else "]")

    def _ended(self) -> bool:
        """A value has ended: what is open goes on."""
        if self._open:
            return self._go(Mender._after_member)
        self.done = True
        return self._go(Mender._over)

    def _over(self) -> bool:
        if self.done:
            self._rest.append(self._text[self._at :])
        self._at = len(self._text)
        return False

    def _place(self) -> State:
        """What reads a value in what is open."""
        return Mender._value if self._open[-1] == "{" else Mender._item

    # what stands between

    def _comma(self) -> bool:
        self._at += 1
        return self._no_comma()

    def _no_comma(self) -> bool:
        self._due.append(",")
        return self._go(self._member())

    def _takes_colon(self) -> bool:
        self._at += 1
        return self._no_colon()

    def _no_colon(self) -> bool:
        self._said.append(":")
        return self._go(Mender._value)

    def _nothing(self) -> bool:
        """A key without a value."""
        self._key_at = None
        self._said.append("null")
        return self._go(Mender._after_member)

    # texts in quotes

    def _text_alone(self) -> bool:
        return self._begin_text(None, Mender._ended)

    def _text_key(self) -> bool:
        self._key_at = len(self._said)
        return self._begin_text(AFTER_KEY, Mender._colon)

    def _text_value(self) -> bool:
        self._key_at = None
        return self._begin_text(after_value(self._open[-1], len(self._open) == 1), Mender._ended)

    # what has no quotes

    def _first(self) -> bool:
        """What may be a number or a literal, or is skipped: nothing has begun yet."""
        sign = self._text[self._at]
        return self._go(Mender._first_word) if sign.isalnum() or sign in "+-._" else self._skip()

    def _first_word(self) -> bool:
        self._run.append(self._take(_FIRST_WORD))
        if self._at == len(self._text):
            return False
        if (value := scalar(self._ran())) is None:
            return self._go(Mender._start)
        self._said.append(value)
        return self._go(Mender._ended)

    def _bare_key(self) -> bool:
        return self._go(Mender._name)

    def _name(self) -> bool:
        self._run.append(self._take(_NAME))
        return self._at < len(self._text) and self._say_name()

    def _say_name(self) -> bool:
        name = self._ran().strip()
        if not spoken(name) or _BEFORE.fullmatch(name + self._text[self._at : self._at + 1]):
            return self._go(Mender._key)
        self._key_at = len(self._said)
        self._begin()
        self._said.append(quoted(name))
        return self._go(Mender._colon)

    def _bare(self) -> bool:
        self._run.append(self._text[self._at])
        self._at += 1
        return self._go(Mender._words)

    def _words(self) -> bool:
        """Numbers and literals up to what cannot be part of them; or else text up to a comma, a bracket or line end."""
        if part := self._take(_RUN):
            self._run.append(part)
        stop = self._text[self._at : self._at + 1]
        if not stop or (stop == "/" and self._lacks(2)):
            return False
        if not self._prose:
            run = "".join(self._run)
            if _BEFORE.fullmatch(run + stop):
                self._run.clear()
                return self._go(self._place())
            self._prose = stop in ":=" or any(scalar(word) is None for word in spoken(run))
        if not self._prose or self._ends_prose(stop):
            return self._say_words(scalar)
        self._run.append(stop)
        return self._skip()

    def _ends_prose(self, stop: str) -> bool:
        if stop in "/#":
            return self._run[-1][-1].isspace() and self._text.startswith(tuple(COMMENTS), self._at)
        return stop in ",}]\n\r" or (stop == ")" and "(" in self._open)

    def _say_words(self, reading: Callable[[str], str | None]) -> bool:
        """Says a number or literal, several in an array, or text; dots alone stand for what was left out."""
        run = self._ran()
        values = [reading(word) for word in spoken(run)]
        if not values:
            return self._nothing() if self._open[-1] == "{" else self._go(Mender._item)
        self._begin()
        self._key_at = None
        if None in values or (len(values) > 1 and self._open[-1] == "{"):
            self._said.append(quoted(run.strip()))
        else:
            self._said.append(",".join(map(str, values)) + run[len(run.rstrip(" \t")) :])
        return self._go(Mender._after_member)

    def _ran(self) -> str:
        run = "".join(self._run)
        self._run.clear()
        self._prose = False
        return run

    # what was cut off

    def _cut_first_word(self) -> None:
        word = self._ran()
        self.done = scalar(word) is not None
        self._said.append(cut_scalar(word) or "")

    def _cut_text(self) -> None:
        self._said.append('"')

    def _cut_words(self) -> None:
        """A number is taken for whole, the beginning of a literal for the literal where no key can be left out."""
        word = "".join(self._run).strip()
        if self._key_at is None or not word.isalpha() or scalar(word) or not cut_scalar(word):
            self._say_words(cut_scalar)


_BEGINNING = {"{": Mender._brace, "[": Mender._bracket, "(": Mender._bracket}
_CLOSING = dict.fromkeys("}])", Mender._closer)

# a backtick begins a fence as long as no value has begun
_START = {**_BEGINNING, **dict.fromkeys((quote for quote in CLOSING if quote != "`"), Mender._text_alone)}
_KEY = {**dict.fromkeys(",;:={[(", Mender._skip), **dict.fromkeys(CLOSING, Mender._text_key), **_CLOSING}
_COLON = dict.fromkeys(":：=", Mender._takes_colon)
_VALUE = {
    **_BEGINNING,
    **dict.fromkeys(CLOSING, Mender._text_value),
    **dict.fromkeys(":=>", Mender._skip),
    **dict.fromkeys(",;}])", Mender._nothing),
}
_ITEM = {**_VALUE, **dict.fromkeys(",;", Mender._skip), **_CLOSING}
_AFTER = {**dict.fromkeys(",，;", Mender._comma), **dict.fromkeys(":=+", Mender._skip), **_CLOSING}

_ENDINGS: dict[State, Callable[[Mender], object]] = {
    Mender._within: Mender._cut_text,
    Mender._first_word: Mender._cut_first_word,
    Mender._words: Mender._cut_words,
}
