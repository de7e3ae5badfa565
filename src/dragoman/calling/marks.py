"""The marks that models set around calls: `<tool_call>`, `<|python_tag|>`, `[TOOL_CALLS]`, code blocks."""

from enum import Enum, auto

import regex

MARK = regex.compile(
    r"<(?P<close>/?)(?P<bar>[|｜]?)(?:DSML[|｜]|\w{1,20}:)?(?P<word>[\w▁.\-\\]{1,80}+)"
    r"(?P<more>=[^<>]{0,200}+|\s[^<>]{0,1000}+)?(?P<end>(?<!\s)[/|｜]?)>"
)
"""A mark in angles."""
HEAD = regex.compile(r"<(?P<close>/?)(?P<word>[|｜\w▁.:\-\\]{1,100}+)")
"""How one begins."""
BRACKET = regex.compile(r"\[(?P<close>/|END_)?(?P<word>(?:TOOL|FUNCTION)_(?:CALLS?|REQUEST|RESULTS?)|ARGS|CALL_ID)\]")
CALLS = ("TOOL_CALLS", "TOOL_CALL", "TOOL_REQUEST", "FUNCTION_CALL", "FUNCTION_CALLS")
"""Words in brackets that a call follows."""
FENCE = regex.compile(r"(?:```+|~~~+)(?P<language>[\w+#.\-]{0,40}+)")

_ATTRIBUTE = regex.compile(r"([\w\-]+)\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'<>/]+))")
_NAMES = ("name", "tool", "function", "tool_name", "function_name")
_UNSPELLED = regex.compile(r"[-_ ▁\\]")


def folded(word: str) -> str:
    """The word without what models spell differently."""
    return _UNSPELLED.sub("", word.casefold())


class Kind(Enum):
    """What a mark means."""

    CALL = auto()
    """A call begins, or several."""
    LIKELY = auto()
    """The same, if what follows looks like one."""
    BETWEEN = auto()
    """It stands around a call's arguments, or between its name and them."""
    NAME = auto()
    PARAMETER = auto()
    KEY = auto()
    """The name of an argument, whose value comes in a mark of its own."""
    RESULT = auto()
    """What a call gave."""
    END = auto()
    """A call ends, or a message."""
    OTHER = auto()


_WORDS = {
    Kind.CALL: """toolcall toolcalls functioncall functioncalls tooluse tooluses usetool invoke toolcallbegin
        toolcallstart toolcallsbegin toolcallsstart toolcallssectionbegin toolcallsectionbegin pythontag pythonstart
        toolcode toolsprefix startfunctioncall actionstart startaction""",
    Kind.LIKELY: "tool tools function functions",
    Kind.BETWEEN: """toolsep toolcallargumentbegin toolcallargumentsbegin arguments parameters params args input kwargs
        toolinput constrain message plugin json""",
    Kind.NAME: "name toolname functionname",
    Kind.PARAMETER: "parameter param arg argument argvalue",
    Kind.KEY: "argkey",
    Kind.RESULT: """toolresult toolresults toolresponse toolresponses functionresult functionresults functionresponse
        tooloutput tooloutputs tooloutputbegin tooloutputsbegin startfunctionresponse observation observations""",
    Kind.END: """toolcallend toolcallsend toolcallssectionend toolcallsectionend endfunctioncall actionend endaction
        pythonend toolssuffix botend""",
}
KINDS = {word: kind for kind, words in _WORDS.items() for word in words.split()}
AROUND = (Kind.BETWEEN, Kind.NAME, Kind.PARAMETER, Kind.KEY)
"""Marks that stand within a call."""
_BARRED = frozenset(("call", "end", "return", "eom", "eomid", "eot", "eotid", "imend", "endoftext"))
"""Words that end a message, between bars."""
LANGUAGES = {word: kind for word, kind in KINDS.items() if kind in (Kind.CALL, Kind.LIKELY)} | {
    "action": Kind.LIKELY,
}
"""What a code block holds, by its language."""


def begun(head: regex.Match[str]) -> tuple[Kind, str]:
    """What a mark that begins so means, and its word."""
    bars = head["word"].strip("|｜")
    word = bars.replace("DSML｜", "").replace("DSML|", "").rpartition(":")[2]
    return _kind(word, "|" in head["word"] or "｜" in head["word"], bool(head["close"])), word


def meant(mark: regex.Match[str]) -> Kind:
    """What a mark means, whether it opens or closes something."""
    bar = bool(mark["bar"]) or mark["end"] in ("|", "｜")
    return _kind(mark["word"], bar, closes(mark))


def closes(mark: regex.Match[str]) -> bool:
    """Whether it closes what another of its word has opened; one that has a bar only at its end does."""
    return bool(mark["close"]) or (mark["end"] in ("|", "｜") and not mark["bar"])


def _kind(word: str, bar: bool, close: bool) -> Kind:
    kind = KINDS.get(folded(word), Kind.OTHER)
    if bar and folded(word) in _BARRED:
        return Kind.END
    return Kind.END if close and kind is not Kind.OTHER else kind


def attributes(mark: regex.Match[str]) -> dict[str, str]:
    """The attributes of a mark, as text."""
    found = _ATTRIBUTE.findall(mark["more"] or "")
    return {key: double or single or bare for key, double, single, bare in found}


def name(mark: regex.Match[str]) -> str | None:
    """What a mark names: `<function=name>`, `<invoke name="name">`."""
    more = mark["more"] or ""
    if more.startswith("="):
        return more[1:].strip(" \t\r\n\"'/")
    given = attributes(mark)
    return next((given[key] for key in _NAMES if key in given), None)
