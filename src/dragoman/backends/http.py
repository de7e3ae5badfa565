"""Any chat API over HTTP or WebSocket, described by request templates and paths into its answer."""

from contextlib import AbstractAsyncContextManager
from typing import Literal

from dragoman.call import Handler
from dragoman.ground import Ground
from dragoman.mapping.exchange import opened
from dragoman.mapping.mapped import Mapped


class HTTP(Mapped):
    """`kind: http`."""

    kind: Literal["http"]

    def opened(self, ground: Ground) -> AbstractAsyncContextManager[Handler]:
        """The handler, while the backend is open."""
        return opened(self, ground)
