"""Cuts a backend's stream of bytes into events, however the bytes were sliced on their way."""

import re
from typing import Protocol

from dragoman.errors import UpstreamTooLarge

MAX_EVENT = 1024 * 1024
MAX_EVENTS = 100_000

END = b"[DONE]"
"""The event by which OpenAI's streams say that they are whole; others say it too."""
BOM = b"\xef\xbb\xbf"
UNNAMED = b"message"
"""What an event is called that has no name."""

# each goes as far as it can and never back
_BETWEEN = re.compile(rb"[\s,\]]*+")
_BARE = re.compile(rb'[^\s,"{}\[\]]*+')
_QUOTED = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_TO_BRACKET = re.compile(rb'[^"{}\[\]]*+(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"[^"{}\[\]]*+)*+', re.DOTALL)


class Framing(Protocol):
    """Takes bytes as they come and gives the events that are complete."""

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that this piece completes. Raises UpstreamTooLarge."""
        ...

    def rest(self) -> list[bytes]:
        """The event that the end of the stream completes, if there is one."""
        ...


class _Held:
    """Bytes that wait for more, within bounds; a byte order mark is dropped."""

    def __init__(self) -> None:
        self._held = bytearray()
        self._at_start = True
        self._count = 0

    def _hold(self, piece: bytes) -> bool:
        """Whether what is held can be read: it cannot while it may begin a byte order mark."""
        held = self._held
        held += piece
        if self._at_start:
            if len(held) < len(BOM) and BOM.startswith(bytes(held)):
                return False
            self._at_start = False
            if held.startswith(BOM):
                del held[: len(BOM)]
        return True

    def _bounded(self) -> None:
        if len(self._held) > MAX_EVENT:
            raise UpstreamTooLarge(detail=f"an event of more than {MAX_EVENT} bytes")

    def counted(self, events: list[bytes]) -> list[bytes]:
        """The events, if they are neither too long nor too many. Raises UpstreamTooLarge."""
        self._count += len(events)
        if self._count > MAX_EVENTS:
            raise UpstreamTooLarge(detail=f"more than {MAX_EVENTS} events")
        if events and max(map(len, events)) > MAX_EVENT:
            raise UpstreamTooLarge(detail=f"an event of more than {MAX_EVENT} bytes")
        return events

    def rest(self) -> list[bytes]:
        """What is still held."""
        held, self._held = bytes(self._held), bytearray()
        return [held] if held else []


class _Cut(_Held):
    """Splits at an end mark; line ends of all kinds are one kind."""

    def __init__(self, end: bytes) -> None:
        super().__init__()
        self._end = end
        self._after_return = False

    def feed(self, piece: bytes) -> list[bytes]:
        if self._after_return and piece:
            self._after_return = False
            piece = piece.removeprefix(b"\n")
        if b"\r" in piece:
            self._after_return = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return self._split(piece)

    def _split(self, piece: bytes) -> list[bytes]:
        if not self._hold(piece):
            return []
        events: list[bytes] = []
        if self._held.find(self._end, max(0, len(self._held) - len(piece) - len(self._end) + 1)) >= 0:
            *events, rest = bytes(self._held).split(self._end)
            self._held = bytearray(rest)
        self._bounded()
        return self.counted(events)

    @property
    def empty(self) -> bool:
        """Whether no part of an event is held."""
        return not self._held

    def passed(self, events: list[bytes]) -> list[bytes]:
        """Events that were found without it. Raises UpstreamTooLarge."""
        self._at_start = self._after_return = False
        return self.counted(events)


class SSE:
    """Server-sent events: the data of each (WHATWG HTML, server-sent events); events without data are none.

    An event that the stream's end cut off counts, for backends that forget the last blank line.
    """

    def __init__(self) -> None:
        self._cut = _Cut(b"\n\n")

    def feed(self, piece: bytes) -> list[bytes]:
        if piece.startswith(b"data: ") and piece.endswith(b"\n\n") and self._cut.empty:
            events = piece[6:-2].split(b"\n\ndata: ")
            if piece.count(b"\n") == 2 * len(events) and b"\r" not in piece and all(events):
                return self._cut.passed(events)
        return [data for block in self._cut.feed(piece) if (data := _data(block))]

    def rest(self) -> list[bytes]:
        return [data for block in self._cut.rest() if (data := _data(block))]


class NamedSSE:
    """Server-sent events as (name, data); one that has a name counts even without data, for some say `done` so."""

    def __init__(self) -> None:
        self._cut = _Cut(b"\n\n")

    def feed(self, piece: bytes) -> list[tuple[bytes, bytes]]:
        """The events that this piece completes. Raises UpstreamTooLarge."""
        return _named(self._cut.feed(piece))

    def rest(self) -> list[tuple[bytes, bytes]]:
        """The event that the end of the stream completes, if there is one."""
        return _named(self._cut.rest())


def _named(blocks: list[bytes]) -> list[tuple[bytes, bytes]]:
    events = ((_name(block), _data(block)) for block in blocks)
    return [(name or UNNAMED, data) for name, data in events if name or data]


def _name(block: bytes) -> bytes:
    names = _values(block, b"event:")
    return names[-1] if names else b""


def _data(block: bytes) -> bytes:
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    return b"\n".join(_values(block, b"data:"))


def _values(block: bytes, field: bytes) -> list[bytes]:
    return [line[len(field) :].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(field)]


class NDJSON:
    """A JSON value a line."""

    def __init__(self) -> None:
        self._cut = _Cut(b"\n")

    def feed(self, piece: bytes) -> list[bytes]:
        return [line for line in self._cut.feed(piece) if line.strip()]

    def rest(self) -> list[bytes]:
        return [line for line in self._cut.rest() if line.strip()]


class JSONArray(_Held):
    """The elements of a JSON array, or JSON values one after another, as soon as each is whole.

    Brackets are counted and not matched, and what is no JSON is an event as well: its reader will say so.
    """

    def __init__(self) -> None:
        super().__init__()
        self._read = 0
        """How much of what is held was read; nothing if it does not begin an element."""
        self._skipped = 0
        self._depth = 0
        self._quoted = self._within = False

    def feed(self, piece: bytes) -> list[bytes]:
        if not self._hold(piece):
            return []
        events = []
        while (self._read or self._begun()) and self._ended():
            events.append(bytes(self._held[: self._read]))
            del self._held[: self._read]
            self._read = self._skipped = 0
        self._bounded()
        return self.counted(events)

    def _begun(self) -> bool:
        """Drops what stands between elements; whether one begins after it."""
        held = self._held
        start = self._after_marks(0)
        while held[start : start + 1] == b"[" and not self._within:
            self._within = True
            start = self._after_marks(start + 1)
        del held[:start]
        self._skipped += start
        if self._skipped > MAX_EVENT:
            raise UpstreamTooLarge(detail=f"more than {MAX_EVENT} bytes between two events")
        if held:
            self._read = 1
            self._quoted = held.startswith(b'"')
            self._depth = int(held.startswith((b"{", b"[")))
        return bool(held)

    def _after_marks(self, start: int) -> int:
        end = _end(_BETWEEN, self._held, start)
        if self._held.find(b"]", start, end) >= 0:
            self._within = False
        return end

    def _ended(self) -> bool:
        """Reads on; whether that was to the element's end."""
        held = self._held
        if not self._quoted and not self._depth:
            self._read = _end(_BARE, held, self._read)
            return self._read < len(held)
        while self._quoted or self._depth:
            self._read = _end(_QUOTED if self._quoted else _TO_BRACKET, held, self._read)
            mark = held[self._read : self._read + 1]
            if not mark or (self._quoted and mark != b'"'):
                return False
            self._read += 1
            if mark == b'"':
                self._quoted = not self._quoted
            else:
                self._depth += 1 if mark in b"{[" else -1
        return True


def _end(pattern: re.Pattern[bytes], held: bytearray, start: int) -> int:
    match = pattern.match(held, start)
    assert match, "each of the patterns matches nothing as well"
    return match.end()
