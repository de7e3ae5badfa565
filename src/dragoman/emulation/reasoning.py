"""Reasoning that a backend writes into its text, between `<think>` and `</think>`."""

from collections.abc import AsyncIterator

from dragoman.call import Call, Chunk, Handler

OPEN, CLOSE = "<think>", "</think>"


class _Thinking:
    """Tells thoughts from text. Only what an answer begins with is taken for thoughts."""

    def __init__(self) -> None:
        self._held = ""
        self._tag: str | None = OPEN
        """The tag that is waited for; None once all is text."""
        self._blank = False
        """Whether blanks are still to be left out, before the thoughts or before the text."""

    def told(self, text: str) -> tuple[str, str]:
        """The thoughts and the text in another piece."""
        self._held += text
        if self._tag is OPEN:
            self._open()
        thoughts = self._thoughts() if self._tag is CLOSE else ""
        return thoughts, self._unblank(self._released(len(self._held))) if self._tag is None else ""

    def rest(self) -> tuple[str, str]:
        """What is held when nothing more comes."""
        held = self._released(len(self._held))
        return (held, "") if self._tag is CLOSE else ("", held)

    def _open(self) -> None:
        begun = self._held.lstrip()
        if begun.startswith(OPEN):
            self._tag, self._held, self._blank = CLOSE, begun[len(OPEN) :], True
        elif not OPEN.startswith(begun):
            self._tag = None

    def _thoughts(self) -> str:
        """The thoughts so far, without what could begin the closing tag."""
        place = self._held.find(CLOSE)
        if place < 0:
            kept = next(size for size in range(len(CLOSE) - 1, -1, -1) if self._held.endswith(CLOSE[:size]))
            return self._unblank(self._released(len(self._held) - kept))
        thoughts = self._unblank(self._released(place))
        self._tag, self._held, self._blank = None, self._held[len(CLOSE) :], True
        return thoughts

    def _released(self, size: int) -> str:
        text, self._held = self._held[:size], self._held[size:]
        return text

    def _unblank(self, text: str) -> str:
        text = text.lstrip() if self._blank else text
        self._blank = self._blank and not text
        return text


def thought(next: Handler) -> Handler:
    """Gives what stands between the tags as `reasoning_content`."""

    async def handle(call: Call) -> AsyncIterator[Chunk]:
        thinking = _Thinking()
        async for chunk in next(call):
            thoughts, text = thinking.told(chunk.text) if chunk.text else ("", "")
            if chunk.finish:
                more = thinking.rest()
                thoughts, text = thoughts + more[0], text + more[1]
            chunk.text = text
            if thoughts:
                chunk.delta = {**(chunk.delta or {}), "reasoning_content": thoughts}
            if chunk.says or chunk.about:
                yield chunk

    return handle
