"""An answer that the caller has begun: what the backend repeats of it is taken out."""

from dragoman.call import Chunk


class Begun:
    """Reads an answer's chunks, holding back what may be a repetition of its beginning."""

    __slots__ = ("_beginning", "_held", "over")

    def __init__(self, beginning: str) -> None:
        self._beginning, self._held = beginning, ""
        self.over = not beginning
        """Whether all that is left passes."""

    def read(self, chunk: Chunk) -> None:
        """Leaves in the chunk what may be told by now."""
        text = self._held + chunk.text
        if not text.startswith(self._beginning) and self._beginning.startswith(text) and not chunk.finish:
            self._held, chunk.text = text, ""
            return
        self.over = bool(text)
        self._held, chunk.text = "", text.removeprefix(self._beginning)
