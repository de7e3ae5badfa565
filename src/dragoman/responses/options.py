"""What is kept of responses."""

from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from dragoman.units import Bytes, seconds


def _keep(given: Any) -> float:
    return 0.0 if given is False or given in (0, "0", "0s") else seconds(given)


class Keeping(BaseModel):
    """What is kept of responses, for `previous_response_id` and `GET /v1/responses/{id}`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    keep: Annotated[
        float,
        BeforeValidator(_keep),
        WithJsonSchema({"type": ["number", "string", "boolean"], "examples": ["30d", False]}),
    ] = 30 * 86400.0
    """For how long each is kept, unless its caller says `store: false`; `false` keeps none."""
    largest: Bytes = 1024 * 1024
    """What is larger, with what it was asked, is not kept."""
