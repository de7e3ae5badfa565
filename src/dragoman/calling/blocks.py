"""Calls between marks, in code blocks or bare, in all the orders in which models put name and arguments."""

import regex

from dragoman.calling import objects, pythonic
from dragoman.calling.marks import (
    AROUND,
    BRACKET,
    CALLS,
    FENCE,
    KINDS,
    LANGUAGES,
    MARK,
    Kind,
    attributes,
    folded,
    meant,
    name,
)
from dragoman.calling.parameters import Pending
from dragoman.calling.script import NoCall, Reading
from dragoman.calling.talk import Talk, Trust
from dragoman.json import dumped
from dragoman.mending import Mender

MOST_STEPS = 1_000
"""Marks and arguments in a call at most."""
MOST_OPENED = 8
"""Marks around a call at most."""

_WORD = regex.compile(r"\w[\w.:/\-]{1,160}+")
_PYTHON = regex.compile(r"[\w.\-]{1,160}+(?:\s{0,9}+[(=]|\s{1,9}+\w{1,160}+\()")
_SENTENCE = regex.compile(r"[^\s<>{}\[\]`]{1,80}+(?:\s{1,9}+[^\s<>{}\[\]`]{1,80}+){1,50}+\s{0,9}+(?=\{)")
_FUNCTOOLS = regex.compile(r"functools(?=\[)")
NAMED_OBJECT = regex.compile(r"\w[\w.\-]{0,160}+[ \t]{0,9}+\n?[ \t]{0,9}+\{\s{0,99}+[\"'}]")
"""How a call goes on that begins with a tool's name, without any mark."""
_IDENTIFIER = regex.compile(r"\w{0,80}+")
_NAME = regex.compile(r"(?P<name>[^<>]{1,160}+)</[\w\-]{1,40}>")
_CALL = regex.compile(r'\{\s{0,99}+"name"\s{0,99}+:\s{0,99}+"[^"]{0,160}+"\s{0,99}+,\s{0,99}+"(?:arg|param)')
_ESCAPED_END = regex.compile(r"<end_function_call>|<tool_call\|>")
_ESCAPES = regex.compile(r'<escape>|<\|"\|>')
"""How Gemma quotes a text."""


def call(talk: Talk) -> Reading[None]:
    """Reads the call at hand, or several if they are in one object or list. Raises NoCall if there is none."""
    pending = Pending(talk)
    try:
        yield from _read(talk, pending)
    except NoCall:
        if pending.tool is None:
            raise
        pending.finish()


def _read(talk: Talk, pending: Pending) -> Reading[None]:
    done = False
    for _ in range(MOST_STEPS):
        sign = yield from talk.script.blanks()
        if sign == "<":
            done = yield from _mark(talk, pending)
        elif pending.word and sign and (sign not in "{[`(" or _takes_text(talk, pending)):
            yield from _text(pending)
            done = True
        elif reader := _READERS.get(sign):
            done = yield from reader(talk, pending)
        else:
            done = yield from _word(talk, pending)
        if done:
            return
    raise NoCall


def _takes_text(talk: Talk, pending: Pending) -> bool:
    known = talk.tools.known(pending.name or "")
    return known is not None and talk.tools.custom(known)


def _text(pending: Pending) -> Reading[None]:
    if pending.values or pending.tool is not None:
        raise NoCall
    yield from pending.text()


def _mark(talk: Talk, pending: Pending) -> Reading[bool]:
    mark = yield from talk.script.match(MARK)
    if not mark and not pending.word:
        raise NoCall
    if not mark:
        yield from _text(pending)
        return True
    return (yield from _MARKS[meant(mark)](talk, pending, mark))


def _opened(talk: Talk, pending: Pending, mark: regex.Match[str]) -> Reading[bool]:
    """A mark that calls stand in."""
    if pending.values or pending.tool is not None:
        pending.finish()
        return True
    pending.opened += 1
    if pending.opened > MOST_OPENED:
        raise NoCall
    named = name(mark)
    sure = meant(mark) is Kind.CALL or (mark["more"] or "").startswith("=")
    talk.trusted(Trust.SURE if sure else Trust.LIKELY)
    talk.script.at = mark.end()
    if named:
        pending.name, pending.word, pending.parted = named, mark["word"], False
    yield from ()
    return _closed_itself(pending, mark)


def _other(talk: Talk, pending: Pending, mark: regex.Match[str]) -> Reading[bool]:
    """A mark of a word that is a tool's name, or an argument's."""
    word, known = mark["word"], talk.tools.known(pending.name or "")
    talk.script.at = mark.end()
    if pending.name is None and not mark["close"] and (tool := talk.tools.known(word)):
        pending.name = pending.word = word
        pending.values.update(attributes(mark))
        if not all(talk.tools.takes(tool, key) for key in pending.values):
            raise NoCall
        return _closed_itself(pending, mark)
    if mark["close"] and word == pending.word:
        pending.finish()
        return True
    talk.script.at = mark.start()
    if known is not None and talk.tools.custom(known) and pending.word:
        yield from _text(pending)
    elif pending.word and not mark["close"] and _may_take(talk, known, word):
        return (yield from _parameter(talk, pending, mark))
    else:
        raise NoCall
    return True


def _may_take(talk: Talk, known: str | None, key: str) -> bool:
    return talk.trust is Trust.SURE if known is None else talk.tools.takes(known, key)


def _parameter(talk: Talk, pending: Pending, mark: regex.Match[str]) -> Reading[bool]:
    if pending.name is None:
        raise NoCall
    talk.script.at = mark.end()
    return (yield from pending.parameter(mark))


def _between(talk: Talk, pending: Pending, mark: regex.Match[str]) -> Reading[bool]:
    known = talk.tools.known(pending.name or "")
    if pending.word and known is not None and mark["word"] in talk.tools.properties(known):
        return (yield from _parameter(talk, pending, mark))
    talk.script.at = mark.end()
    pending.parted = True
    return False


def _name(talk: Talk, pending: Pending, mark: regex.Match[str]) -> Reading[bool]:
    if pending.name is not None:
        return (yield from _between(talk, pending, mark))
    talk.script.at = mark.end()
    name = yield from talk.script.passed(_NAME)
    if not name:
        raise NoCall
    pending.name, pending.word = name["name"].strip(), mark["word"]
    return False


def _end(talk: Talk, pending: Pending, mark: regex.Match[str]) -> Reading[bool]:
    talk.script.at = mark.end()
    yield from ()
    if KINDS.get(folded(mark["word"])) in AROUND:
        return False
    pending.finish()
    return True


def _result(talk: Talk, pending: Pending, mark: regex.Match[str]) -> Reading[bool]:
    yield from ()
    pending.finish()
    return True


def _closed_itself(pending: Pending, mark: regex.Match[str]) -> bool:
    """Whether it is a mark that opens and closes at once."""
    closed = mark["end"] == "/" or (mark["more"] or "").endswith("/")
    if closed:
        pending.finish()
    return closed


def _fence(talk: Talk, pending: Pending) -> Reading[bool]:
    if pending.name is not None and talk.fenced:
        pending.finish()
        return True
    fence = yield from talk.script.passed(FENCE)
    if not fence:
        raise NoCall
    talk.fenced = True
    talk.trusted(_TRUST.get(LANGUAGES.get(folded(fence["language"]), Kind.OTHER), Trust.BARE))
    return False


def _bracket(talk: Talk, pending: Pending) -> Reading[bool]:
    script = talk.script
    bracket = yield from script.match(BRACKET)
    if bracket:
        return (yield from _word_in_brackets(talk, pending, bracket))
    if pending.name is not None:
        return (yield from _object(talk, pending))
    script.at += 1
    sign = yield from script.blanks()
    if sign.isalpha() or sign == "_":
        yield from pythonic.calls(talk, listed=True)
        return True
    if sign != "{":
        raise NoCall
    return False


def _word_in_brackets(talk: Talk, pending: Pending, bracket: regex.Match[str]) -> Reading[bool]:
    begins = bracket["word"] in CALLS and not bracket["close"]
    if pending.name is not None and (begins or bracket["word"] not in ("ARGS", "CALL_ID")):
        pending.finish()
        return True
    if not begins and pending.name is None:
        raise NoCall
    talk.script.at = bracket.end()
    talk.trusted(Trust.SURE)
    pending.parted = True
    if bracket["word"] == "CALL_ID":
        yield from talk.script.passed(_IDENTIFIER)
    return False


def _object(talk: Talk, pending: Pending) -> Reading[bool]:
    if pending.values:
        raise NoCall
    elif pending.name is None or (yield from talk.script.match(_CALL)):
        yield from objects.calls(talk)
    elif pending.name.startswith("call:"):
        yield from _escaped(talk, pending.name)
    else:
        yield from objects.given(talk, pending.name)
    return True


def _escaped(talk: Talk, written: str) -> Reading[None]:
    """Arguments as Gemma writes them, whose texts have marks for quotes."""
    known, parts = talk.named(written), list[str]()
    ended = yield from talk.script.until(_ESCAPED_END, parts.append)
    pieces = _ESCAPES.split("".join(parts))
    quoted = [dumped(piece).decode() if place % 2 else piece for place, piece in enumerate(pieces)]
    mender = Mender()
    mended = mender.feed("".join(quoted)) + ("" if mender.done else mender.end())
    if known is None:
        talk.unknown = written.removeprefix("call:")
    else:
        talk.call(known, talk.tools.coerced(known, "input", mended), not ended, mender.cut_in_text)


def _word(talk: Talk, pending: Pending) -> Reading[bool]:
    """A name without any mark, or a call as Python writes it."""
    script = talk.script
    if (yield from script.match(_PYTHON)) and pending.name is None:
        yield from pythonic.calls(talk)
        return True
    if (yield from script.passed(_FUNCTOOLS)):
        talk.trusted(Trust.SURE)
        return False
    if talk.trust is Trust.SURE and pending.name is None and (yield from script.passed(_SENTENCE)):
        return False
    named = talk.trust or (yield from script.match(NAMED_OBJECT))
    word = yield from script.match(_WORD)
    if not word or not named or pending.tool is not None or (pending.name is not None and not pending.parted):
        raise NoCall
    script.at = word.end()
    pending.name, pending.parted = word[0], False
    talk.named(pending.name)
    return False


def _nothing(talk: Talk, pending: Pending) -> Reading[bool]:
    """The text ends."""
    yield from ()
    pending.finish(cut=True)
    return True


_TRUST = {Kind.CALL: Trust.SURE, Kind.LIKELY: Trust.LIKELY}
_READERS = {"`": _fence, "~": _fence, "[": _bracket, "{": _object, "": _nothing}
_MARKS = {
    Kind.CALL: _opened,
    Kind.LIKELY: _opened,
    Kind.BETWEEN: _between,
    Kind.NAME: _name,
    Kind.PARAMETER: _parameter,
    Kind.KEY: _parameter,
    Kind.RESULT: _result,
    Kind.END: _end,
    Kind.OTHER: _other,
}
