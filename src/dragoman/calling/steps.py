"""Calls as steps of a plan: a line `Action: name`, and a line `Action Input: …`."""

import regex

from dragoman.calling import blocks, objects, pythonic
from dragoman.calling.marks import FENCE
from dragoman.calling.script import NoCall, Reading
from dragoman.calling.talk import Talk
from dragoman.calling.tools import unquoted

LABELS = ("action", "tool", "function", "call", "tool_call", "tool_calls", "function_call", "function_calls")
"""First words of a line that names a tool."""
_LABEL = r"(?P<action>Action)|(?:Tool|Function)(?:[ _](?:name|calls?))?|Call"
_HEAD = regex.compile(
    rf"[*✿]{{0,2}}+(?:{_LABEL})[*✿]{{0,2}}+[ \t]{{0,9}}+:\*{{0,2}}+(?P<blank>\s{{0,9}}+)|>>>\s{{0,2}}+",
    regex.IGNORECASE,
)
_NAME = regex.compile(r"[`\"'*]{0,3}+(?P<name>[\w.\-]{1,160}+)[`\"'*]{0,3}+[ \t]{0,9}+")
_INPUT = regex.compile(
    r"\s{0,99}+[*✿]{0,2}+(?:(?:Action|Tool|Function)[ _]?)?(?:Input|Args|Arguments|Parameters)"
    r"[*✿]{0,2}+[ \t]{0,9}+:\*{0,2}+[ \t]{0,9}+\n?",
    regex.IGNORECASE,
)
_NEXT = regex.compile(r"\s{0,99}+\*{0,2}+(?:Observation|$)")
_END = regex.compile(r"\n\s{0,9}+\*{0,2}+(?:Observation|Thought|Action|Final Answer)\*{0,2}+[ \t]{0,9}+:")
_PARAGRAPH = regex.compile(rf"{_END.pattern}|\n[ \t]{{0,9}}+\n|```")
_OBJECT = regex.compile(r"\s{0,9}+\{")
_PYTHON = regex.compile(r"[\w.\-]{1,160}+\s{0,9}+\(")


def step(talk: Talk) -> Reading[None]:
    """Reads the step at hand. Raises NoCall if it calls no tool that is known."""
    script = talk.script
    head = yield from script.passed(_HEAD)
    if not head:
        raise NoCall
    if not head["action"] and "\n" in (head["blank"] or ""):
        raise NoCall
    sign = yield from script.peek()
    if (sign and sign in "{[<") or (yield from script.match(FENCE)):
        yield from blocks.call(talk)
    elif (yield from script.match(_PYTHON)):
        yield from pythonic.calls(talk)
    else:
        yield from _named(talk, bool(head["action"]))


def _named(talk: Talk, action: bool) -> Reading[None]:
    script = talk.script
    name = yield from script.passed(_NAME)
    known = talk.tools.known(name["name"]) if name else None
    if known is None:
        raise NoCall
    if (yield from script.passed(_INPUT)):
        yield from _given(talk, known)
    elif (yield from script.match(_OBJECT)):
        yield from script.blanks()
        yield from objects.given(talk, known)
    elif action and (yield from script.match(_NEXT)):
        talk.call(known, talk.tools.arguments(known, {}))
    else:
        raise NoCall


def _given(talk: Talk, known: str) -> Reading[None]:
    script, custom, parts = talk.script, talk.tools.custom(known), list[str]()
    if (yield from script.passed(FENCE)):
        talk.fenced = True
    if (yield from script.blanks()) == "{" and not custom:
        yield from objects.given(talk, known)
        return
    talk.called(known)
    yield from script.until(_END if custom else _PARAGRAPH, parts.append)
    text = "".join(parts).strip()
    talk.report.argued(talk.tools.texted(known, "input", text if custom else unquoted(text)))
    talk.report.ended()
