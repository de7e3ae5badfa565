"""The arguments of a call, written down as they come, however the model wrote them."""

import re
from collections.abc import Callable

from dragoman.calling.layers import Decoded, Mended
from dragoman.calling.script import Reading, Script
from dragoman.calling.talk import Talk

_TEXT = re.compile(r'(?:[^"\\]|\\.)++', re.DOTALL)
_INNER = re.compile(r'[^"{}\[\]]++')
_SCALAR = re.compile(r"[^\s,:{}\[\]\"]++")


def value(script: Script, take: Callable[[str], object]) -> Reading[None]:
    """Gives valid JSON to `take` as it comes, to the end of one value."""
    depth = 0
    while sign := (yield from script.peek()):
        if sign == '"':
            yield from _text(script, take)
        elif sign in "{}[]":
            depth += 1 if sign in "{[" else -1
            take(sign)
            script.at += 1
        else:
            yield from _run(script, take, _INNER if depth else _SCALAR)
        if depth <= 0:
            return


def _text(script: Script, take: Callable[[str], object]) -> Reading[None]:
    take('"')
    script.at += 1
    while (sign := (yield from script.peek())) and sign != '"':
        yield from _run(script, take, _TEXT)
    take(sign)
    script.at += len(sign)


def _run(script: Script, take: Callable[[str], object], pattern: re.Pattern[str]) -> Reading[None]:
    """What the pattern matches, in as many pieces as it comes in."""
    while match := pattern.match(script.text, script.at, script.stop):
        take(match[0])
        script.at = match.end()
        yield from script.peek()


def flow(script: Script, take: Callable[[str], object]) -> Reading[None]:
    """All that there is, as it comes."""
    while (yield from script.peek()):
        take(script.text[script.at : script.stop])
        script.at = script.stop


def stream(talk: Talk, name: str, source: Mended, key: str) -> Reading[Mended]:
    """A call of a known tool, whose arguments are the JSON value at hand; `key` says what they stood under.

    Gives what they were read from, which knows whether they were cut. The call is still to be ended.
    """
    talk.called(name)
    sign = yield from source.blanks()
    if sign == '"':
        source.at += 1
        return (yield from _decoded(talk, name, source, key))
    if sign == "{" and not talk.tools.custom(name):
        yield from value(source, talk.report.argued)
    else:
        parts: list[str] = []
        yield from value(source, parts.append)
        talk.report.argued(talk.tools.coerced(name, key, "".join(parts)))
    return source


def _decoded(talk: Talk, name: str, source: Mended, key: str) -> Reading[Mended]:
    """The same for arguments within a text."""
    parts: list[str] = []
    inner, read = Decoded(source), source
    custom = talk.tools.custom(name)
    if custom:
        yield from flow(inner, talk.report.argued)
    elif (yield from inner.blanks()) == "{":
        read = Mended(inner)
        written = (yield from read.peek()) == "{"
        yield from value(read, talk.report.argued if written else parts.append)
        if not written:
            talk.report.argued(talk.tools.coerced(name, key, "".join(parts)))
    yield from flow(inner, parts.append)
    if not custom and read is source:
        talk.report.argued(talk.tools.texted(name, key, "".join(parts)))
    return read
