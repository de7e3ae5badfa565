"""What a backend cannot do, made from what it can."""

from dragoman.call import Handler
from dragoman.emulation.stream import streamed
from dragoman.ground import Backend

__all__ = ["completed"]


def completed(handler: Handler, backend: Backend) -> Handler:
    """The backend's handler with what it lacks added; what is native costs nothing."""
    cut = "stream" not in backend.native
    return streamed(backend.pace, cut)(handler) if cut or backend.pace else handler
