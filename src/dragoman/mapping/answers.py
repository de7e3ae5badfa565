"""Where things stand in what a backend says: paths into its whole answer, or into each event of its stream."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from dragoman.mapping.requests import Parts, URLTemplate
from dragoman.paths import Path
from dragoman.units import PerSecond

Meaning = Literal["text", "all", "finish", "error", "ignore"]


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


def or_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


class Finish(_Options):
    """Where the reason for an answer's end stands, and what the backend's words mean in OpenAI's."""

    path: Path
    """The word for it."""
    map: dict[str, Literal["stop", "length", "tool_calls", "content_filter", "function_call"] | None] = {}
    """The backend's words; null, or absence, for those that mean "not yet". Without it, common words are understood."""


class UsagePaths(_Options):
    """Where the token counts stand."""

    prompt: Path | None = None
    """Those of the request."""
    completion: Path | None = None
    """Those of the answer."""
    total: Path | None = None
    """Both together; of three, one may be missing."""
    cached: Path | None = None
    """Those of the prompt that came from a cache."""
    reasoning: Path | None = None
    """Those of the completion that were reasoning."""


class ErrorPath(_Options):
    """Where an error stands; if it is there, and neither false nor empty, the backend failed."""

    path: Path
    """The error's message."""
    status: Path | None = None
    """A number that is read as an HTTP status would be, such as 429."""
    show: bool = False
    """Let callers read the message."""


class ToolCallPaths(_Options):
    """Where the backend's own tool calls stand."""

    path: Path
    """The list of calls, or one call."""
    id: Path | None = None
    """In a call, as are the following. Without it, ids are made."""
    name: Path = "name"
    """The function's name."""
    arguments: Path = "arguments"
    """An object, or JSON text; in a stream also pieces of that text."""
    index: Path | None = None
    """In a stream, which of the calls a piece belongs to."""


class Citations(_Options):
    """Where the sources stand that an answer cites."""

    path: Path
    """The list of sources: URLs, or objects."""
    url: Path = "url"
    """Its address, in a source that is an object."""
    title: Path = "title"
    """Its title, in a source that is an object."""


class Answered(_Options):
    """Where things stand in an answer or an event. Values are JMESPath; false and null count as nothing."""

    format: Literal["json", "text"] = "json"
    """`text`: what comes is the text itself."""
    text: Path | None = None
    """The answer's text."""
    reasoning: Path | None = None
    """What it thought before, given to callers as `reasoning_content`."""
    finish: Annotated[Finish | None, BeforeValidator(or_path, json_schema_input_type=Finish | str | None)] = None
    """Why it ended."""
    usage: UsagePaths | None = None
    """The token counts."""
    tool_calls: ToolCallPaths | None = None
    """The backend's own tool calls."""
    refusal: Path | None = None
    """Its refusal, in place of a text."""
    citations: Annotated[Citations | None, BeforeValidator(or_path, json_schema_input_type=Citations | str | None)] = (
        None
    )
    """What it cites, given to callers as `annotations`."""
    error: Annotated[ErrorPath | None, BeforeValidator(or_path, json_schema_input_type=ErrorPath | str | None)] = None
    """Truthy: the backend failed, whatever its status says."""
    session: Path | None = None
    """The conversation's id at the backend."""


class Response(Answered):
    """The whole answer."""

    @model_validator(mode="after")
    def _says_where_the_text_is(self) -> "Response":
        if self.format == "json" and self.text is None and self.tool_calls is None:
            raise ValueError("needs `text`, the path of the answer's text, or `format: text`")
        return self


class Stream(Answered, Parts):
    """The answer in events. Paths that are not given are those of `response`."""

    framing: Literal["sse", "ndjson", "json-array", "text", "websocket"] | None = None
    """How events are told apart; without it the backend does not stream, and its whole answer is cut into pieces."""
    method: Literal["GET", "POST", "PUT"] | None = None
    """How it is asked when streaming."""
    url: URLTemplate | None = None
    """Asked instead when streaming. `headers`, `query` and `request` are merged over those of the backend."""
    mode: Literal["delta", "snapshot"] = "delta"
    """`snapshot`: each event repeats all the text so far."""
    event: Path | None = None
    """Where an event's name stands in its JSON; without it, names are those of the framing (SSE's `event:`)."""
    events: dict[str, Meaning] = {}
    """What events of a name mean: `text` (or `all`) is read by all paths; `finish` by all but the text's, and ends the
    stream; `error` says that the backend failed; `ignore`, like every name that is not here, says nothing."""
    pace: PerSecond | None = None
    """A typing effect: at most so many pieces a second, such as `40/s`."""
