"""Text between calls: passed on as it comes, up to where a call may begin."""

import re
from enum import Enum, auto

import regex

from dragoman.calling import blocks, messages, steps
from dragoman.calling.marks import BRACKET, CALLS, FENCE, HEAD, Kind, begun, folded
from dragoman.calling.script import Reading
from dragoman.calling.talk import Talk, Trust

BLANKS_HELD = 2_000
"""Blanks that are held back at most, because they are no text if a call follows."""

MAY_BEGIN = re.compile(r"[<\[`~\n]|\s\Z")
"""What is in a text that cannot just be passed on within a line."""
_BLANKS = re.compile(r"\s++")
_PLAIN = re.compile(r"[^\s<\[`~]++(?:[^\S\n]++[^\s<\[`~]++)*+|.", re.DOTALL)
_WORD = re.compile(r"[*✿>\w.\-]{1,200}+")
_RESULT = regex.compile(r"\*{0,2}+Observation\*{0,2}+[ \t]{0,9}+:|✿RESULT✿", regex.IGNORECASE)
_LIST = regex.compile(r"\[\s{0,99}+(?:\{|[A-Za-z_][\w.\-]{0,160}+\s{0,9}+[(=])")
"""How a list of calls begins."""

_OBJECT = regex.compile(r"""\{\s{0,99}+["'“A-Za-z_}]""")
_DATA = regex.compile(r'\{\s{0,200}+"|\[\s{0,200}+["{\[\d]')
"""How JSON begins."""
_BETWEEN = re.compile(r"[\s,:.+\-\w]++")
_TEXT = re.compile(r'(?:[^"\\\n]|\\[^\n])++')
_ANY = re.compile(".", re.DOTALL)

THOUGHTS = ("think", "thinking", "thought", "reasoning")
"""Words of marks that thoughts stand in."""
THOUGHT_END = regex.compile(rf"</(?:{'|'.join(THOUGHTS)})>")
LONGEST_THOUGHT = 100_000
"""Characters of a thought that are read for calls if it never ends."""


class Begin(Enum):
    """What may begin at a place in a text."""

    CALL = auto()
    MESSAGE = auto()
    STEP = auto()
    SPOKEN = auto()
    THOUGHT = auto()
    RESULT = auto()
    """What a call gave, by the model's own account."""


class Prose:
    """Passes text on. Blanks wait for what follows them: next to a call they are no text."""

    def __init__(self, talk: Talk) -> None:
        self.within_line = False
        """Whether what comes may just be passed on if it holds nothing of what may begin a call."""
        self._talk, self._script = talk, talk.script
        self._blanks = ""
        self._fresh = True
        """Whether nothing was said yet."""
        self.starts = True
        """Whether a line begins here, or the text after a call."""
        self.thinks = True
        """Whether thoughts are told from what is said."""
        self.code = ""
        """What ends the code block that we are in, where only what is clearly marked is a call."""

    def read(self) -> Reading[Begin | None]:
        """Passes text on up to where something may begin; None at the end."""
        script = self._script
        while True:
            if script.at < script.stop:
                blanks = _BLANKS.match(script.text, script.at)
                if blanks:
                    self._hold(blanks[0])
                elif begin := (yield from self._tried(script.text[script.at])):
                    return begin
                elif script.at < script.stop:
                    self._say(_PLAIN)
            elif script.ended:
                self._talk.report.said(self._blanks)
                return None
            else:
                self.within_line = not (self._blanks or self.starts)
                yield from script.more()
                self.within_line = False

    def thought(self) -> Reading[None]:
        """Passes on what the model thinks, where calls are none; unless it never says that it is done."""
        script, kept, self.thinks = self._script, list[str](), False
        room = LONGEST_THOUGHT

        def take(text: str) -> None:
            nonlocal room
            self._said(text)
            kept.append(text[:room])
            room -= len(kept[-1])

        if (yield from script.until(THOUGHT_END, take)):
            self._say(THOUGHT_END)
            self.thinks = True
        else:
            script.back("".join(kept))
            self._talk.report.muted = self.starts = True

    def called(self) -> None:
        """There was a call, so that the blanks before it are no text."""
        self._blanks, self.starts = "", True

    def otherwise(self) -> Reading[None]:
        """What may have begun there is text."""
        script, sign = self._script, self._script.text[self._script.at]
        if sign in "`~" and self.starts and (fence := (yield from script.match(FENCE))):
            self.code = fence[0].removesuffix(fence["language"])
            self._say(FENCE)
        elif sign in "{[" and self.starts:
            yield from self._data()
        else:
            self._say(_ANY)

    def _hold(self, blanks: str) -> None:
        held = self._blanks + blanks
        self._talk.report.said(held[:-BLANKS_HELD])
        self._blanks = held[-BLANKS_HELD:]
        self._script.at += len(blanks)
        self.starts = self.starts or "\n" in blanks

    def _say(self, pattern: re.Pattern[str] | regex.Pattern[str]) -> None:
        match = pattern.match(self._script.text, self._script.at)
        said = match[0] if match else ""
        self._script.at += len(said)
        self._said(said)

    def _said(self, text: str) -> None:
        self._talk.report.said(self._blanks + text)
        self._talk.trust = Trust.BARE
        self._fresh = False
        self._blanks, self.starts = "", False

    def _tried(self, sign: str) -> Reading[Begin | None]:
        """What may begin here, if it is worth trying."""
        return (yield from self._begins(sign)) if self._talk.tries(sign in "<[`~") else None

    def _begins(self, sign: str) -> Reading[Begin | None]:
        if sign == "<":
            return (yield from self._mark())
        if sign in "`~":
            return (yield from self._fence())
        if sign == "[" and (bracket := (yield from self._script.match(BRACKET))):
            if bracket["close"]:
                return None
            results = "_RESULT" in bracket["word"] and self._talk.report.calls
            return Begin.RESULT if results else Begin.CALL if bracket["word"] in CALLS else None
        if not self.starts or self.code:
            return None
        if self._fresh and (yield from self._script.match(messages.STRIPPED)):
            return Begin.SPOKEN
        if sign == "[":
            return Begin.CALL if (yield from self._script.match(_LIST)) else None
        if sign == "{":
            return Begin.CALL if (yield from self._script.match(_OBJECT)) else None
        return (yield from self._word())

    def _mark(self) -> Reading[Begin | None]:
        head = yield from self._script.match(HEAD)
        if not head:
            return None
        kind, word = begun(head)
        barred = head["word"][0] in "|｜" and not head["close"]
        calls = self._talk.report.calls
        if calls and (kind is Kind.RESULT or (barred and folded(word) == "imstart")):
            return Begin.RESULT
        if barred and (word in ("start", "channel", "assistant") or (kind is Kind.END and self._talk.messages)):
            return Begin.MESSAGE
        if kind is Kind.CALL:
            return Begin.CALL
        if self.starts and self.thinks and not self.code and not head["close"] and word in THOUGHTS:
            return Begin.THOUGHT
        known = not head["close"] and self._talk.tools.known(word)
        return Begin.CALL if not self.code and (kind is Kind.LIKELY or known) else None

    def _fence(self) -> Reading[Begin | None]:
        fence = yield from self._script.match(FENCE)
        if not fence:
            return None
        if not self.code and not (self._talk.fenced and self.starts):
            return Begin.CALL
        if self.starts and not fence["language"] and fence[0].startswith(self.code):
            self.code = ""
            if self._talk.fenced:
                self._script.at = fence.end()
                self._talk.fenced = False
            else:
                self._say(FENCE)
        return None

    def _word(self) -> Reading[Begin | None]:
        script, tools = self._script, self._talk.tools
        while word := _WORD.match(script.text, script.at, script.stop):
            if word.end() < script.stop or script.final:
                return (yield from self._line(word[0], script.text[word.end() : word.end() + 1]))
            if not tools.begins(word[0]):
                return None
            yield from script.more()
        return None

    def _line(self, word: str, sign: str) -> Reading[Begin | None]:
        """What may begin with the first word of a line, and the sign after it."""
        plain = word.strip("*✿").casefold()
        if plain in ("observation", "result") and self._talk.report.calls:
            return Begin.RESULT if (yield from self._script.match(_RESULT)) else None
        if plain in steps.LABELS or plain.startswith(">>>"):
            return Begin.STEP
        if plain in ("commentary", "assistantcommentary"):
            return Begin.SPOKEN
        if plain == "functools" or (plain == "print" and sign == "("):
            return Begin.CALL
        if self._talk.tools.known(word) is None:
            return None
        return Begin.CALL if sign == "(" or (yield from self._script.match(blocks.NAMED_OBJECT)) else None

    def _data(self) -> Reading[None]:
        """Passes JSON on that is no call, nor holds any; as far as it looks like JSON."""
        script, depth = self._script, 0
        if not (yield from script.match(_DATA)):
            self._say(_ANY)
            return
        while sign := (yield from script.peek()):
            if sign in "{}[]":
                depth += 1 if sign in "{[" else -1
                self._say(_ANY)
            elif not (yield from self._text() if sign == '"' else self._run(_BETWEEN)):
                return
            if depth <= 0:
                return

    def _text(self) -> Reading[bool]:
        """A text in JSON; whether it is one."""
        self._say(_ANY)
        while (sign := (yield from self._script.peek())) and sign != '"':
            if not (yield from self._run(_TEXT)):
                return False
        self._say(_ANY)
        return bool(sign)

    def _run(self, pattern: re.Pattern[str]) -> Reading[bool]:
        """What the pattern matches; whether there was any."""
        script = self._script
        if script.text.endswith("\\") and script.at == script.stop - 1 and not script.final:
            yield from script.more()
        match = pattern.match(script.text, script.at)
        if match:
            self._say(pattern)
        return match is not None
