"""Cuts a backend's stream of bytes into events, however the bytes were sliced on their way."""

from typing import Protocol

from dragoman.errors import UpstreamTooLarge

MAX_EVENT = 1024 * 1024
MAX_EVENTS = 100_000

END = b"[DONE]"
"""The event by which OpenAI's streams say that they are whole; others say it too."""
BOM = b"\xef\xbb\xbf"


class Framing(Protocol):
    """Takes bytes as they come and gives the events that are complete."""

    def feed(self, piece: bytes) -> list[bytes]:
        """The events that this piece completes. Raises UpstreamTooLarge."""
        ...

    def rest(self) -> list[bytes]:
        """The event that the end of the stream completes, if there is one."""
        ...


class _Cut:
    """Splits at an end mark; line ends of all kinds are one kind, and a byte order mark is dropped."""

    def __init__(self, end: bytes) -> None:
        self._end = end
        self._held = bytearray()
        self._after_return = False
        self._at_start = True
        self._count = 0

    def feed(self, piece: bytes) -> list[bytes]:
        if self._after_return and piece:
            self._after_return = False
            piece = piece.removeprefix(b"\n")
        if b"\r" in piece:
            self._after_return = piece.endswith(b"\r")
            piece = piece.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        return self._split(piece)

    def _split(self, piece: bytes) -> list[bytes]:
        held = self._held
        searched = max(0, len(held) - len(self._end) + 1)
        held += piece
        if self._at_start:
            if len(held) < len(BOM) and BOM.startswith(bytes(held)):
                return []
            self._at_start = False
            if held.startswith(BOM):
                del held[: len(BOM)]
        events: list[bytes] = []
        if held.find(self._end, searched) >= 0:
            *events, rest = bytes(held).split(self._end)
            self._held = bytearray(rest)
        if len(self._held) > MAX_EVENT:
            raise UpstreamTooLarge(detail=f"an event of more than {MAX_EVENT} bytes")
        return self.counted(events)

    @property
    def empty(self) -> bool:
        """Whether no part of an event is held."""
        return not self._held

    def passed(self, events: list[bytes]) -> list[bytes]:
        """Events that were found without it. Raises UpstreamTooLarge."""
        self._at_start = self._after_return = False
        return self.counted(events)

    def counted(self, events: list[bytes]) -> list[bytes]:
        """The events, if they are neither too long nor too many. Raises UpstreamTooLarge."""
        self._count += len(events)
        if self._count > MAX_EVENTS:
            raise UpstreamTooLarge(detail=f"more than {MAX_EVENTS} events")
        if events and max(map(len, events)) > MAX_EVENT:
            raise UpstreamTooLarge(detail=f"an event of more than {MAX_EVENT} bytes")
        return events

    def rest(self) -> list[bytes]:
        held, self._held = bytes(self._held), bytearray()
        return [held] if held else []


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


def _data(block: bytes) -> bytes:
    if block.startswith(b"data: ") and b"\n" not in block:
        return block[6:]
    lines = [line[5:].removeprefix(b" ") for line in block.split(b"\n") if line.startswith(b"data:")]
    return b"\n".join(lines)


class NDJSON:
    """A JSON value a line."""

    def __init__(self) -> None:
        self._cut = _Cut(b"\n")

    def feed(self, piece: bytes) -> list[bytes]:
        return [line for line in self._cut.feed(piece) if line.strip()]

    def rest(self) -> list[bytes]:
        return [line for line in self._cut.rest() if line.strip()]
