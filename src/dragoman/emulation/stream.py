"""A stream for a backend that has none: its text in pieces the size of tokens, shown at a pace if wanted."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import regex

from dragoman.call import Call, Chunk, Handler, Middleware

LONGEST = 16
"""Graphemes in a piece at most."""

_ASCII = re.compile(rf"\s*[^\s]{{1,{LONGEST}}}|\s+")
_ANY = regex.compile(
    r"\s*(?:"
    r"(?=[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}])\X"
    rf"|(?:(?![\s\p{{Han}}\p{{Hiragana}}\p{{Katakana}}\p{{Thai}}\p{{Lao}}\p{{Khmer}}\p{{Myanmar}}])\X){{1,{LONGEST}}}"
    r")|\s+|\X"
)


def pieces(text: str) -> Iterator[str]:
    """The text in pieces: words with the spaces before them, single signs where words have no spaces.

    Joined they are the text; none begins or ends inside a grapheme.
    """
    pattern = _ASCII if text.isascii() else _ANY
    return (match[0] for match in pattern.finditer(text))


def streamed(pace: float | None, cut: bool) -> Middleware:
    """Cuts the text of streamed calls if `cut`; with a pace, shows at most so many pieces a second."""
    pause = 1 / pace if pace else 0.0

    def around(next: Handler) -> Handler:
        async def handle(call: Call) -> AsyncIterator[Chunk]:
            chunks = next(call)
            if not call.request.stream:
                async for chunk in chunks:
                    yield chunk
                return
            async for chunk in chunks:
                for piece in _cut(chunk) if cut else (chunk,):
                    yield piece
                    if pause:
                        await asyncio.sleep(pause)

        return handle

    return around


def _cut(chunk: Chunk) -> Iterator[Chunk]:
    """The chunk as several: what it says beside the text stays with the last of them, facts about it with the first."""
    about = chunk.about
    *texts, last = list(pieces(chunk.text)) or [""]
    for text in texts:
        yield Chunk(text=text, index=chunk.index, about=about)
        about = None
    yield replace(chunk, text=last, about=about)
