"""Requests about texts, described: how a backend is asked to embed or to judge them, and where its answer stands."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from dragoman.mapping.answers import ErrorPath, UsagePaths, or_path
from dragoman.mapping.requests import Asking, Headers, Sender, Templates, URLTemplate
from dragoman.mapping.variables import NAMES
from dragoman.paths import Path
from dragoman.reach import origin_of
from dragoman.templates import Names, speaking_of

MOST = 2048
"""Texts that a request of a caller's has at most."""
SPOKEN: Names = frozenset({"input", "text", "images", "model", "dimensions", "user", "metadata", "ext"})
"""What the templates of such requests can speak of."""


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class Told(_Options):
    """Where things stand in an answer about texts. Values are JMESPath."""

    usage: UsagePaths | None = None
    """The token counts."""
    error: Annotated[ErrorPath | None, BeforeValidator(or_path, json_schema_input_type=ErrorPath | str | None)] = None
    """Truthy: the backend failed, whatever its status says. Without it, the one of the backend's `response`."""


class Vectors(Told):
    """Where embeddings stand in an answer."""

    vectors: Path | None = None
    """The list of embeddings, in the order of the texts: each a list of numbers, or base64 of 32 bit floats."""
    vector: Path | None = None
    """The embedding, where one text is asked about."""

    @model_validator(mode="after")
    def _says_where_they_are(self) -> Self:
        if (self.vectors is None) == (self.vector is None):
            raise ValueError("needs either `vectors`, the path of a list of embeddings, or `vector`, that of one")
        return self


class Verdicts(Told):
    """Where it stands what is wrong with a text."""

    results: Path | None = None
    """The list of results, in the order of the texts, where several are asked about; the others are paths in each."""
    flagged: Path | None = None
    """Whether anything is wrong; without it, whether anything is wrong in any category."""
    categories: Path | None = None
    """What is wrong: true or false by category, or a list of those that are."""
    scores: Path | None = None
    """A number by category, from 0 to 1; without `categories`, those from 0.5 on are wrong."""
    map: dict[str, str] = {}
    """The backend's words for categories, in OpenAI's, such as `{insult: harassment}`."""

    @model_validator(mode="after")
    def _says_what_is_wrong(self) -> Self:
        if not (self.flagged or self.categories or self.scores):
            raise ValueError("needs `flagged`, `categories` or `scores`, the path of what is wrong with a text")
        return self


class AboutTexts(_Options):
    """How a backend is asked about texts."""

    url: Annotated[URLTemplate, speaking_of(SPOKEN)] = ""
    """Where to, at the backend's own origin; the backend's own URL if it is left out."""
    method: Literal["GET", "POST", "PUT"] = "POST"
    """How it is asked."""
    headers: Annotated[Headers, speaking_of(SPOKEN)] = {}
    """Sent beside the backend's own; one whose value is undefined is left out."""
    query: Annotated[Templates, speaking_of(SPOKEN)] = {}
    """Added to the URL's query."""
    request: Annotated[Any, speaking_of(SPOKEN)] = None
    """The body. Templates speak of `input` (a list of texts) or `text` (one), `model`, `dimensions`, `user`, `images`,
    `metadata` and `ext`."""
    request_format: Literal["json", "form", "text"] = "json"
    """How the body is sent."""
    batch: Annotated[int, Field(ge=1, le=MOST)] | None = None
    """How many texts one request takes. Without it, all, or one where the request speaks of `text`, or the answer has
    one result."""
    parallel: Annotated[int, Field(ge=1, le=64)] = 8
    """How many requests are open at once for one call."""
    response: Told
    """Where things stand in the answer."""

    @model_validator(mode="after")
    def _asks_about_texts(self) -> Self:
        if self.method == "GET" and self.request is not None:
            raise ValueError("a GET has no body: put what `request` has into `query`")
        if not self.speaks("input", "text", "images"):
            raise ValueError("neither speaks of `input`, the texts, nor of `text`, one of them")
        if self.batch not in (None, 1) and self.speaks("text"):
            raise ValueError("`text` is one text: leave `batch` out, or speak of `input`")
        return self

    def speaks(self, *names: str) -> bool:
        """Whether the templates speak of one of these."""
        return not self.sender(self.url or "http://backend", {}).names.isdisjoint(names)

    def sender(self, url: str, headers: Headers) -> Sender:
        """What makes the requests, at the backend's URL and with its own headers, where these have templates."""
        asked = {name: getattr(self, name) for name in ("method", "query", "request", "request_format")}
        asking = Asking.model_construct(**asked, url=self.url or url, headers={**headers, **self.headers})
        return Sender(asking, origin_of(url), SPOKEN | NAMES)

    @property
    def one(self) -> bool:
        """Whether an answer has a single result."""
        return False

    @property
    def most(self) -> int:
        """How many texts one request takes."""
        return self.batch or (1 if self.one or self.speaks("text") else MOST)


class Embeddings(AboutTexts):
    """How texts are embedded."""

    response: Vectors
    """Where the embeddings stand."""

    @property
    def one(self) -> bool:
        return self.response.vector is not None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.one and self.most > 1:
            raise ValueError("`response.vector` is one embedding: leave `batch` out, or give `vectors`")
        return self


class Moderations(AboutTexts):
    """How it is found out what is wrong with texts."""

    response: Verdicts
    """Where it stands what is wrong."""

    @property
    def one(self) -> bool:
        return self.response.results is None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.one and self.most > 1:
            raise ValueError("several texts in a request need `response.results`, the path of the list of results")
        return self
