"""A backend that answers from recorded exchanges, through the very mapping that the real one has."""

from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from pathlib import Path
from typing import Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict

from dragoman.call import Ability, Handler
from dragoman.errors import ConfigError
from dragoman.ground import Backend, Ground
from dragoman.reach import Reach
from dragoman.tape.replaying import Replay as Tape

Other = TypeVar("Other", bound=BaseModel)


class Replay(BaseModel, Generic[Other]):
    """`kind: replay`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    kind: Literal["replay"]
    files: Path
    """A recorded exchange, or a folder of them, as `dragoman serve --record` writes them."""
    paced: bool = False
    """Whether pieces of an answer come as slowly as they were recorded."""
    backend: Other
    """The backend whose exchanges they are."""

    @property
    def _other(self) -> Backend:
        other: object = self.backend
        return other  # type: ignore[return-value]

    @property
    def native(self) -> frozenset[Ability]:
        return self._other.native

    @property
    def pace(self) -> float | None:
        return self._other.pace

    def opened(self, ground: Ground) -> AbstractAsyncContextManager[Handler]:
        """The other's handler, with the recordings in place of the network. Raises ConfigError."""
        files = sorted(self.files.glob("*.yaml")) if self.files.is_dir() else [self.files]
        if not files:
            raise ConfigError(f"there are no recorded exchanges in {self.files}")
        return self._other.opened(replace(ground, tape=Tape(files, self.paced)))


def replaying(backend: Backend, files: Path) -> Backend:
    """The backend with recordings in its place, where it is one that can be recorded."""
    if not isinstance(backend, Reach):
        return backend
    return Replay.model_construct(kind="replay", files=files, paced=False, backend=backend)
