"""What OpenAI's API can do that a backend may not, and what a configuration says is done about it."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dragoman.asked import TOKENS, Embed, Moderate, Texts
from dragoman.counting import TokenOptions
from dragoman.templates import speaking_of
from dragoman.wire.chat import ChatRequest, PartType

Ability = Literal[
    "stream",
    "n",
    "stop",
    "max_tokens",
    "usage",
    "tools",
    "functions",
    "json_object",
    "json_schema",
    "system",
    "developer",
    "history",
    "images",
    "audio",
    "files",
    "logprobs",
    "audio_output",
    "prediction",
    "web_search",
    "reasoning",
    "token_prompts",
    "chat",
    "embeddings",
    "dimensions",
    "token_inputs",
    "moderations",
]
"""What OpenAI can do that a backend may not."""

ABILITIES: tuple[Ability, ...] = get_args(Ability)

Treatment = Literal["native", "emulate", "reject", "ignore"]

KINDS: frozenset[Ability] = frozenset({"chat", "embeddings", "moderations"})
"""What a model is asked for at all; a backend has each, or not."""
OF_EMBEDDINGS: frozenset[Ability] = frozenset({"dimensions", "token_inputs"})
"""What only makes sense with embeddings."""
OF_TEXTS: frozenset[Ability] = KINDS | OF_EMBEDDINGS | {"usage"}
"""What requests about texts can ask for; all else is asked for in chat."""

CANNOT_BE_MADE: frozenset[Ability] = KINDS | {
    *("images", "audio", "files", "logprobs", "audio_output", "prediction", "web_search")
}
"""What a backend has or has not."""

CANNOT_BE_IGNORED: frozenset[Ability] = KINDS | {"token_inputs", "token_prompts"}

UNSAID: dict[Ability, Treatment] = {
    **dict.fromkeys(ABILITIES, "emulate"),
    **dict.fromkeys(CANNOT_BE_MADE, "reject"),
    "history": "ignore",
}
"""What is done about an ability that a backend lacks, unless its configuration says otherwise."""

PARAMETERS: dict[Ability, tuple[str, ...]] = {
    "stream": ("stream",),
    "n": ("n",),
    "stop": ("stop",),
    "max_tokens": ("max_tokens", "max_completion_tokens"),
    "tools": ("tools", "tool_choice", "parallel_tool_calls"),
    "functions": ("functions", "function_call"),
    "json_object": ("response_format",),
    "json_schema": ("response_format",),
    "logprobs": ("logprobs", "top_logprobs"),
    "audio_output": ("audio", "modalities"),
    "prediction": ("prediction",),
    "web_search": ("web_search_options",),
    "dimensions": ("dimensions",),
    "token_inputs": (),
    **dict.fromkeys(KINDS, ("model",)),
}
"""The request's fields that ask for it; what is not here shows in the messages."""

PARTS: dict[Ability, PartType] = {"images": "image_url", "audio": "input_audio", "files": "file"}
"""The content parts that ask for it."""


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


Attempts = Annotated[int, Field(ge=1, le=5)]


class Tools(_Options):
    """How tool calls are made from text."""

    prompt: Annotated[str, speaking_of(frozenset({"tools", "choice", "parallel", "named"}))] | None = None
    """What the model is told, as a template: `tools` (each with `name`, `description`, `schema`, `kind`), `choice`
    (`auto` or `required`), `named` (the one tool that must be called) and `parallel` (whether it may make several)."""
    attempts: Attempts = 2
    """How often it is asked in all before a call that cannot be read, or is not valid, is an error."""


class JSON(_Options):
    """How structured output is made from text."""

    prompt: Annotated[str, speaking_of(frozenset({"schema", "name", "description"}))] | None = None
    """What the model is told, as a template: `schema` (undefined for `json_object`), its `name` and `description`."""
    attempts: Attempts = 2
    """How often it is asked in all before an answer that is not valid is an error."""


class Choices(_Options):
    """How several choices are made from one each."""

    limit: Annotated[int, Field(ge=1, le=128)] = 8
    """The largest `n`; each choice is a call of its own to the backend."""


class Emulation(_Options):
    """How what a backend lacks is made from what it has."""

    tools: Tools = Tools()
    json_: Annotated[JSON, Field(alias="json")] = JSON()
    n: Choices = Choices()


class Supplied(BaseModel):
    """What a backend, or one of its models, lacks, and how that is supplied."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    abilities: dict[Ability, Treatment] = {}
    """What is done about each: `native` (the backend does it), `emulate`, `reject` (422) or `ignore` (left out, and
    named in `x-dragoman-ignored`). What the mapping has a place for is native, the rest has sane defaults."""
    emulation: Emulation = Emulation()
    """How it is emulated."""
    reasoning: Literal["think-tags"] | None = None
    """`think-tags`: what stands between `<think>` and `</think>` is reasoning, not text."""
    tokens: TokenOptions = "estimate"
    """How tokens are counted that the backend does not count."""

    @model_validator(mode="after")
    def _can_be_supplied(self) -> Self:
        for ability, treatment in self.abilities.items():
            if treatment == "emulate" and ability in CANNOT_BE_MADE:
                raise ValueError(
                    f"`{ability}: emulate` is not possible, since it cannot be made from text; "
                    f"there are native{' and reject' if ability in KINDS else ', reject and ignore'}"
                )
            if treatment == "ignore" and ability in CANNOT_BE_IGNORED:
                raise ValueError(f"`{ability}: ignore` is not possible, since nothing would be left to ask")
        return self

    def under(self, model: "Supplied") -> "Supplied":
        """The same with what a model says over it."""
        given = {name: getattr(model, name) for name in Supplied.model_fields if name in model.model_fields_set}
        own = {name: getattr(self, name) for name in Supplied.model_fields}
        said = given.keys() | (self.model_fields_set & own.keys())
        abilities = {**self.abilities, **model.abilities}
        return Supplied.model_construct(_fields_set=set(said), **{**own, **given, "abilities": abilities})

    def treatments(self, native: Iterable[Ability]) -> dict[Ability, Treatment]:
        """What is done about each ability by a backend that has the `native` ones."""
        thoughts: Treatment = "emulate" if self.reasoning else "native"
        return {**UNSAID, **dict.fromkeys(native, "native"), "reasoning": thoughts, **self.abilities}


def sensible(treatments: dict[Ability, Treatment]) -> dict[Ability, Treatment]:
    """Without what only makes sense with a kind of request that the backend does not take at all."""

    taken = set[Ability](KINDS | {"usage"})
    if treatments["embeddings"] == "native":
        taken |= OF_EMBEDDINGS
    if treatments["chat"] == "native":
        taken.update(ability for ability in ABILITIES if ability not in OF_TEXTS)
    return {ability: treatment for ability, treatment in treatments.items() if ability in taken}


class Asking:
    """A request, looked through once for what asks for an ability."""

    __slots__ = ("parts", "request", "roles", "talks")

    def __init__(self, request: ChatRequest) -> None:
        self.request = request
        self.talks = not isinstance(request, Texts)
        """Whether it is a conversation, and not texts to be looked at."""
        self.roles = {message["role"] for message in request.messages}
        """Who speaks in its messages."""
        contents = [message.get("content") for message in request.messages]
        self.parts = {part["type"] for content in contents if isinstance(content, list) for part in content}
        """What its messages consist of, beside plain text."""

    @property
    def calls(self) -> bool:
        """Whether tools are offered, or were called."""
        messages: list[Any] = self.request.messages
        return bool(
            self.request.tools
            or "tool" in self.roles
            or ("assistant" in self.roles and any(message.get("tool_calls") for message in messages))
        )

    @property
    def format(self) -> str | None:
        """The type of the `response_format`."""
        return self.request.response_format and self.request.response_format["type"]


ASKED: dict[Ability, Callable[[Asking], Any]] = {
    "stream": lambda asking: asking.request.stream,
    "n": lambda asking: asking.request.n and asking.request.n > 1,
    "stop": lambda asking: asking.request.stop,
    "max_tokens": lambda asking: asking.request.limit,
    "usage": lambda asking: not asking.request.stream or asking.request.wants_usage,
    "tools": lambda asking: asking.calls,
    "functions": lambda asking: asking.request.functions or "function" in asking.roles,
    "json_object": lambda asking: asking.format == "json_object",
    "json_schema": lambda asking: asking.format == "json_schema",
    "system": lambda asking: "system" in asking.roles or "developer" in asking.roles,
    "developer": lambda asking: "developer" in asking.roles,
    "history": lambda asking: not asking.roles.isdisjoint(("assistant", "tool", "function")),
    "images": lambda asking: "image_url" in asking.parts,
    "audio": lambda asking: "input_audio" in asking.parts,
    "files": lambda asking: "file" in asking.parts,
    "logprobs": lambda asking: asking.request.logprobs,
    "audio_output": lambda asking: asking.request.audio or "audio" in (asking.request.modalities or ()),
    "prediction": lambda asking: asking.request.prediction,
    "web_search": lambda asking: asking.request.web_search_options is not None,
    "reasoning": lambda asking: True,
    "token_prompts": lambda asking: TOKENS in asking.parts,
    "chat": lambda asking: asking.talks,
    "embeddings": lambda asking: isinstance(asking.request, Embed),
    "dimensions": lambda asking: isinstance(asking.request, Embed) and asking.request.dimensions,
    "token_inputs": lambda asking: not asking.talks and TOKENS in asking.parts,
    "moderations": lambda asking: isinstance(asking.request, Moderate),
}
"""Whether a request asks for an ability."""
