"""The Responses request (OpenAI API reference, `POST /v1/responses`).

Items, parts and tools are typed dicts: they are validated, and stay the plain JSON that the caller sent.
"""

from collections.abc import Callable
from typing import Annotated, Any, Literal, NotRequired

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag
from typing_extensions import TypedDict

from dragoman.shapes import (
    LENIENT,
    Metadata,
    Other,
    Penalty,
    Printable,
    StreamOptions,
    Temperature,
    ToolName,
    TopP,
    User,
    tagged_by_type,
)

MOST_ITEMS = 8192
"""Items that one request may bring."""
ROLES = ("user", "assistant", "system", "developer")


class InputText(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["input_text", "output_text", "text", "summary_text", "reasoning_text"]
    text: str


class InputRefusal(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["refusal"]
    refusal: str


class InputImage(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["input_image"]
    image_url: NotRequired[str | None]
    file_id: NotRequired[str | None]
    detail: NotRequired[str | None]


class InputFile(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["input_file"]
    filename: NotRequired[str | None]
    file_data: NotRequired[str | None]
    file_id: NotRequired[str | None]
    file_url: NotRequired[str | None]


class Recording(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    data: str
    format: str


class InputAudio(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["input_audio"]
    input_audio: Recording


Tagger = Callable[[Any], str | None]
TEXTS = ("input_text", "output_text", "text", "summary_text", "reasoning_text")
_PARTS = {**dict.fromkeys(TEXTS, "~text"), "refusal": "~refusal", "input_image": "~image", "input_file": "~file"}


def _kind(known: dict[str, str]) -> Tagger:
    """Tags by `type`, where several types may be one branch."""

    def tag(value: Any) -> str | None:
        kind = value.get("type") if isinstance(value, dict) else None
        return known.get(kind, "~other") if isinstance(kind, str) else None

    return tag


Part = Annotated[
    Annotated[InputText, Tag("~text")]
    | Annotated[InputRefusal, Tag("~refusal")]
    | Annotated[InputImage, Tag("~image")]
    | Annotated[InputFile, Tag("~file")]
    | Annotated[InputAudio, Tag("~audio")]
    | Annotated[Other, Tag("~other")],
    Discriminator(
        _kind({**_PARTS, "input_audio": "~audio"}),
        custom_error_type="needs_type",
        custom_error_message="an object with a 'type'",
    ),
]


def _text_or_list(value: Any) -> str | None:
    return "~text" if isinstance(value, str) else "~list" if isinstance(value, list) else None


Content = Annotated[
    Annotated[str, Tag("~text")] | Annotated[list[Part], Tag("~list")],
    Discriminator(
        _text_or_list, custom_error_type="needs_content", custom_error_message="a string or an array of parts"
    ),
]


class InputMessage(TypedDict):
    """A message, whether it is new or was answered before; `type` may be left out."""

    __pydantic_config__ = LENIENT  # type: ignore[misc]
    role: Literal["user", "assistant", "system", "developer"]
    content: Content
    type: NotRequired[Literal["message"] | None]
    id: NotRequired[str | None]


class FunctionTool(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["function"]
    name: ToolName
    description: NotRequired[str | None]
    parameters: NotRequired[dict[str, Any] | None]
    strict: NotRequired[bool | None]


class CustomTool(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["custom"]
    name: ToolName
    description: NotRequired[str | None]
    format: NotRequired[Other | None]


_TOOLS = frozenset({"function", "custom"})
Offered = Annotated[FunctionTool, Tag("~function")] | Annotated[CustomTool, Tag("~custom")]


class NamespaceTool(TypedDict):
    """Tools under a common name."""

    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["namespace"]
    name: ToolName
    description: NotRequired[str | None]
    tools: Annotated[
        list[Annotated[Offered | Annotated[Other, Tag("~other")], tagged_by_type(_TOOLS)]], Field(max_length=128)
    ]


Tool = Annotated[
    Offered | Annotated[NamespaceTool, Tag("~namespace")] | Annotated[Other, Tag("~other")],
    tagged_by_type(_TOOLS | {"namespace"}),
]


class FunctionCall(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["function_call"]
    call_id: str
    name: str
    arguments: str
    namespace: NotRequired[str | None]


class CustomToolCall(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["custom_tool_call"]
    call_id: str
    name: str
    input: str
    namespace: NotRequired[str | None]


class ToolOutput(TypedDict):
    """What a tool gave."""

    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["function_call_output", "custom_tool_call_output"]
    call_id: str
    output: Content


class Reasoning(TypedDict):
    """Lenient on purpose: SDKs send back what they were given, nulls and all."""

    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["reasoning"]
    summary: NotRequired[list[Part] | None]
    content: NotRequired[list[Part] | None]
    encrypted_content: NotRequired[str | None]


class Reference(TypedDict):
    """An item that is kept, by its id."""

    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: NotRequired[Literal["item_reference"] | None]
    id: str


class AdditionalTools(TypedDict):
    """Tools that are offered from here on."""

    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["additional_tools"]
    tools: Annotated[list[Tool], Field(max_length=128)]


_ITEMS = {
    "message": "~message",
    "function_call": "~call",
    "custom_tool_call": "~custom",
    "function_call_output": "~output",
    "custom_tool_call_output": "~output",
    "reasoning": "~reasoning",
    "item_reference": "~reference",
    "additional_tools": "~tools",
}


def item_kind(item: Any) -> str | None:
    """What an item is: its `type`, or what it must be without one; None for what is no item."""
    if not isinstance(item, dict):
        return None
    kind = item.get("type")
    if kind is None:
        return "message" if "role" in item or "content" in item else "item_reference" if "id" in item else None
    return kind if isinstance(kind, str) else None


def _by_item(value: Any) -> str | None:
    kind = item_kind(value)
    return None if kind is None else _ITEMS.get(kind, "~other")


Item = Annotated[
    Annotated[InputMessage, Tag("~message")]
    | Annotated[FunctionCall, Tag("~call")]
    | Annotated[CustomToolCall, Tag("~custom")]
    | Annotated[ToolOutput, Tag("~output")]
    | Annotated[Reasoning, Tag("~reasoning")]
    | Annotated[Reference, Tag("~reference")]
    | Annotated[AdditionalTools, Tag("~tools")]
    | Annotated[Other, Tag("~other")],
    Discriminator(_by_item, custom_error_type="needs_type", custom_error_message="an object with a 'type'"),
]
Input = Annotated[
    Annotated[str, Tag("~text")] | Annotated[list[Item], Field(min_length=1, max_length=MOST_ITEMS), Tag("~list")],
    Discriminator(
        _text_or_list, custom_error_type="needs_content", custom_error_message="a string or an array of items"
    ),
]


class NamedChoice(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["function", "custom"]
    name: str
    namespace: NotRequired[str | None]


class AllowedChoice(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["allowed_tools"]
    mode: Literal["auto", "required"]
    tools: list[dict[str, Any]]


def _mode_or_kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "~mode"
    return _kind({"function": "~named", "custom": "~named", "allowed_tools": "~allowed"})(value)


ToolChoice = Annotated[
    Annotated[Literal["none", "auto", "required"], Tag("~mode")]
    | Annotated[NamedChoice, Tag("~named")]
    | Annotated[AllowedChoice, Tag("~allowed")]
    | Annotated[Other, Tag("~other")],
    Discriminator(
        _mode_or_kind,
        custom_error_type="needs_type",
        custom_error_message="'none', 'auto', 'required' or an object with a 'type'",
    ),
]


class PlainFormat(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["text", "json_object"]


class SchemaFormat(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["json_schema"]
    name: ToolName
    description: NotRequired[str | None]
    schema: dict[str, Any]
    strict: NotRequired[bool | None]


def _format(value: Any) -> str | None:
    tag = _kind({"text": "~plain", "json_object": "~plain", "json_schema": "~schema"})(value)
    return None if tag == "~other" else tag


Format = Annotated[
    Annotated[PlainFormat, Tag("~plain")] | Annotated[SchemaFormat, Tag("~schema")],
    Discriminator(
        _format, custom_error_type="needs_type", custom_error_message="'text', 'json_object' or 'json_schema'"
    ),
]


class TextOptions(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    format: NotRequired[Format | None]
    verbosity: NotRequired[str | None]


class ReasoningOptions(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    effort: NotRequired[str | None]
    summary: NotRequired[str | None]


class ResponseRequest(BaseModel):
    """What a caller asks. Every optional field may be null; fields that are not listed are kept for the backend."""

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        frozen=True,
        protected_namespaces=(),
        json_schema_extra={"example": {"model": "mock-gpt-model", "input": "Hello!"}},
    )

    model: Printable | None = None
    input: Input | None = None
    instructions: str | None = None
    previous_response_id: Annotated[str, Field(max_length=256)] | None = None
    store: bool | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    max_output_tokens: Annotated[int, Field(ge=1)] | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    include: Annotated[list[str], Field(max_length=64)] | None = None
    text: TextOptions | None = None
    reasoning: ReasoningOptions | None = None
    tools: Annotated[list[Tool], Field(max_length=128)] | None = None
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    max_tool_calls: int | None = None
    metadata: Metadata | None = None
    truncation: Literal["auto", "disabled"] | None = None
    service_tier: Annotated[str, Field(max_length=64)] | None = None
    user: User | None = None
    safety_identifier: Annotated[str, Field(max_length=128)] | None = None
    prompt_cache_key: Annotated[str, Field(max_length=1024)] | None = None
    prompt_cache_options: dict[str, Any] | None = None
    prompt_cache_retention: str | None = None
    background: bool | None = None
    background_options: dict[str, Any] | None = None
    conversation: Any = None
    prompt: dict[str, Any] | None = None
    context_management: list[dict[str, Any]] | None = None
    client_metadata: dict[str, Any] | None = None
    moderation: dict[str, Any] | None = None
    access_programs: dict[str, Any] | None = None
    image: dict[str, Any] | None = None
    personality: str | None = None

    @property
    def shows_logprobs(self) -> bool:
        """Whether log probabilities are asked for."""
        return bool(self.top_logprobs) or "message.output_text.logprobs" in (self.include or ())
