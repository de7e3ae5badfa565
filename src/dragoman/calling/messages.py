"""Answers of several messages, each with its channel and addressee: OpenAI's harmony format."""

from collections.abc import Callable

import regex

from dragoman.calling import objects
from dragoman.calling.script import NoCall, Reading
from dragoman.calling.talk import ROOM, Talk, Trust

_HEADER = regex.compile(
    r"(?:<\|start\|>(?P<role>[^<]{0,200}+))?(?:<\|channel\|>(?P<channel>[^<]{0,200}+))?"
    r"(?:<\|constrain\|>[^<]{0,60}+)?<\|message\|>"
)
_SPOKEN_HEADER = regex.compile(r"(?:assistant)?commentary\s{1,3}+to=(?P<to>[\w.\-]{1,160}+)")
"""What is left of a header where its marks were taken out."""
STRIPPED = regex.compile("analysis[A-Z]")
"""How an answer begins whose marks were taken out."""
_FINAL = regex.compile("assistantfinal")
_SPOKEN = regex.compile(r"assistant(?:commentary\s{1,3}+to=|final)")
_CONSTRAINED = regex.compile("json|code")
_TO = regex.compile(r"to=(?P<to>[\w.\-]+)")
_END = regex.compile(r"<\|(?P<word>end|call|return|start|channel)\|>")
_ENDED = regex.compile(r"<\|(?:end|call|return|assistant)\|>")
_PEOPLE = ("user", "assistant", "all", "developer", "system")


def message(talk: Talk) -> Reading[bool]:
    """Reads the head of a message, and the message if it is a call or not for the caller.

    Gives whether the model goes on with what a call gave, which only the caller can know. Raises NoCall.
    """
    if (yield from talk.script.passed(_ENDED)):
        return False
    header = yield from talk.script.passed(_HEADER)
    if not header or not (header["role"] or header["channel"]):
        raise NoCall
    role, channel = (header["role"] or "").strip(), (header["channel"] or "").strip()
    if talk.report.calls and role and not role.startswith("assistant"):
        return True
    talk.messages = True
    talk.script.release()
    to = _TO.search(f"{role} {channel}")
    if to and to["to"] not in _PEOPLE:
        talk.script.hold(0)
        talk.trusted(Trust.SURE)
        yield from _call(talk, to["to"])
    elif channel.startswith("analysis"):
        yield from _passed(talk, len)
    return False


def spoken(talk: Talk) -> Reading[None]:
    """The same where all marks were taken out. Raises NoCall."""
    if (yield from talk.script.match(STRIPPED)):
        talk.script.release()
        message = yield from talk.script.until(_SPOKEN, len)
        if not message or (yield from talk.script.passed(_FINAL)):
            return
        talk.script.hold(ROOM)
    header = yield from talk.script.passed(_SPOKEN_HEADER)
    if not header or talk.tools.known(header["to"]) is None:
        raise NoCall
    yield from talk.script.blanks()
    yield from talk.script.passed(_CONSTRAINED)
    yield from _call(talk, header["to"])


def _call(talk: Talk, to: str) -> Reading[None]:
    known = talk.tools.known(to)
    sign = yield from talk.script.blanks()
    if sign == "{" and not (known is not None and talk.tools.custom(known)):
        yield from objects.given(talk, to)
        return
    parts: list[str] = []
    ended = yield from _passed(talk, parts.append)
    if known is None:
        talk.unknown = to
    else:
        talk.call(known, talk.tools.texted(known, "input", "".join(parts)), not ended, True)


def _passed(talk: Talk, take: Callable[[str], object]) -> Reading[bool]:
    """Takes the text of a message; whether it was ended."""
    end = yield from talk.script.until(_END, take)
    if end and end["word"] not in ("start", "channel"):
        talk.script.at += len(end[0])
    return end is not None
