"""A shell's line to its words: quotes, escapes, continued lines and variables, of POSIX shells and of Windows' cmd."""

import re
from collections.abc import Iterator

from dragoman.adapt.asked import LONGEST, CannotAdapt, variable, without_marks

END = frozenset({"|", "||", ";", "&&", "&", ">", ">>", "2>", "2>&1", "&>", "<"})
"""Words after which another command begins, or a file that takes the output."""
ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "e": "\x1b", "E": "\x1b", "f": "\f", "v": "\v"}

_PIECE = re.compile(
    r"""(?P<space>(?:[ \t\r\n]|\\\r?\n)+)
    |\$'(?P<ansi>(?:[^'\\]|\\.)*)'
    |'(?P<single>[^']*)'
    |\$?"(?P<double>(?:[^"\\]|\\.)*)"
    |\\(?P<escaped>.)
    |(?P<command>\$\([^()]*\)|`[^`]*`)
    |\$(?:\{(?P<braced>[A-Za-z_]\w*)\}|(?P<bare>[A-Za-z_]\w*))
    |(?P<plain>[^\s'"\\$`]+|\$)""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_IN_DOUBLE = re.compile(r"\\\r?\n|\\([\"\\$`])|\$(?:\{([A-Za-z_]\w*)\}|([A-Za-z_]\w*))", re.ASCII)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{1,4}|U[0-9a-fA-F]{1,8}|x[0-9a-fA-F]{1,2}|[0-7]{1,3}|.)", re.DOTALL)
_HERE = re.compile(r"<<-?[ \t]*(['\"]?)(\w+)\1[^\n]*\n")
_CMD_VARIABLE = re.compile(r"%([A-Za-z_]\w*)%", re.ASCII)
_CMD = re.compile(r'\^\s*\n|\^"')


def split(text: str) -> tuple[list[str], str | None]:
    """The words of the first command, and the text that stands for `-` if one is given behind `<<`.

    Raises CannotAdapt.
    """
    if len(text) > LONGEST:
        raise CannotAdapt(f"The command has more than {LONGEST} characters; paste one with a shorter body.")
    text = without_marks(text.encode(errors="replace").decode()).replace("\r\n", "\n").strip()
    text, here = _without_here(text)
    words: list[str] = []
    for word, bare in _words(_uncareted(text) if _CMD.search(text) else text):
        if bare and word in END:
            break
        words.append(word)
    return words, here


def _without_here(text: str) -> tuple[str, str | None]:
    """The command, and the lines behind `<<` if it reads them."""
    begin = _HERE.search(text) if "@-" in text else None
    end = re.compile(rf"(?:^|\n)[ \t]*{begin[2]}[ \t]*(?=\n|$)").search(text, begin.end()) if begin else None
    if begin is None or end is None:
        return text, None
    return f"{text[: begin.start()]} {text[end.end() :]}", text[begin.end() : end.start()]


def _uncareted(text: str) -> str:
    """A line of Windows' cmd as a POSIX shell would have it."""
    text = re.sub(r"\^\n(\n?)", r"\1", re.sub(r"\^[ \t]+\n", "^\n", text))
    if '^"' in text:
        text = re.sub(r"\^(.)", r"\1", text, flags=re.DOTALL)
    return _CMD_VARIABLE.sub(lambda match: variable(match[1]), text.replace("$", "\\$").replace("`", "\\`"))


def _words(text: str) -> Iterator[tuple[str, bool]]:
    """Each word, and whether it stood there without any quotes."""
    word, bare, place = "", True, 0
    begun = False
    while place < len(text):
        match = _PIECE.match(text, place)
        if match is None:
            raise CannotAdapt("A quote in the command is not closed; paste the whole command, to its last line.")
        place = match.end()
        if match["space"] is not None:
            if begun:
                yield word, bare
            word, bare, begun = "", True, False
            continue
        word, begun = word + _meant(match), True
        bare = bare and match["plain"] is not None
    if begun:
        yield word, bare


def _meant(match: re.Match[str]) -> str:
    if match["ansi"] is not None:
        said = _ESCAPE.sub(_unescaped, match["ansi"])
        return said.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if match["double"] is not None:
        return _IN_DOUBLE.sub(_in_double, match["double"])
    if name := match["braced"] or match["bare"]:
        return variable(name)
    return next(text for text in match.group("single", "escaped", "command", "plain") if text is not None)


def _in_double(match: re.Match[str]) -> str:
    name = match[2] or match[3]
    return variable(name) if name else match[1] or ""


def _unescaped(match: re.Match[str]) -> str:
    said = match[1]
    if said[0] in "uUx" and len(said) > 1:
        code = int(said[1:], 16)
        return chr(code) if code < 0x110000 else "\ufffd"
    return chr(int(said, 8) & 0xFF) if said[0] in "01234567" else ESCAPES.get(said, said)
