"""What a model can be told about the backends that answer for it."""

from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from dragoman.abilities import Supplied
from dragoman.errors import upstream_failures
from dragoman.routing.conditions import When
from dragoman.units import Seconds
from dragoman.wire.chat import ChatRequest

CODES = sorted({kind.fixed_code for kind in upstream_failures() if kind.fixed_code})
OURS = ("model", "messages", "stream", "stream_options")
"""Fields that a configuration cannot set."""


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Waits(_Options):
    """How long backends may take for this model, where that differs from their own `timeout`."""

    connect: Seconds | None = None
    first: Seconds | None = None
    idle: Seconds | None = None
    total: Seconds | None = None

    @property
    def given(self) -> dict[str, float]:
        """Those that are said."""
        return self.model_dump(exclude_none=True)


def _known_code(code: str) -> str:
    if code not in CODES:
        raise ValueError(f"no failure of a backend has this code; there are {', '.join(CODES)}")
    return code


class Retry(_Options):
    """When a call that failed is made again."""

    attempts: Annotated[int, Field(ge=0, le=5)] = 2
    """How often it is made again at most."""
    on: list[Annotated[str, AfterValidator(_known_code)]] = []
    """Error codes after which it is made again although the backend may have answered already, and billed it."""


class Prompt(_Options):
    """System messages that are added to a conversation."""

    before: str | None = None
    """Put before all others."""
    after: str | None = None
    """Put after all others."""


def _parameters(values: dict[str, Any]) -> dict[str, Any]:
    """The values as a request would have them. Raises ValueError."""
    given = {name: value for name, value in values.items() if value is not None}
    if unfit := sorted(values.keys() & set(OURS)):
        raise ValueError(f"{unfit[0]!r} is the caller's to choose")
    try:
        request = ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": "?"}], **given})
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise ValueError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    return {name: getattr(request, name) if name in given else None for name in values}


Parameters = Annotated[dict[str, Any], AfterValidator(_parameters)]


class Route(Supplied):
    """Where calls go: to a backend, or to several by a policy."""

    backend: str | None = None
    """The name of the backend that answers; a model's name is fine, too."""
    model: str | None = None
    """What the backend calls this model; without it, the public name. `*` is what a wildcard's `*` stands for."""
    backends: Annotated[list["Member"] | None, Field(min_length=1)] = None
    """Those that may answer: names, or mappings like this one."""
    policy: Literal["fallback", "balance", "hedge", "mirror"] = "fallback"
    """`fallback`: the first that can, in order. `balance`: the one that is likely to be quickest. `hedge`: a second is
    asked when the first is slow. `mirror`: the first answers, the others get a copy."""
    continues: Annotated[bool, Field(alias="continue")] = False
    """A backend that breaks in the middle of an answer is followed by the next, which is given the text so far."""
    after: Seconds | None = None
    """When `hedge` asks a second one; without it, when the first is later than 95 % of the quickest's last answers."""
    share: Annotated[float, Field(gt=0, le=1)] = 1.0
    """The share of calls of which `mirror` sends a copy."""
    weight: Annotated[float, Field(gt=0)] = 1.0
    """How much of the calls it takes where `balance` chooses."""
    when: When | None = None
    """Which calls it is for, among several."""
    timeout: Waits = Waits()
    """How long it may take, over the backend's own `timeout`."""
    parameters: Parameters = Field(default={})
    """Request parameters as they are always sent, whatever the caller asks; null leaves one out."""
    defaults: Parameters = Field(default={})
    """Request parameters where the caller does not say."""
    prompt: Prompt = Prompt()
    """System messages that are added."""

    @model_validator(mode="after")
    def _goes_somewhere(self) -> Self:
        if (self.backend is None) == (self.backends is None):
            raise ValueError("needs either `backend`, a name, or `backends`, a list")
        if self.backends is not None and self.model is not None:
            raise ValueError("`model` stands beside `backend`, in each of the `backends`")
        return self


def or_backend(value: Any) -> Any:
    """A name alone is a backend's."""
    return {"backend": value} if isinstance(value, str) else value


Member = Annotated[Route, BeforeValidator(or_backend, json_schema_input_type=Route | str)]
Route.model_rebuild()
