"""Where an answer comes from: one kind per file, each with its own options."""

from typing import Annotated

from pydantic import Field

from dragoman.backends.demo import Demo
from dragoman.backends.http import HTTP
from dragoman.backends.openai import OpenAI
from dragoman.backends.python import Python
from dragoman.backends.replay import Replayed

__all__ = ["BackendOptions", "Demo"]

Recordable = Annotated[HTTP | OpenAI, Field(discriminator="kind")]


class Replay(Replayed):
    """`kind: replay`."""

    backend: Recordable
    """The backend whose exchanges they are."""


BackendOptions = Annotated[HTTP | OpenAI | Python | Demo | Replay, Field(discriminator="kind")]
