"""Anthropic's messages: what is asked and answered (Claude API reference, `POST /v1/messages`).

Blocks are typed dicts, lenient where clients echo what they were told: kinds that are not known pass, and so do fields.
Tags that begin with `~` name a branch of a union; they never appear in a caller's error.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NotRequired

from pydantic import AfterValidator, BaseModel, ConfigDict, Discriminator, Field, Tag
from typing_extensions import TypedDict

from dragoman.shapes import LENIENT, AsGiven, Other, Printable, TopP, User, tagged_by_type

SIGNATURE = "dragoman"
"""Of the thoughts that this server tells; it knows them by that when they come back."""


def _text_or_blocks(value: Any) -> str | None:
    return "~text" if isinstance(value, str) else "~blocks" if isinstance(value, list) else None


_TEXT_OR_BLOCKS = Discriminator(
    _text_or_blocks, custom_error_type="needs_content", custom_error_message="a string or an array of blocks"
)


class TextBlockGiven(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["text"]
    text: str


class Base64Source(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["base64"]
    media_type: Annotated[str, Field(pattern=r"^[A-Za-z0-9.+-]{1,64}/[A-Za-z0-9.+-]{1,64}$")]
    data: str


class URLSource(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["url"]
    url: str


class TextSource(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["text"]
    data: str


def _refused(source: Mapping[str, Any]) -> Any:
    raise ValueError(f"sources of the type '{str(source.get('type'))[:64]}' are not supported; send the content itself")


_RefusedSource = Annotated[Other, AfterValidator(_refused), Tag("~other")]
ImageSource = Annotated[
    Annotated[Base64Source, Tag("~base64")] | Annotated[URLSource, Tag("~url")] | _RefusedSource,
    tagged_by_type({"base64", "url"}),
]


class ImageBlockGiven(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["image"]
    source: ImageSource


_TextOrImage = Annotated[
    Annotated[TextBlockGiven, Tag("~text")]
    | Annotated[ImageBlockGiven, Tag("~image")]
    | Annotated[Other, Tag("~other")],
    tagged_by_type({"text", "image"}),
]


class ContentSource(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["content"]
    content: Annotated[Annotated[str, Tag("~text")] | Annotated[list[_TextOrImage], Tag("~blocks")], _TEXT_OR_BLOCKS]


DocumentSource = Annotated[
    Annotated[Base64Source, Tag("~base64")]
    | Annotated[URLSource, Tag("~url")]
    | Annotated[TextSource, Tag("~text")]
    | Annotated[ContentSource, Tag("~content")]
    | _RefusedSource,
    tagged_by_type({"base64", "url", "text", "content"}),
]


class DocumentBlock(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["document"]
    source: DocumentSource
    title: NotRequired[str | None]
    context: NotRequired[str | None]


class SearchResultBlock(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["search_result"]
    title: str
    source: str
    content: list[_TextOrImage]


_Result = Annotated[
    Annotated[TextBlockGiven, Tag("~text")]
    | Annotated[ImageBlockGiven, Tag("~image")]
    | Annotated[DocumentBlock, Tag("~document")]
    | Annotated[SearchResultBlock, Tag("~search_result")]
    | Annotated[Other, Tag("~other")],
    tagged_by_type({"text", "image", "document", "search_result"}),
]


class ToolUseGiven(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]


class ToolResultBlock(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["tool_result"]
    tool_use_id: str
    content: NotRequired[
        Annotated[Annotated[str, Tag("~text")] | Annotated[list[_Result], Tag("~blocks")], _TEXT_OR_BLOCKS] | None
    ]
    is_error: NotRequired[bool | None]


class ThinkingGiven(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["thinking"]
    thinking: str
    signature: NotRequired[str | None]


Block = Annotated[
    Annotated[TextBlockGiven, Tag("~text")]
    | Annotated[ImageBlockGiven, Tag("~image")]
    | Annotated[DocumentBlock, Tag("~document")]
    | Annotated[SearchResultBlock, Tag("~search_result")]
    | Annotated[ToolUseGiven, Tag("~tool_use")]
    | Annotated[ToolResultBlock, Tag("~tool_result")]
    | Annotated[ThinkingGiven, Tag("~thinking")]
    | Annotated[Other, Tag("~other")],
    tagged_by_type({"text", "image", "document", "search_result", "tool_use", "tool_result", "thinking"}),
]


class MessageGiven(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    role: Literal["user", "assistant", "system"]
    content: Annotated[Annotated[str, Tag("~text")] | Annotated[list[Block], Tag("~blocks")], _TEXT_OR_BLOCKS]


class OwnTool(TypedDict):
    """A tool that the caller runs itself."""

    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: NotRequired[Literal["custom"] | None]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,128}$")]
    description: NotRequired[str | None]
    input_schema: dict[str, Any]
    strict: NotRequired[bool | None]


class TheirTool(TypedDict):
    """A tool that Anthropic defines, or runs."""

    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Printable
    name: NotRequired[Printable | None]


def _own_or_theirs(value: Any) -> str | None:
    if not isinstance(value, dict):
        return None
    return "~own" if value.get("type") in (None, "custom") else "~theirs"


ToolGiven = Annotated[
    Annotated[OwnTool, Tag("~own")] | Annotated[TheirTool, Tag("~theirs")],
    Discriminator(_own_or_theirs, custom_error_type="needs_type", custom_error_message="an object with a 'name'"),
]


class AnyChoice(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["auto", "any", "none"]
    disable_parallel_tool_use: NotRequired[bool | None]


class OneChoice(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["tool"]
    name: str
    disable_parallel_tool_use: NotRequired[bool | None]


ToolChoiceGiven = Annotated[
    Annotated[OneChoice, Tag("~tool")] | Annotated[AnyChoice, Tag("~other")], tagged_by_type({"tool"})
]


class Thinking(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: str


class OutputFormat(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["json_schema"]
    schema: dict[str, Any]


class OutputConfig(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    effort: NotRequired[Annotated[str, Field(max_length=32)] | None]
    format: NotRequired[OutputFormat | None]


class RequestMetadata(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    user_id: NotRequired[User | None]


StopWord = Annotated[str, Field(max_length=256)]


class CountTokensRequest(BaseModel):
    """What a caller would ask. Every optional field may be null; what is not listed is taken and not used."""

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        frozen=True,
        protected_namespaces=(),
        json_schema_extra={"example": {"model": "mock-gpt-model", "messages": [{"role": "user", "content": "Hello!"}]}},
    )

    model: Printable
    messages: Annotated[list[MessageGiven], Field(min_length=1, max_length=10_000)]
    system: (
        Annotated[Annotated[str, Tag("~text")] | Annotated[list[_TextOrImage], Tag("~blocks")], _TEXT_OR_BLOCKS] | None
    ) = None
    stream: bool | None = None
    stop_sequences: Annotated[list[StopWord], Field(max_length=32)] | None = None
    temperature: Annotated[float, Field(ge=0, le=1), AsGiven] | None = None
    top_p: TopP | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    metadata: RequestMetadata | None = None
    tools: Annotated[list[ToolGiven], Field(max_length=256)] | None = None
    tool_choice: ToolChoiceGiven | None = None
    thinking: Thinking | None = None
    output_config: OutputConfig | None = None
    output_format: OutputFormat | None = None


class MessagesRequest(CountTokensRequest):
    """What a caller asks. Every optional field may be null; what is not listed is taken and not used."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "model": "mock-gpt-model",
                "max_tokens": 1024,
                "messages": [{"role": "user", "content": "Hello!"}],
            }
        }
    )

    max_tokens: Annotated[int, Field(ge=1)]


class TextBlock(TypedDict):
    type: Literal["text"]
    text: str


class ThinkingBlock(TypedDict):
    type: Literal["thinking"]
    thinking: str
    signature: str


class ToolUseBlock(TypedDict):
    type: Literal["tool_use"]
    id: str
    name: str
    input: dict[str, Any]


StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"]


class ThinkingTokens(TypedDict):
    thinking_tokens: int


class MessageUsage(TypedDict):
    input_tokens: int
    """What was asked with, beside the cached tokens."""
    output_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens_details: NotRequired[ThinkingTokens]


class Message(TypedDict):
    """The whole answer."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[TextBlock | ThinkingBlock | ToolUseBlock]
    stop_reason: StopReason | None
    stop_sequence: str | None
    usage: MessageUsage


class MessageEvent(TypedDict):
    """One event of a stream."""

    type: Literal[
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
        "error",
    ]
    message: NotRequired[Message]
    index: NotRequired[int]
    content_block: NotRequired[TextBlock | ThinkingBlock | ToolUseBlock]
    delta: NotRequired[dict[str, Any]]
    usage: NotRequired[MessageUsage]
    error: NotRequired[dict[str, str]]


class TokenCount(TypedDict):
    input_tokens: int


class MessagesFault(TypedDict):
    type: str
    message: str
    details: NotRequired[dict[str, Any]]


class MessagesError(TypedDict):
    """A failure."""

    type: Literal["error"]
    error: MessagesFault
    request_id: str


class ModelInfo(TypedDict):
    """A model, as the models list tells of it."""

    type: Literal["model"]
    id: str
    display_name: str
    created_at: str
    lifecycle: Literal["active"]
    max_input_tokens: NotRequired[int]
    max_tokens: NotRequired[int]


class ModelPage(TypedDict):
    data: list[ModelInfo]
    has_more: bool
    first_id: str | None
    last_id: str | None
