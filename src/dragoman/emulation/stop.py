"""Stop words for a backend that has none: the answer ends before the first of them, however it comes in pieces."""

from collections.abc import AsyncIterator
from dataclasses import replace

from dragoman.call import Call, Chunk, Handler
from dragoman.mapping.variables import stops


class _Cutter:
    """Finds the stop word that is complete first, holding back only what could begin one."""

    def __init__(self, stops: list[str]) -> None:
        self._stops = stops
        self._reach = max(map(len, stops), default=1) - 1
        self.held = ""
        self.stopped: str | None = None
        """The stop word that was found."""

    def cut(self, text: str) -> str:
        """What may be said by now."""
        text = self.held + text
        found = [(place + len(stop), place, stop) for stop in self._stops if (place := text.find(stop)) >= 0]
        if found:
            _, place, self.stopped = min(found)
            self.held = ""
            return text[:place]
        begun = self._begun(text)
        self.held = text[begun:]
        return text[:begun]

    def _begun(self, text: str) -> int:
        """Where what could still become a stop word begins."""
        earliest = max(0, len(text) - self._reach)
        places = [self._begun_by(stop, text, max(earliest, len(text) - len(stop) + 1)) for stop in self._stops]
        return min(places, default=len(text))

    def _begun_by(self, stop: str, text: str, start: int) -> int:
        first = stop[0]
        while (start := text.find(first, start)) >= 0:
            if stop.startswith(text[start:]):
                return start
            start += 1
        return len(text)


def stopped(next: Handler) -> Handler:
    """Ends the answer before the first stop word, and then the backend's."""

    async def handle(call: Call) -> AsyncIterator[Chunk]:
        once = call.apart()
        cutter = _Cutter([stop for stop in stops(call.request) or () if stop])
        async for chunk in next(once):
            if chunk.text:
                chunk.text = cutter.cut(chunk.text)
                if cutter.stopped:
                    yield replace(chunk, finish="stop", tool_calls=None, stopped=cutter.stopped)
                    await once.open.aclose()
                    return
            if cutter.held and (chunk.finish or chunk.tool_calls):
                chunk.text, cutter.held = chunk.text + cutter.held, ""
            if chunk.says or chunk.about:
                yield chunk
        if cutter.held:
            yield Chunk(text=cutter.held)

    return handle
