"""What a backend can be told about its guard."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from dragoman.units import Seconds


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Concurrency(_Options):
    """How many calls a backend takes at once."""

    limit: Annotated[int, Field(ge=1)] = 1000
    """Calls that may be open at once."""
    queue: Annotated[int, Field(ge=0)] = 0
    """Calls that may wait for a place; one more is answered 503 at once."""
    wait: Seconds = 5.0
    """How long a call waits at most; one that would not get its turn in time is answered 503 at once."""
    adaptive: bool = False
    """Find a lower limit by how the time to the first byte grows."""


class Breaking(_Options):
    """When a backend is left alone for a while. It opens after five failures in a row, too."""

    calls: Annotated[int, Field(ge=1)] = 10
    """So many calls are seen before their share of failures counts."""
    failures: Annotated[float, Field(gt=0, le=1)] = 0.5
    """The share of failed calls that opens it."""
    window: Seconds = 10.0
    """How far back calls count."""
    slow: Seconds | None = None
    """An answer that begins later counts as a failure."""
    open: Seconds = 1.0
    """How long the backend is left alone at first; twice as long each time that it then fails again."""
    longest: Seconds = 60.0
    """How long it is left alone at most."""
    shared: bool = False
    """Tell other processes through `redis`."""


def _limit(value: Any) -> Any:
    return {"limit": value} if isinstance(value, int) and not isinstance(value, bool) else value


class Guarded(_Options):
    """What every backend can be told about its guard."""

    concurrency: Annotated[Concurrency, BeforeValidator(_limit, json_schema_input_type=Concurrency | int)] = (
        Concurrency()
    )
    """Calls that may be open at once, as a number, or with the queue before it."""
    breaker: Breaking | Literal[False] = Breaking()
    """When it is left alone for a while; `off` for never."""
