"""Calls as Python writes them: `[get_weather(city="Paris"), now()]`."""

import ast
import re
import warnings
from dataclasses import dataclass, field
from typing import Any

import regex

from dragoman.calling.script import NoCall, Reading, Script
from dragoman.calling.talk import Talk
from dragoman.json import dumped

LONGEST = 20_000
"""Characters between a call's brackets at most."""
DEEPEST = 64

_BEFORE = (
    regex.compile(r"[A-Za-z_]\w{0,60}+\s{0,9}+=\s{0,9}+"),
    regex.compile(r"await\s{1,9}+"),
    regex.compile(r"print\("),
)
_HEAD = regex.compile(r"(?P<name>[\w.\-]{1,160}+)\s{0,9}+\(")
_BETWEEN = regex.compile(r"[ \t,;)]{0,100}+")
_LINE_END = regex.compile(r"[ \t]{0,100}+(?:[\n\r<`]|$)")
_FENCE_END = regex.compile(r"```|~~~|$")

_OPENING = regex.compile("\"{1,6}+|'{1,6}+")
_CLOSING = {quote: regex.compile(quote) for quote in ('"', "'", '"""', "'''")}
_WITHIN = {
    '"': re.compile(r'(?:[^"\\]|\\.)++', re.DOTALL),
    "'": re.compile(r"(?:[^'\\]|\\.)++", re.DOTALL),
}
_ANY = re.compile(r".", re.DOTALL)
_PLAIN = re.compile(r"[^()\[\]{}\"']++|[()\[\]{}]")
_CLOSERS = {"(": ")", "[": "]", "{": "}"}
_LITERALS = {"true": True, "false": False, "null": None}


@dataclass(slots=True)
class _Call:
    """One call, as it is read; what was open where the model stopped is closed."""

    name: str
    parts: list[str] = field(default_factory=list)
    """What stands between its brackets."""
    length: int = 0
    cut: bool = False
    cut_in_text: bool = False

    @property
    def text(self) -> str:
        return "".join(self.parts)

    def take(self, script: Script, pattern: re.Pattern[str] | regex.Pattern[str]) -> bool:
        """Takes what matches, if anything does."""
        match = pattern.match(script.text, script.at, script.stop)
        if match:
            self.parts.append(match[0])
            self.length += len(match[0])
            script.at = match.end()
        return match is not None


def calls(talk: Talk, listed: bool = False) -> Reading[None]:
    """The calls at hand, whose list's bracket was read if they are `listed`. Raises NoCall if they are none."""
    script = talk.script
    script.widen(LONGEST)
    found = [(yield from _call(script))]
    while (listed or talk.fenced or talk.trust) and (yield from _goes_on(script)):
        found.append((yield from _call(script)))
    if not found[-1].cut:
        yield from _ended(talk, listed)
    known = [talk.named(call.name) for call in found]
    given = [_arguments(talk, name, call) for name, call in zip(known, found, strict=True)]
    for call, name, arguments in zip(found, known, given, strict=True):
        if name is None:
            talk.report.unknown(call.name, f"{call.name}({call.text})")
        else:
            talk.call(name, arguments, call.cut, call.cut_in_text)
    script.release()


def _goes_on(script: Script) -> Reading[bool]:
    """Whether another call follows."""
    yield from script.passed(_BETWEEN)
    sign = yield from script.blanks()
    return sign.isalpha() or sign == "_"


def _ended(talk: Talk, listed: bool) -> Reading[None]:
    """Reads the end of the calls. Raises NoCall where what follows makes them rather a text."""
    script = talk.script
    yield from script.passed(_BETWEEN)
    if listed and (yield from script.blanks()) != "]":
        raise NoCall
    script.at += listed
    if not talk.trust and not (yield from script.match(_FENCE_END if talk.fenced else _LINE_END)):
        raise NoCall


def _call(script: Script) -> Reading[_Call]:
    for before in _BEFORE:
        yield from script.passed(before)
    head = yield from script.passed(_HEAD)
    if not head:
        raise NoCall
    call = _Call(head["name"])
    yield from _bracketed(script, call)
    return call


def _bracketed(script: Script, call: _Call) -> Reading[None]:
    """What stands between the call's brackets, and the last of them."""
    closers = [")"]
    while closers:
        sign = yield from script.peek()
        if not sign:
            call.cut = True
            call.parts += reversed(closers[1:])
            return
        if sign in "\"'":
            yield from _quoted(script, call, sign)
        elif sign in ")]}" and sign != closers.pop():
            raise NoCall
        else:
            closers += _CLOSERS.get(sign, "")
            call.take(script, _PLAIN)
        if call.length > LONGEST or len(closers) > DEEPEST:
            raise NoCall
    call.parts.pop()


def _quoted(script: Script, call: _Call, quote: str) -> Reading[None]:
    opening = yield from script.passed(_OPENING)
    marks = opening[0] if opening else ""
    call.parts.append(marks)
    if len(marks) in (2, 6):
        return
    closing = _CLOSING[marks[:3] if len(marks) > 2 else quote]
    while sign := (yield from script.peek()):
        if sign == quote and (yield from script.match(closing)):
            call.take(script, closing)
            return
        if not call.take(script, _ANY if sign == quote else _WITHIN[quote]):
            yield from _lone_escape(script)
    call.cut = call.cut_in_text = True
    call.parts.append(marks[:3] if len(marks) > 2 else quote)


def _lone_escape(script: Script) -> Reading[None]:
    """Waits for what a backslash escapes; one that the text ends with is dropped."""
    if script.final:
        script.at += 1
    else:
        yield from script.more()


def _arguments(talk: Talk, name: str | None, call: _Call) -> str:
    """What the tool is given, or "" for one that is not known. Raises NoCall if it cannot be read."""
    given = _parsed(call.text)
    values = {keyword.arg: _literal(keyword.value) for keyword in given.keywords if keyword.arg}
    placed = [_literal(node) for node in given.args]
    if len(values) < len(given.keywords):
        raise NoCall
    if name is None:
        return ""
    tools = talk.tools
    if len(placed) == 1 and not values and (tools.custom(name) or tools.only(name) or not tools.properties(name)):
        return tools.coerced(name, "input", dumped(placed[0]).decode())
    places = [key for key in tools.properties(name) if key not in values]
    if len(placed) > len(places):
        raise NoCall
    return tools.arguments(name, {**dict(zip(places, placed, strict=False)), **values})


def _parsed(text: str) -> ast.Call:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            parsed = ast.parse(f"f({text}\n)", mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise NoCall from error
    if not isinstance(parsed, ast.Call) or not isinstance(parsed.func, ast.Name):
        raise NoCall
    return parsed


def _literal(node: ast.expr) -> Any:
    """The value that is written there, as JSON has it. Raises NoCall for anything that would have to be computed."""
    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.Name(id=name) if name in _LITERALS:
            return _LITERALS[name]
        case ast.List(elts=items) | ast.Tuple(elts=items) | ast.Set(elts=items):
            return [_literal(item) for item in items]
        case ast.Dict(keys=keys, values=values) if all(keys):
            return {str(_literal(key)): _literal(value) for key, value in zip(keys, values, strict=True) if key}
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case _:
            raise NoCall
