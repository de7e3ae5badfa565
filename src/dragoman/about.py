"""What chat interfaces like to know of a model: how much it takes, and what it can do."""

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from dragoman.abilities import ABILITIES, Ability, sensible
from dragoman.ground import Backend
from dragoman.routing.plan import Plan
from dragoman.wire.models import ModelAbout

PARAMETERS: dict[Ability, tuple[str, ...]] = {
    "tools": ("tools", "tool_choice", "parallel_tool_calls"),
    "json_object": ("response_format",),
    "json_schema": ("structured_outputs",),
    "stop": ("stop",),
    "max_tokens": ("max_tokens", "max_completion_tokens"),
    "logprobs": ("logprobs", "top_logprobs"),
    "web_search": ("web_search_options",),
}
"""The parameters that go with an ability, as model lists name them."""
SENSES: dict[Ability, str] = {"images": "image", "audio": "audio", "files": "file"}

Tokens = Annotated[int, Field(ge=1, le=10**9)]


class About(BaseModel):
    """What the models list tells of a model, beside its name."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    name: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    """What people call it."""
    description: Annotated[str, Field(max_length=2000)] | None = None
    """What it is good for."""
    context_length: Tokens | None = None
    """How many tokens a conversation may have, with its answer."""
    max_output: Tokens | None = None
    """How many tokens an answer may have."""

    def told(self, able: Collection[Ability]) -> ModelAbout:
        """The fields that interfaces read, for a model that is able to do so much."""
        told: ModelAbout = {
            "supported_parameters": [
                name for ability, names in PARAMETERS.items() if ability in able for name in names
            ],
            "architecture": {
                "input_modalities": ["text", *(sense for ability, sense in SENSES.items() if ability in able)],
                "output_modalities": ["text", *(["audio"] if "audio_output" in able else [])],
            },
            "abilities": [ability for ability in ABILITIES if ability in able],
        }
        if self.name is not None:
            told["name"] = self.name
        if self.description is not None:
            told["description"] = self.description
        if self.context_length is not None:
            told["context_length"] = told["max_model_len"] = self.context_length
        if self.max_output is not None:
            told["max_completion_tokens"] = self.max_output
        return told


def able(plan: Plan, backends: Mapping[str, Any]) -> frozenset[Ability]:
    """What a model can do: what one of its backends can, by itself or by emulation."""
    return frozenset(ability for leaf in plan.leaves for ability in _able(leaf, backends[leaf.backend or ""]))


def _able(leaf: Plan, backend: Backend) -> Iterator[Ability]:
    treatments = sensible(backend.under(leaf.supplied).treatments(backend.native))
    return (ability for ability in ABILITIES if treatments.get(ability) in ("native", "emulate"))
