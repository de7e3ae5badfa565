"""The completions request and answer, OpenAI's older one (OpenAI API reference, `POST /v1/completions`)."""

from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag
from typing_extensions import TypedDict

from dragoman.shapes import LogitBias, Penalty, Printable, Seed, Stop, StreamOptions, Temperature, TopP, User

BEGINNING = "<|endoftext|>"
"""What is gone on from where there is no prompt: the mark before a new text."""
MAX_TOKENS = 16
"""How many tokens an answer has at most where the caller does not say."""
MOST_PROMPTS = 128

Tokens = Annotated[list[Annotated[int, Field(ge=0, lt=2**31)]], Field(min_length=1)]


def _kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "~text"
    first = value[0] if isinstance(value, list) and value else value
    kinds: dict[type, str] = {str: "~texts", int: "~tokens"}
    return kinds.get(type(first), "~arrays") if isinstance(value, list) else None


Prompt = Annotated[
    Annotated[str, Tag("~text")]
    | Annotated[list[str], Field(max_length=MOST_PROMPTS), Tag("~texts")]
    | Annotated[Tokens, Tag("~tokens")]
    | Annotated[list[Tokens], Field(min_length=1, max_length=MOST_PROMPTS), Tag("~arrays")],
    Discriminator(
        _kind,
        custom_error_type="needs_content",
        custom_error_message="a string, an array of strings, an array of tokens or an array of token arrays",
    ),
]


class CompletionRequest(BaseModel):
    """What a caller wants gone on from. Every optional field may be null; fields that are not listed are kept for the
    backend."""

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        frozen=True,
        protected_namespaces=(),
        json_schema_extra={"example": {"model": "mock-gpt-model", "prompt": "Once upon a time", "max_tokens": 64}},
    )

    model: Printable
    prompt: Prompt | None = None
    suffix: str | None = None
    echo: bool | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    best_of: Annotated[int, Field(ge=1, le=128)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    stop: Stop | None = None
    logit_bias: LogitBias | None = None
    seed: Seed | None = None
    user: User | None = None

    @property
    def prompts(self) -> list[str | list[int]]:
        """The prompts, in order: texts or token arrays."""
        asked: Any = BEGINNING if self.prompt is None else self.prompt
        return [asked] if isinstance(asked, str) or isinstance(asked[0], int) else asked


class TextLogprobs(TypedDict):
    """One entry for each token of an answer."""

    tokens: list[str]
    token_logprobs: list[float]
    top_logprobs: list[dict[str, float]] | None
    text_offset: list[int]


class TextChoice(TypedDict):
    text: str
    index: int
    logprobs: TextLogprobs | None
    finish_reason: Literal["stop", "length", "content_filter"]


class TextUsage(TypedDict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int


class TextCompletion(TypedDict):
    """The whole answer."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextChoice]
    usage: NotRequired[TextUsage]


class TextEventChoice(TypedDict):
    text: str
    index: int
    logprobs: TextLogprobs | None
    finish_reason: Literal["stop", "length", "content_filter"] | None


class TextCompletionEvent(TypedDict):
    """One event of a stream."""

    id: str
    object: Literal["text_completion"]
    created: int
    model: str
    choices: list[TextEventChoice]
    usage: NotRequired[TextUsage | None]
