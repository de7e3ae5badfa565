"""A backend that answers from recorded exchanges, through the very mapping that the real one has."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from dragoman.abilities import Ability, Supplied
from dragoman.call import Handler
from dragoman.errors import ConfigError
from dragoman.ground import Backend, Ground
from dragoman.guard.options import Guarded
from dragoman.reach import Reach
from dragoman.tape.replaying import Replay


class Replayed(Guarded):
    """`kind: replay`, but for the kinds that `backend` may be of, which are its siblings."""

    kind: Literal["replay"]
    files: Path
    """A recorded exchange, or a folder of them, as `dragoman serve --record` writes them."""
    paced: bool = False
    """Whether pieces of an answer come as slowly as they were recorded."""
    backend: Any
    """The backend whose exchanges they are."""

    @property
    def native(self) -> frozenset[Ability]:
        native: frozenset[Ability] = self.backend.native
        return native

    @property
    def pace(self) -> float | None:
        pace: float | None = self.backend.pace
        return pace

    @property
    def limit(self) -> float:
        limit: float = self.backend.limit
        return limit

    def under(self, model: Supplied) -> Supplied:
        """How what the other lacks is supplied."""
        under: Supplied = self.backend.under(model)
        return under

    def opened(self, ground: Ground) -> AbstractAsyncContextManager[Handler]:
        """The other's handler, with the recordings in place of the network. Raises ConfigError."""
        files = sorted(self.files.glob("*.yaml")) if self.files.is_dir() else [self.files]
        if not files:
            raise ConfigError(f"there are no recorded exchanges in {self.files}")
        opened: AbstractAsyncContextManager[Handler] = self.backend.opened(
            replace(ground, tape=Replay(files, self.paced))
        )
        return opened


def replaying(backend: Backend, files: Path) -> Backend:
    """The backend with recordings in its place, where it is one that can be recorded."""
    if not isinstance(backend, Reach):
        return backend
    return Replayed.model_construct(kind="replay", files=files, paced=False, backend=backend)
