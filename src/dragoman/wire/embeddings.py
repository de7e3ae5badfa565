"""The embeddings request and answer (OpenAI API reference, `POST /v1/embeddings`)."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag
from typing_extensions import TypedDict

from dragoman.shapes import Printable, User

MOST_TEXTS = 2048
MOST_TOKENS = 65_536
"""Of one text."""

Text = Annotated[str, Field(min_length=1)]
Token = Annotated[int, Field(ge=0, lt=2**31)]
Tokens = Annotated[list[Token], Field(min_length=1, max_length=MOST_TOKENS)]


def _kind(value: Any) -> str | None:
    if isinstance(value, str):
        return "~text"
    if not isinstance(value, list):
        return None
    first = value[0] if value else ""
    return "~tokens" if isinstance(first, int) else "~token_arrays" if isinstance(first, list) else "~texts"


Input = Annotated[
    Annotated[Text, Tag("~text")]
    | Annotated[list[Text], Field(min_length=1, max_length=MOST_TEXTS), Tag("~texts")]
    | Annotated[Tokens, Tag("~tokens")]
    | Annotated[list[Tokens], Field(min_length=1, max_length=MOST_TEXTS), Tag("~token_arrays")],
    Discriminator(
        _kind,
        custom_error_type="needs_content",
        custom_error_message="a string, an array of strings, or arrays of token numbers",
    ),
]


class EmbeddingsRequest(BaseModel):
    """What a caller asks. Fields that are not listed are kept for the backend."""

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        frozen=True,
        protected_namespaces=(),
        json_schema_extra={"example": {"model": "mock-gpt-model", "input": "Hello!"}},
    )

    model: Printable
    input: Input
    encoding_format: Literal["float", "base64"] | None = None
    dimensions: Annotated[int, Field(ge=1, le=65_536)] | None = None
    user: User | None = None

    @property
    def texts(self) -> list[Any]:
        """The texts or token arrays."""
        one = isinstance(self.input, str) or isinstance(self.input[0], int)
        return [self.input] if one else list(self.input)


class Embedding(TypedDict):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str
    """Numbers, or with `encoding_format: base64` their 32 bits each, little-endian."""


class EmbeddingsUsage(TypedDict):
    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(TypedDict):
    """The embeddings, in the order of the texts."""

    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: EmbeddingsUsage
