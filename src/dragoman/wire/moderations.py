"""The moderations request and answer (OpenAI API reference, `POST /v1/moderations`)."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag
from typing_extensions import TypedDict

from dragoman.shapes import LENIENT, Printable

CATEGORIES = (
    "harassment",
    "harassment/threatening",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm",
    "self-harm/instructions",
    "self-harm/intent",
    "sexual",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
"""OpenAI's categories; every answer has them all."""
SEEN = frozenset(name for name in CATEGORIES if name.startswith(("self-harm", "sexual", "violence"))) - {
    "sexual/minors"
}
"""Those that images are judged by, too."""
MOST_TEXTS = 2048

Text = Annotated[str, Field(min_length=1)]


class TextPart(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["text"]
    text: Text


class ImageURL(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    url: str


class ImagePart(TypedDict):
    __pydantic_config__ = LENIENT  # type: ignore[misc]
    type: Literal["image_url"]
    image_url: ImageURL


def _part_kind(value: Any) -> str | None:
    kind = value.get("type") if isinstance(value, dict) else None
    return f"~{kind}" if kind in ("text", "image_url") else None


Part = Annotated[
    Annotated[TextPart, Tag("~text")] | Annotated[ImagePart, Tag("~image_url")],
    Discriminator(_part_kind, custom_error_type="needs_type", custom_error_message="'text' or 'image_url'"),
]


def _kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "~text"
    if not isinstance(value, list):
        return None
    return "~parts" if value and isinstance(value[0], dict) else "~texts"


Input = Annotated[
    Annotated[Text, Tag("~text")]
    | Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS), Tag("~texts")]
    | Annotated[list[Part], Field(max_length=64), Tag("~parts")],
    Discriminator(
        _kind,
        custom_error_type="needs_content",
        custom_error_message="a string, an array of strings, or an array of parts",
    ),
]


class ModerationsRequest(BaseModel):
    """What a caller asks. Fields that are not listed are kept for the backend."""

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        frozen=True,
        protected_namespaces=(),
        json_schema_extra={"example": {"input": "I will find you."}},
    )

    model: Printable | None = None
    """Without it, OpenAI's usual one, or the first that can moderate."""
    input: Input

    @property
    def texts(self) -> list[Any]:
        """The texts; an array of parts is one."""
        many = isinstance(self.input, list) and isinstance(self.input[0], str)
        return list(self.input) if many else [self.input]


class ModerationResult(TypedDict):
    flagged: bool
    categories: dict[str, bool]
    category_scores: dict[str, float]
    category_applied_input_types: dict[str, list[Literal["text", "image"]]]


class ModerationsAnswer(TypedDict):
    """What is wrong with each text, in their order."""

    id: str
    model: str
    results: list[ModerationResult]
