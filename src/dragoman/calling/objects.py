"""Calls as JSON objects: a name and arguments under any of the keys that models give them."""

from dataclasses import dataclass, field

import regex

from dragoman.calling.arguments import stream, value
from dragoman.calling.events import Report
from dragoman.calling.layers import CLOSING, Mended
from dragoman.calling.marks import folded
from dragoman.calling.script import NoCall, Reading, Script
from dragoman.calling.talk import Talk, Trust
from dragoman.json import dumped, loaded

DEEPEST = 8
"""Levels that a call may be nested in others' keys."""


NAMES = frozenset(
    ("name", "tool", "toolname", "function", "functionname", "action", "recipient", "recipientname", "method", "call")
)
_GIVEN = ("arguments", "argument", "args", "arg", "parameters", "params", "parameter", "input", "inputs", "kwargs")
ARGUMENTS = frozenset(f"{whose}{given}" for whose in ("", "tool", "function", "action") for given in _GIVEN)
CALLS = NAMES | {
    *("toolcall", "toolcalls", "functioncall", "functioncalls", "tooluse", "tooluses", "calls", "tools", "actions"),
    "command",
}
"""Keys that calls stand under."""
HARMLESS = frozenset(
    (
        *("id", "type", "index", "toolcallid", "callid", "role", "content", "response", "status"),
        *("thought", "thoughts", "reasoning", "thinking", "explanation"),
    )
)
"""Keys that may stand beside a call's."""
_KINDS = frozenset(('"function"', '"custom"', '"tool"', '"tool_call"', '"tool_use"', '"function_call"'))

_TEXT = r'"(?:[^"\\]|\\.){0,200}+"'
_FIELD = regex.compile(rf"(?P<close>\}})|(?P<key>{_TEXT})\s{{0,200}}+:", regex.DOTALL)
_NAME = regex.compile(_TEXT, regex.DOTALL)
_FIRST = regex.compile(rf"\{{\s{{0,200}}+(?:\}}|(?P<key>{_TEXT}))", regex.DOTALL)
_ESCAPED = regex.compile(r'\{\s{0,200}+\\"')
_SCHEMA = regex.compile(r'\{\s{0,200}+"(?:type"\s{0,200}+:\s{0,200}+"object"|properties"|\$schema")')
"""How the description of a tool goes on, which is no call of it."""


@dataclass(slots=True)
class _Fields:
    """What is read of an object that may be a call."""

    report: Report
    depth: int
    name: str | None = None
    arguments: str | None = None
    under: str = "input"
    others: dict[str, str] = field(default_factory=dict)
    """What else there is, as JSON."""
    done: bool = False
    """Whether it was a call already, or held some."""
    read: Mended | None = None
    """What the arguments were read from of a call that is still to be ended."""

    def end(self, source: Mended) -> None:
        """Ends the call that is open."""
        if self.read:
            self.report.ended(source.cut, self.read.cut and self.read.cut_in_text)
            self.read = None


def calls(talk: Talk) -> Reading[None]:
    """The calls that are in the object at hand. Raises NoCall if there are none."""
    escaped = yield from talk.script.match(_ESCAPED)
    source = Mended((yield from _unescaped(talk)) if escaped else talk.script)
    before = talk.report.calls
    try:
        yield from _object(talk, source, 0)
    except NoCall:
        if talk.report.calls == before:
            raise
    yield from source.drained()


def _unescaped(talk: Talk) -> Reading[Script]:
    """The object at hand, which is all escaped, without its escapes."""
    parts: list[str] = []
    yield from talk.script.until(CLOSING, parts.append)
    text = Script()
    text.add(regex.sub(r'\\(["\\/])', r"\1", "".join(parts)))
    text.ended = True
    return text


def given(talk: Talk, written: str, key: str = "input") -> Reading[None]:
    """A call whose arguments are the JSON value at hand. Raises NoCall for an unknown tool, if that may be text."""
    name, source = talk.named(written), Mended(talk.script)
    if name is None:
        talk.unknown = written
    else:
        read = yield from stream(talk, name, source, key)
        talk.report.ended(read.cut, read.cut_in_text)
    yield from source.drained()


def _object(talk: Talk, source: Mended, depth: int) -> Reading[None]:
    fields = _Fields(talk.report, depth)
    if (yield from source.peek()) != "{":
        raise NoCall
    source.at += 1
    while True:
        if (yield from source.blanks()) == ",":
            source.at += 1
            yield from source.blanks()
        begun = yield from source.passed(_FIELD)
        if not begun or begun["close"]:
            break
        yield from source.blanks()
        yield from _field(talk, source, fields, _decoded(begun["key"]))
    fields.end(source)
    if not begun:
        raise NoCall
    if not fields.done:
        _whole(talk, source, fields)


def _field(talk: Talk, source: Mended, fields: _Fields, key: str) -> Reading[None]:
    sign, meant = (yield from source.peek()), folded(key)
    unnamed = fields.name is None
    if unnamed and (sign == "{" or talk.trust) and (name := talk.tools.known(key)):
        yield from _keyed(talk, source, fields, name)
    elif fields.done:
        yield from value(source, len)
    elif unnamed and sign and sign in "{[" and meant in CALLS and fields.depth < DEEPEST:
        yield from _within(talk, source, fields)
    elif sign == '"' and meant in NAMES:
        yield from _name(talk, source, fields, key)
    elif meant in ARGUMENTS and fields.arguments is None and not _is_flat(talk, fields, key, sign):
        yield from _arguments(talk, source, fields, key)
    else:
        yield from _other(talk, source, fields, key)


def _keyed(talk: Talk, source: Mended, fields: _Fields, name: str) -> Reading[None]:
    """A tool's name as a key, its arguments under it."""
    first = yield from source.match(_FIRST)
    key = first["key"] if first else None
    if not talk.trust and key and not talk.tools.custom(name) and not talk.tools.takes(name, _decoded(key)):
        raise NoCall
    fields.end(source)
    fields.done = True
    fields.read = yield from stream(talk, name, source, "input")


def _within(talk: Talk, source: Mended, fields: _Fields) -> Reading[None]:
    """An object or array of objects that are the calls."""
    if (yield from source.peek()) == "{":
        yield from _object(talk, source, fields.depth + 1)
    else:
        source.at += 1
        while (sign := (yield from source.blanks())) != "]":
            if sign == ",":
                source.at += 1
            else:
                yield from _object(talk, source, fields.depth + 1)
                talk.trusted(Trust.LIKELY)
        source.at += 1
    fields.done = True


def _name(talk: Talk, source: Mended, fields: _Fields, key: str) -> Reading[None]:
    text = yield from source.passed(_NAME)
    if not text:
        raise NoCall
    name, before = _decoded(text[0]), fields.name
    if before is None:
        talk.named(name)
        fields.name = name
    elif talk.tools.known(name) and not talk.tools.known(before):
        fields.name = name
        fields.others["name"] = dumped(before).decode()
    else:
        fields.others[key] = text[0]


def _is_flat(talk: Talk, fields: _Fields, key: str, sign: str) -> bool:
    """Whether what is called like arguments is one of them."""
    name = talk.tools.known(fields.name or "")
    return bool(talk.trust and name and sign != "{" and key in talk.tools.properties(name))


def _arguments(talk: Talk, source: Mended, fields: _Fields, key: str) -> Reading[None]:
    if talk.trust is not Trust.SURE and folded(key) == "parameters" and (yield from source.match(_SCHEMA)):
        raise NoCall
    name = talk.tools.known(fields.name) if fields.name is not None else None
    if name is not None:
        fields.done = True
        fields.read = yield from stream(talk, name, source, key)
    else:
        fields.arguments, fields.under = (yield from _taken(source)), key


def _other(talk: Talk, source: Mended, fields: _Fields, key: str) -> Reading[None]:
    harmless = folded(key) in HARMLESS
    if (not talk.trust and not harmless) or (talk.trust is Trust.LIKELY and key == "description"):
        raise NoCall
    text = yield from _taken(source)
    if talk.trust:
        fields.others[key] = text


def _taken(source: Mended) -> Reading[str]:
    parts: list[str] = []
    yield from value(source, parts.append)
    return "".join(parts)


def _whole(talk: Talk, source: Mended, fields: _Fields) -> None:
    """A call, now that all of it is read."""
    if fields.name is None:
        raise NoCall
    arguments, name = fields.arguments, talk.tools.known(fields.name)
    if arguments is None:
        others = [f"{dumped(key).decode()}:{text}" for key, text in fields.others.items() if not _about(key, text)]
        arguments = f"{{{','.join(others)}}}"
    if name is not None:
        coerced = talk.tools.coerced(name, fields.under, arguments)
        talk.call(name, coerced, source.cut, source.cut_in_text)
    elif source.cut or (talk.trust is not Trust.SURE and fields.arguments is None):
        raise NoCall
    elif fields.depth:
        talk.report.unknown(fields.name, f'{{"name":{dumped(fields.name).decode()},"arguments":{arguments}}}')
    else:
        talk.unknown = fields.name


def _about(key: str, text: str) -> bool:
    """Whether it tells of the call, and is none of its arguments."""
    return (key == "type" and text in _KINDS) or (key == "id" and text.startswith('"call'))


def _decoded(text: str) -> str:
    return str(loaded(text.encode()))
