"""Reads what a backend says: paths into its whole answer, or into each event of its stream."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from dragoman.call import Chunk
from dragoman.errors import UpstreamBadEvent, UpstreamError, UpstreamStreamRewrite
from dragoman.json import dumped, loaded
from dragoman.mapping.framing import NDJSON, SSE, Framing
from dragoman.mapping.paths import Find, Path, found
from dragoman.mapping.templates import RequestTemplate
from dragoman.units import PerSecond
from dragoman.upstream import Explained

FRAMINGS: dict[str, Callable[[], Framing]] = {"sse": SSE, "ndjson": NDJSON}


def _or_path(value: Any) -> Any:
    return {"path": value} if isinstance(value, str) else value


class Finish(BaseModel):
    """Where the reason for an answer's end stands, and what the backend's words mean in OpenAI's."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    map: dict[str, Literal["stop", "length", "tool_calls", "content_filter", "function_call"] | None] = {}


class UsagePaths(BaseModel):
    """Where the token counts stand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    prompt: Path | None = None
    completion: Path | None = None


class ErrorPath(BaseModel):
    """Where an error's message stands. `show` lets callers read it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    path: Path
    show: bool = False


class Answered(BaseModel):
    """Where things stand in an answer or an event."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["json", "text"] = "json"
    """`text`: what comes is the text itself."""
    text: Path | None = None
    finish: Annotated[Finish | None, BeforeValidator(_or_path, json_schema_input_type=Finish | str | None)] = None
    usage: UsagePaths | None = None
    error: Annotated[ErrorPath | None, BeforeValidator(_or_path, json_schema_input_type=ErrorPath | str | None)] = None
    """Truthy: the backend failed, whatever its status says."""


class Response(Answered):
    """The whole answer."""

    @model_validator(mode="after")
    def _says_where_the_text_is(self) -> "Response":
        if self.format == "json" and self.text is None:
            raise ValueError("needs `text`, the path of the answer's text, or `format: text`")
        return self


class Stream(Answered):
    """The answer in events. Paths that are not given are those of `response`."""

    framing: Literal["sse", "ndjson", "text"] | None = None
    """How events are told apart; without it the backend does not stream, and its whole answer is cut into pieces."""
    request: RequestTemplate = {}
    """Merged into the request when streaming."""
    mode: Literal["delta", "snapshot"] = "delta"
    """`snapshot`: each event repeats all the text so far."""
    pace: PerSecond | None = None
    """A typing effect: at most so many pieces a second, such as `40/s`."""


class Reading:
    """Compiled paths: a backend's JSON in, chunks out."""

    def __init__(self, paths: Answered, other: Answered | None = None) -> None:
        other = other or Answered()
        self.path = paths.text or other.text or ""
        finish, error = paths.finish or other.finish, paths.error or other.error
        self._text = found(self.path) if self.path else _nothing
        self._finish: Find = found(finish.path) if finish else _nothing
        self._words: dict[str, str | None] = dict(finish.map) if finish else {}
        self._error: Find = found(error.path) if error else _nothing
        self._show = bool(error and error.show)
        usage = paths.usage or other.usage or UsagePaths()
        self._usage = {
            name: found(path)
            for name, path in (("prompt_tokens", usage.prompt), ("completion_tokens", usage.completion))
            if path
        }
        self.ends_by_finish = paths.finish is not None

    def text(self, value: Any) -> str | None:
        """The text, None if the path finds nothing. What is not text is shown as JSON."""
        text = self._text(value)
        return text if text is None or isinstance(text, str) else dumped(text).decode()

    def finish(self, value: Any) -> str | None:
        """The finish reason, None while there is none: where words are mapped, only those are reasons."""
        word = self._finish(value)
        if word is None or word is False or word == "":
            return None
        if self._words:
            return self._words.get(str(word).lower() if word is True else str(word))
        return "stop" if word is True else str(word)

    def usage(self, value: Any) -> dict[str, Any] | None:
        counts = {name: count for name, find in self._usage.items() if isinstance(count := find(value), int)}
        return counts or None

    def check(self, value: Any) -> None:
        """Raises UpstreamError if the answer says that it is an error."""
        if said := self._error(value):
            message = str(said) if self._show else None
            raise UpstreamError(message, detail=f"the backend says: {said}"[:2048])

    def explain(self, value: Any) -> Explained | None:
        said = self._error(value) if self._show else None
        return Explained(str(said)) if said else None


def _nothing(value: Any) -> None:
    return None


class Said:
    """What a stream has said so far."""

    def __init__(self, reading: Reading, stream: Stream) -> None:
        self._reading = reading
        self._plain = stream.format == "text"
        self._snapshot = "" if stream.mode == "snapshot" else None

    def chunk(self, event: bytes) -> Chunk:
        """The chunk that an event stands for. Raises UpstreamBadEvent, UpstreamError or UpstreamStreamRewrite."""
        if self._plain:
            return Chunk(text=event.decode(errors="replace"))
        try:
            value = loaded(event, replace=True)
        except ValueError as error:
            raise UpstreamBadEvent(detail=f"not JSON: {error}") from error
        reading = self._reading
        reading.check(value)
        text = reading.text(value) or ""
        if self._snapshot is not None:
            text = self._new(text)
        return Chunk(text=text, finish=reading.finish(value), usage=reading.usage(value))

    def _new(self, text: str) -> str:
        before = self._snapshot or ""
        if text and not text.startswith(before):
            raise UpstreamStreamRewrite(detail="a snapshot does not begin with the one before")
        self._snapshot = text or before
        return text[len(before) :]

    def ending(self) -> Chunk:
        """The finish of a stream that ends by ending. Where a reason was given already, it stays."""
        return Chunk(finish="stop")
