"""The chat completions request and answer (OpenAI API reference, `POST /v1/chat/completions`).

Nested objects are typed dicts: they are validated, and stay the plain JSON that the caller sent, unknown fields
included. Tags that begin with `~` name a branch of a union; they never appear in a caller's error.
"""

from collections.abc import Iterator
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from dragoman.shapes import (
    LENIENT,
    LogitBias,
    Metadata,
    Other,
    Penalty,
    Printable,
    Seed,
    Stop,
    StreamOptions,
    Temperature,
    ToolName,
    TopP,
    User,
    tagged_by_type,
)


class TextPart(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["text"]
    text: str


class ImageURL(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    url: str
    detail: NotRequired[str | None]


class ImagePart(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["image_url"]
    image_url: ImageURL


class InputAudio(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    data: str
    format: str


class AudioPart(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["input_audio"]
    input_audio: InputAudio


class File(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    filename: NotRequired[str | None]
    file_data: NotRequired[str | None]
    file_id: NotRequired[str | None]


class FilePart(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["file"]
    file: File


class RefusalPart(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["refusal"]
    refusal: str


PartType = Literal["image_url", "input_audio", "file"]
"""The content parts that are more than text."""

Part = Annotated[
    Annotated[TextPart, Tag("~text")]
    | Annotated[ImagePart, Tag("~image_url")]
    | Annotated[AudioPart, Tag("~input_audio")]
    | Annotated[FilePart, Tag("~file")]
    | Annotated[RefusalPart, Tag("~refusal")]
    | Annotated[Other, Tag("~other")],
    tagged_by_type({"text", "image_url", "input_audio", "file", "refusal"}),
]


def _text_or_parts(value: Any) -> str | None:
    return "~text" if isinstance(value, str) else "~parts" if isinstance(value, list) else None


Content = Annotated[
    Annotated[str, Tag("~text")] | Annotated[list[Part], Tag("~parts")],
    Discriminator(
        _text_or_parts, custom_error_type="needs_content", custom_error_message="a string or an array of parts"
    ),
]


class FunctionCall(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    name: str
    arguments: str


class FunctionToolCall(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    id: str
    type: Literal["function"]
    function: FunctionCall


class CustomCall(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    name: str
    input: str


class CustomToolCall(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    id: str
    type: Literal["custom"]
    custom: CustomCall


ToolCall = Annotated[
    Annotated[FunctionToolCall, Tag("~function")]
    | Annotated[CustomToolCall, Tag("~custom")]
    | Annotated[Other, Tag("~other")],
    tagged_by_type({"function", "custom"}),
]


class Instruction(TypedDict):
    """A system or developer message."""

    __pydantic_config__ = LENIENT  # type: ignore[misc]
    role: Literal["system", "developer"]
    content: Content
    name: NotRequired[str | None]


class UserMessage(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    role: Literal["user"]
    content: Content
    name: NotRequired[str | None]


class AssistantMessage(TypedDict):
    """Lenient on purpose: SDKs send back what they were given, nulls and all."""

    __pydantic_config__ = LENIENT  # type: ignore[misc]
    role: Literal["assistant"]
    content: NotRequired[Content | None]
    refusal: NotRequired[str | None]
    name: NotRequired[str | None]
    audio: NotRequired[dict[str, Any] | None]
    tool_calls: NotRequired[list[ToolCall] | None]
    function_call: NotRequired[FunctionCall | None]


class ToolMessage(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    role: Literal["tool"]
    content: Content
    tool_call_id: str


class FunctionMessage(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    role: Literal["function"]
    content: str | None
    name: str


ROLES = ("developer", "system", "user", "assistant", "tool", "function")
_INSTRUCTIONS = {"developer": "~system"}


def _by_role(value: Any) -> str | None:
    role = value.get("role") if isinstance(value, dict) else None
    return _INSTRUCTIONS.get(role, f"~{role}") if role in ROLES else None


Message = Annotated[
    Annotated[Instruction, Tag("~system")]
    | Annotated[UserMessage, Tag("~user")]
    | Annotated[AssistantMessage, Tag("~assistant")]
    | Annotated[ToolMessage, Tag("~tool")]
    | Annotated[FunctionMessage, Tag("~function")],
    Discriminator(_by_role, custom_error_type="needs_role", custom_error_message=", ".join(ROLES)),
]


class Function(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    name: ToolName
    description: NotRequired[str | None]
    parameters: NotRequired[dict[str, Any] | None]
    strict: NotRequired[bool | None]


class FunctionTool(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["function"]
    function: Function


class Custom(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    name: ToolName
    description: NotRequired[str | None]
    format: NotRequired[Other | None]


class CustomTool(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["custom"]
    custom: Custom


Tool = Annotated[
    Annotated[FunctionTool, Tag("~function")] | Annotated[CustomTool, Tag("~custom")] | Annotated[Other, Tag("~other")],
    tagged_by_type({"function", "custom"}),
]


class Named(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    name: str


class FunctionChoice(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["function"]
    function: Named


class CustomChoice(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["custom"]
    custom: Named


class AllowedTools(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    mode: Literal["auto", "required"]
    tools: list[dict[str, Any]]


class AllowedToolsChoice(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["allowed_tools"]
    allowed_tools: AllowedTools


def _mode_or_object(value: Any) -> str | None:
    if isinstance(value, str):
        return "~mode"
    kind = value.get("type") if isinstance(value, dict) else None
    return (
        f"~{kind}" if kind in ("function", "custom", "allowed_tools") else "~other" if isinstance(kind, str) else None
    )


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("~mode")]
    | Annotated[FunctionChoice, Tag("~function")]
    | Annotated[CustomChoice, Tag("~custom")]
    | Annotated[AllowedToolsChoice, Tag("~allowed_tools")]
    | Annotated[Other, Tag("~other")],
    Discriminator(
        _mode_or_object,
        custom_error_type="needs_type",
        custom_error_message="'none', 'auto', 'required' or an object with a 'type'",
    ),
]


class TextFormat(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["text", "json_object"]


class JSONSchema(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    name: ToolName
    description: NotRequired[str | None]
    schema: NotRequired[dict[str, Any] | None]
    strict: NotRequired[bool | None]


class JSONSchemaFormat(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["json_schema"]
    json_schema: JSONSchema


def _format_kind(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else None
    return (
        {"text": "~text", "json_object": "~text", "json_schema": "~json_schema"}.get(kind)
        if isinstance(kind, str)
        else None
    )


ResponseFormat = Annotated[
    Annotated[TextFormat, Tag("~text")] | Annotated[JSONSchemaFormat, Tag("~json_schema")],
    Discriminator(
        _format_kind,
        custom_error_type="needs_type",
        custom_error_message="'text', 'json_object' or 'json_schema'",
    ),
]


class Audio(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    voice: str | dict[str, Any]
    format: str


class Prediction(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["content"]
    content: Content


class Moderation(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    model: str
    policy: NotRequired[dict[str, Any] | None]


FunctionChoiceOption = Annotated[
    Annotated[Literal["none", "auto"], Tag("~mode")] | Annotated[Named, Tag("~named")],
    Discriminator(
        lambda value: "~mode" if isinstance(value, str) else "~named" if isinstance(value, dict) else None,
        custom_error_type="needs_type",
        custom_error_message="'none', 'auto' or an object with a 'name'",
    ),
]


class ChatRequest(BaseModel):
    """What a caller asks. Every optional field may be null; fields that are not listed are kept for the backend."""

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        frozen=True,
        protected_namespaces=(),
        json_schema_extra={"example": {"model": "mock-gpt-model", "messages": [{"role": "user", "content": "Hello!"}]}},
    )

    model: Printable
    messages: Annotated[list[Message], Field(min_length=1, max_length=2048)]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    stop: Stop | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    logit_bias: LogitBias | None = None
    seed: Seed | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    functions: Annotated[list[Function], Field(min_length=1, max_length=128)] | None = None
    function_call: FunctionChoiceOption | None = None
    reasoning_effort: str | None = None
    verbosity: str | None = None
    service_tier: str | None = None
    modalities: list[str] | None = None
    audio: Audio | None = None
    prediction: Prediction | None = None
    web_search_options: dict[str, Any] | None = None
    store: bool | None = None
    metadata: Metadata | None = None
    moderation: Moderation | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    safety_identifier: Annotated[str, Field(max_length=128)] | None = None
    user: User | None = None

    @model_validator(mode="after")
    def _top_logprobs_needs_logprobs(self) -> "ChatRequest":
        if self.top_logprobs is not None and not self.logprobs:
            raise PydanticCustomError(
                "requires_logprobs",
                "'top_logprobs' is only allowed when 'logprobs' is true.",
                {"param": "top_logprobs"},
            )
        return self

    @property
    def limit(self) -> int | None:
        """How many tokens the answer may have: `max_completion_tokens` wins over `max_tokens`."""
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens

    @property
    def wants_usage(self) -> bool:
        """Whether a stream is to end with a usage chunk."""
        return bool(self.stream_options and self.stream_options.get("include_usage"))

    def without(self, *fields: str) -> "ChatRequest":
        """The same request as if the caller had not sent these fields."""
        changed = self.model_copy(update=dict.fromkeys(fields))
        changed.__pydantic_fields_set__.difference_update(fields)
        if extra := changed.__pydantic_extra__:
            for field in fields:
                extra.pop(field, None)
        return changed

    def where(self, message: int, part: int | None = None) -> str:
        """What the caller calls the place of a message, or of a part of it."""
        return f"messages[{message}]" if part is None else f"messages[{message}].content[{part}]"

    def given(self) -> dict[str, Any]:
        """The fields that the caller sent, unknown ones too, as JSON to send on."""
        given = self.__pydantic_fields_set__
        values = {name: value for name, value in self.__dict__.items() if name in given}
        return values | self.__pydantic_extra__ if self.__pydantic_extra__ else values


def text_of(content: Any) -> str:
    """The text in a message's content: the string itself, or its text parts joined by line breaks."""
    if isinstance(content, str):
        return content
    return "\n".join(_texts(content or []))


def _texts(parts: list[dict[str, Any]]) -> Iterator[str]:
    for part in parts:
        text = part.get("text", part.get("refusal"))
        if isinstance(text, str):
            yield text


class AnsweredMessage(TypedDict):
    role: Literal["assistant"]
    content: str | None
    refusal: str | None
    tool_calls: NotRequired[list[FunctionToolCall | CustomToolCall]]
    annotations: NotRequired[list[dict[str, Any]]]


class Choice(TypedDict):
    index: int
    message: AnsweredMessage
    logprobs: dict[str, Any] | None
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter", "function_call"]


class Usage(TypedDict):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: NotRequired[dict[str, int]]
    completion_tokens_details: NotRequired[dict[str, int]]


class ChatCompletion(TypedDict):
    """The whole answer."""

    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: NotRequired[Usage]


class Delta(TypedDict):
    role: NotRequired[Literal["assistant"]]
    content: NotRequired[str | None]
    refusal: NotRequired[str | None]
    tool_calls: NotRequired[list[dict[str, Any]]]


class ChunkChoice(TypedDict):
    index: int
    delta: Delta
    logprobs: NotRequired[dict[str, Any] | None]
    finish_reason: Literal["stop", "length", "tool_calls", "content_filter", "function_call"] | None


class ChatCompletionChunk(TypedDict):
    """One event of a stream."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: NotRequired[Usage | None]
