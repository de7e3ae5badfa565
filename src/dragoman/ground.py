"""Backends, and the ground that they stand on."""

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from dragoman.abilities import Ability, Supplied
from dragoman.call import Handler
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
