"""What the requests of every dialect are made of: objects that stay as they came, texts and numbers within bounds.

Tags that begin with `~` name a branch of a union; they never appear in a caller's error.
"""

import re
from collections.abc import Set
from typing import Annotated, Any, NotRequired

from pydantic import (
    AfterValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from typing_extensions import TypedDict

LENIENT = ConfigDict(extra="allow", strict=True)

_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def without_controls(value: str) -> str:
    """The text, which has no control characters. Raises ValueError."""
    if _CONTROLS.search(value):
        raise ValueError("must not contain control characters")
    return value


def _as_given(value: Any, check: ValidatorFunctionWrapHandler) -> Any:
    check(value)
    return value


AsGiven = WrapValidator(_as_given)
"""A number that stays the one that was sent: 0 does not become 0.0 on its way to the backend."""
ToolName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")]
Printable = Annotated[str, Field(min_length=1, max_length=256), AfterValidator(without_controls)]
MetadataKey = Annotated[str, Field(max_length=64), AfterValidator(without_controls)]
Metadata = Annotated[dict[MetadataKey, Annotated[str, Field(max_length=512)]], Field(max_length=16)]
User = Annotated[str, Field(max_length=512), AfterValidator(without_controls)]
Temperature = Annotated[float, Field(ge=0, le=2), AsGiven]
TopP = Annotated[float, Field(ge=0, le=1), AsGiven]
Penalty = Annotated[float, Field(ge=-2, le=2), AsGiven]
LogitBias = Annotated[dict[str, Annotated[int, Field(ge=-100, le=100)]], Field(max_length=1024)]
Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]


def _one_or_many(value: Any) -> str | None:
    return "~one" if isinstance(value, str) else "~many" if isinstance(value, list) else None


Stop = Annotated[
    Annotated[str, Tag("~one")] | Annotated[list[str], Field(min_length=1, max_length=4), Tag("~many")],
    Discriminator(_one_or_many, custom_error_type="needs_stop", custom_error_message="a string or an array of strings"),
]


class StreamOptions(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    include_usage: NotRequired[bool | None]
    include_obfuscation: NotRequired[bool | None]


class Other(TypedDict):
    """A kind of thing newer than this server: kept as it came."""

    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: str


def tagged_by_type(known: Set[str]) -> Discriminator:
    """Chooses a union's branch by the `type` of what is there: `~other` unless it is one of the known."""

    def tag(value: Any) -> str | None:
        kind = value.get("type") if isinstance(value, dict) else None
        if not isinstance(kind, str):
            return None
        return f"~{kind}" if kind in known else "~other"

    return Discriminator(tag, custom_error_type="needs_type", custom_error_message="an object with a 'type'")
