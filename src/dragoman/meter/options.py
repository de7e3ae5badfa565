"""How limits and usage are kept."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from dragoman.units import Count, Seconds


class Limiting(BaseModel):
    """How limits are kept."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    when_store_is_down: Literal["allow", "refuse", "local"] = "local"
    """While Redis is down: calls are not limited, are answered 503, or each process limits by itself."""
    failed_logins: Annotated[int, Field(ge=1, le=10**6)] = 30
    """Attempts without a valid key that one address may make in a minute; further ones are answered 429."""


class Usage(BaseModel):
    """What is kept of calls."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    keep: Seconds = 90 * 86400.0
    """For how long single calls are kept; sums per day stay for good."""
    queue: Annotated[Count, Field(ge=1, le=10**7)] = 100_000
    """Calls that wait to be written, while the store is down; further ones are counted as dropped."""
