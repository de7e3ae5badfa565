"""Backends, and the ground that they stand on."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from dragoman.abilities import Ability, Supplied
from dragoman.asked import Embed, Moderate
from dragoman.call import Call, Chunk, Handler
from dragoman.errors import Unable
from dragoman.storage import Memory
from dragoman.storage.memory import InProcess
from dragoman.tape import Tape


@dataclass(frozen=True, slots=True)
class Ground:
    """What the gateway gives to a backend that it opens."""

    name: str = "backend"
    """The backend's configured name."""
    memory: Memory = field(default_factory=InProcess)
    """What outlives a call, shared by all backends and, if it is outside, by all processes."""
    tape: Tape | None = None
    """Records what the backend is asked and answers, or answers in its place."""


def by_kind(chat: Handler | None, embeddings: Handler | None, moderations: Handler | None) -> Handler:
    """What answers for a backend: its handler for each kind of request that it takes."""

    def handle(call: Call) -> AsyncIterator[Chunk]:
        request = call.request
        handler = embeddings if isinstance(request, Embed) else moderations if isinstance(request, Moderate) else chat
        if handler is None:
            told = "This model's backend does not take such requests, although it is configured to be able to."
            raise Unable(told, param="model", code="unsupported_model")
        return handler(call)

    return handle


class Backend(Protocol):
    """A configuration that opens into a handler (and, as `Guarded`, says how that is guarded)."""

    @property
    def native(self) -> frozenset[Ability]:
        """What it can do by itself."""
        ...

    @property
    def pace(self) -> float | None:
        """How many pieces a second its streams show at most; None for as fast as they come."""
        ...

    @property
    def limit(self) -> float:
        """How many seconds a call may take in all."""
        ...

    def under(self, model: Supplied) -> Supplied:
        """How what it lacks is supplied, with what a model says over it."""
        ...

    def opened(self, ground: Ground) -> AbstractAsyncContextManager[Handler]:
        """The handler, for as long as it is open. Raises ConfigError when it cannot be opened."""
        ...
