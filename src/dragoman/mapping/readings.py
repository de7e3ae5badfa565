"""Reads what a backend says by compiled paths: its JSON in, chunks out."""

from collections.abc import Callable
from typing import Any

from dragoman.call import Chunk
from dragoman.errors import (
    UpstreamBadEvent,
    UpstreamError,
    UpstreamFailure,
    UpstreamNoText,
    UpstreamNotFound,
    UpstreamStreamRewrite,
)
from dragoman.json import dumped, loaded
from dragoman.mapping.answers import Answered, Citations, ErrorPath, Finish, Meaning, Stream, ToolCallPaths, UsagePaths
from dragoman.paths import Find, found
from dragoman.upstream import Explained, failure_of_status

SHOWN = 2048
OPENAIS = frozenset({"stop", "length", "tool_calls", "content_filter", "function_call"})
"""OpenAI's finish reasons."""

Add = Callable[[Any, Chunk], None]


def _nothing(value: Any) -> None:
    return None


def _find(path: str | None) -> Find:
    return found(path) if path else _nothing


def text_in(value: Any) -> str | None:
    """What was found, as text; None for nothing and false. What is not text is shown as JSON."""
    if value is None or value is False:
        return None
    return value if isinstance(value, str) else dumped(value).decode()


class Reading:
    """Compiled paths. Those that `paths` does not give are taken from `other`."""

    def __init__(self, paths: Answered, other: Answered | None = None, forgotten: str | None = None) -> None:
        other = other or Answered()
        self.path = paths.text or other.text or ""
        self._text = _find(self.path)
        self._finish = _Finishing(paths.finish or other.finish)
        self._usage = _usage_finds(paths.usage or other.usage or UsagePaths())
        self._error = _Failing(paths.error or other.error, forgotten)
        self._calls = paths.tool_calls or other.tool_calls
        self._beside = _beside(
            paths.reasoning or other.reasoning, paths.refusal or other.refusal, paths.citations or other.citations
        )
        self.finish, self.check, self.explain = self._finish.reason, self._error.check, self._error.explain
        session = paths.session or other.session
        self._session = _find(session)
        self.may_fail = bool(paths.error or other.error or forgotten)
        self.only_text = not (self._usage or self._beside or self._calls or session)

    def calls(self) -> "ToolCalls | None":
        """A reader of one answer's tool calls, where there are paths to them."""
        return ToolCalls(self._calls) if self._calls else None

    def text(self, value: Any) -> str | None:
        """The text, None if the path finds nothing."""
        text = self._text(value)
        return text if isinstance(text, str) else text_in(text)

    def session(self, value: Any) -> str | None:
        """The conversation's id."""
        return text_in(self._session(value))

    def usage(self, value: Any) -> dict[str, Any]:
        """The counts that are there."""
        return {name: count for name, find in self._usage if isinstance(count := find(value), int)}

    def whole(self, value: Any, texted: bool = False) -> Chunk:
        """A whole answer; `texted`: there was text before. Raises UpstreamNoText or another UpstreamFailure."""
        self.check(value)
        chunk = Chunk(finish=self.finish(value) or "stop", usage=told_usage(self.usage(value)))
        self.add_beside(value, chunk)
        if calls := self.calls():
            chunk.tool_calls = calls.found(value)
        text = self.text(value)
        if text is None and not (texted or chunk.tool_calls or chunk.delta):
            detail = f"`{self.path}` finds nothing in the answer, which has {_shape(value)}"
            raise UpstreamNoText(detail=f"{detail}; `dragoman check FILE --try` shows what would have")
        chunk.text = text or ""
        return chunk

    def add_beside(self, value: Any, chunk: Chunk) -> None:
        """What is said beside the text."""
        for add in self._beside:
            add(value, chunk)


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return "the keys " + ", ".join(list(value)[:20]) if value else "no keys"
    return f"the type {type(value).__name__}"


class _Finishing:
    def __init__(self, finish: Finish | None) -> None:
        self._find = _find(finish.path if finish else None)
        self._words: dict[str, str | None] = dict(finish.map) if finish else {}

    def reason(self, value: Any) -> str | None:
        """The finish reason, None while there is none: where words are mapped, only those and OpenAI's own are."""
        word = self._find(value)
        if word is None or word is False or word == "":
            return None
        word = "true" if word is True else str(word)
        if self._words:
            return self._words.get(word, word if word in OPENAIS else None)
        return "stop" if word == "true" else word


class _Failing:
    def __init__(self, error: ErrorPath | None, forgotten: str | None) -> None:
        self._forgotten = _find(forgotten)
        self._find = _find(error.path if error else None)
        self._status = _find(error.status if error else None)
        self._show = bool(error and error.show)

    def check(self, value: Any) -> None:
        """Raises an UpstreamFailure if the answer says that it is an error."""
        if self._forgotten(value):
            raise UpstreamNotFound(detail="the backend has forgotten the session")
        if said := self._find(value):
            raise self._failure(said, value)

    def _failure(self, said: Any, value: Any) -> UpstreamFailure:
        detail = f"the backend says: {text_in(said)}"[:SHOWN]
        message = text_in(said) if self._show else None
        status = _number(self._status(value))
        if status is None or not 400 <= status < 600:
            return UpstreamError(message, detail=detail)
        return failure_of_status(status, "", detail, Explained(message))

    def explain(self, value: Any, status: int) -> Explained | None:
        """What an answer with an error's status says of it."""
        if self._forgotten(value):
            return Explained(status=404)
        said = self._find(value)
        told = _number(self._status(value)) if said else None
        return Explained(text_in(said) if self._show else None, status=told) if said else None


def _number(value: Any) -> int | None:
    return int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else None


def _usage_finds(paths: UsagePaths) -> list[tuple[str, Find]]:
    return [(name, found(path)) for name in UsagePaths.model_fields if (path := getattr(paths, name))]


def told_usage(counts: dict[str, int]) -> dict[str, Any] | None:
    """OpenAI's usage object out of what was counted; None if nothing was."""
    if not counts:
        return None
    asked, answered, total = counts.get("prompt"), counts.get("completion"), counts.get("total")
    if total is not None:
        asked = max(0, total - (answered or 0)) if asked is None else asked
        answered = max(0, total - asked) if answered is None else answered
    told: dict[str, Any] = {"prompt_tokens": asked or 0, "completion_tokens": answered or 0}
    if "cached" in counts:
        told["prompt_tokens_details"] = {"cached_tokens": counts["cached"]}
    if "reasoning" in counts:
        told["completion_tokens_details"] = {"reasoning_tokens": counts["reasoning"]}
    return told


def _beside(reasoning: str | None, refusal: str | None, citations: Citations | None) -> list[Add]:
    named = {"reasoning_content": reasoning, "refusal": refusal}
    adds = [_adding(name, found(path)) for name, path in named.items() if path]
    return [*adds, _citing(citations)] if citations else adds


def _adding(name: str, find: Find) -> Add:
    def add(value: Any, chunk: Chunk) -> None:
        if text := text_in(find(value)):
            chunk.delta = {**(chunk.delta or {}), name: text}

    return add


def _citing(citations: Citations) -> Add:
    find, find_url, find_title = found(citations.path), found(citations.url), found(citations.title)

    def cited(source: Any) -> tuple[Any, Any]:
        return (source, None) if isinstance(source, str) else (find_url(source), find_title(source))

    def add(value: Any, chunk: Chunk) -> None:
        sources = find(value)
        told = [_annotation(*cited(source)) for source in (sources if isinstance(sources, list) else [sources])]
        if annotations := [annotation for annotation in told if annotation]:
            chunk.delta = {**(chunk.delta or {}), "annotations": annotations}

    return add


def _annotation(url: Any, title: Any) -> dict[str, Any] | None:
    if not isinstance(url, str) or not url:
        return None
    cited = {"url": url, "title": title if isinstance(title, str) else "", "start_index": 0, "end_index": 0}
    return {"type": "url_citation", "url_citation": cited}


class ToolCalls:
    """Reads the tool calls of one answer; in a stream, which pieces belong together."""

    def __init__(self, paths: ToolCallPaths) -> None:
        self._path, self._id, self._index = found(paths.path), _find(paths.id), _find(paths.index)
        self._name, self._arguments = found(paths.name), found(paths.arguments)
        self._places: dict[str, int] = {}
        self._count = 0

    def found(self, value: Any) -> list[dict[str, Any]] | None:
        """OpenAI's tool call deltas."""
        calls = self._path(value)
        items = calls if isinstance(calls, list) else [calls]
        return [self._delta(item) for item in items if isinstance(item, dict)] or None

    def _delta(self, item: dict[str, Any]) -> dict[str, Any]:
        id, name, arguments = text_in(self._id(item)), text_in(self._name(item)), self._arguments(item)
        function = {**({"name": name} if name else {}), **({} if arguments is None else {"arguments": arguments})}
        return {
            "index": self._place(text_in(self._index(item)) or id, bool(name)),
            **({"id": id} if id else {}),
            "function": function,
        }

    def _place(self, which: str | None, named: bool) -> int:
        """The call's place: known by its index or id; what has neither begins a new call if it has a name."""
        if which is None:
            self._count += 1 if named or not self._count else 0
            return self._count - 1
        if which not in self._places:
            self._places[which] = self._count
            self._count += 1
        return self._places[which]


class Said:
    """What a stream has said so far."""

    def __init__(self, reading: Reading, stream: Stream) -> None:
        self._reading = reading
        self._calls = reading.calls()
        self._plain = stream.format == "text"
        self._snapshot = _Snapshot() if stream.mode == "snapshot" else None
        self._only_text = reading.only_text and self._snapshot is None
        self._event = found(stream.event) if stream.event else None
        self._meanings: dict[str, Meaning] = dict(stream.events)
        self._counts: dict[str, int] = {}
        self._cited: dict[str, dict[str, Any]] = {}
        self.session: str | None = None
        self.events = 0
        self.value: Any = None
        """The JSON of the last event."""
        self.texted = False
        """Whether there was any text, or a tool call."""
        self.over = False
        """Whether an event has ended the stream."""
        self.ends_by_itself = stream.finish is None and "finish" not in self._meanings.values()
        """Whether a stream that just ends is whole."""

    def chunk(self, event: bytes) -> Chunk:
        """The chunk that an event stands for. Raises UpstreamBadEvent, UpstreamError or UpstreamStreamRewrite."""
        if self._plain:
            return Chunk(text=event.decode(errors="replace"))
        self.events += 1
        self.value = value = _json(event)
        if self._event is None:
            return self._read(value, self._reading.text(value) or "")
        return self._meant(self._meaning(text_in(self._event(value)) or ""), event)

    def named(self, named: tuple[bytes, bytes]) -> Chunk:
        """The same for an event whose framing names it."""
        name, event = named
        meaning = self._meaning(name.decode(errors="replace"))
        if meaning == "ignore":
            return Chunk()
        self.events += 1
        readable = not self._plain and (meaning in ("text", "all") or event.startswith((b"{", b"[")))
        self.value = _json(event) if readable else None
        return self._meant(meaning, event)

    def ending(self) -> Chunk:
        """The last chunk of a stream that ends by ending. Raises UpstreamNoText if it had events, and no text."""
        if self.events and not self.texted:
            raise UpstreamNoText(detail=f"`{self._reading.path}` finds nothing in any event")
        return self._citing(Chunk(finish="stop"))

    def _meaning(self, name: str) -> Meaning:
        return self._meanings.get(name, "ignore")

    def _meant(self, meaning: Meaning, event: bytes) -> Chunk:
        value = self.value
        match meaning:
            case "ignore":
                return Chunk()
            case "error":
                self._reading.check(value)
                raise UpstreamError(detail=f"the backend says: {event.decode(errors='replace')}"[:SHOWN])
            case "finish":
                self.over = True
                chunk = self._read(value, "" if self.texted else self._reading.text(value) or "")
                chunk.finish = chunk.finish or "stop"
                return self._citing(chunk)
            case _ if self._plain:
                self.texted = True
                return Chunk(text=event.decode(errors="replace"))
            case _:
                return self._read(value, self._reading.text(value) or "")

    def _read(self, value: Any, text: str) -> Chunk:
        reading = self._reading
        if reading.may_fail:
            reading.check(value)
        chunk = Chunk(text, reading.finish(value))
        if self._only_text:
            self.texted = self.texted or text != ""
            return chunk
        self._add(value, chunk)
        self.texted = self.texted or bool(chunk.text or chunk.tool_calls or chunk.delta)
        return self._citing(chunk) if chunk.finish else chunk

    def _add(self, value: Any, chunk: Chunk) -> None:
        """What an event says beside the text and the finish."""
        reading = self._reading
        if counts := reading.usage(value):
            self._counts |= counts
            chunk.usage = told_usage(self._counts)
        reading.add_beside(value, chunk)
        if self._calls:
            chunk.tool_calls = self._calls.found(value)
        if self._snapshot:
            self._snapshot.cut(chunk)
        if chunk.delta and "annotations" in chunk.delta:
            self._cite(chunk.delta)
        self.session = reading.session(value) or self.session

    def _cite(self, delta: dict[str, Any]) -> None:
        """Keeps sources for the end, each once: clients cannot join lists that come in several events."""
        for source in delta.pop("annotations"):
            self._cited.setdefault(source["url_citation"]["url"], source)

    def _citing(self, chunk: Chunk) -> Chunk:
        """The last chunk, with all sources."""
        if self._cited:
            chunk.delta = {**(chunk.delta or {}), "annotations": list(self._cited.values())}
            self._cited = {}
        return chunk


class _Snapshot:
    """What events that repeat everything have said so far."""

    def __init__(self) -> None:
        self._texts: dict[Any, str] = {}

    def cut(self, chunk: Chunk) -> None:
        """Leaves in a chunk what is new. Raises UpstreamStreamRewrite if it takes back what was said."""
        chunk.text = self._news("text", chunk.text)
        for name, text in (chunk.delta or {}).items():
            if isinstance(text, str):
                chunk.delta = {**(chunk.delta or {}), name: self._news(name, text)}
        chunk.tool_calls = [call for call in chunk.tool_calls or () if self._cut_call(call)] or None

    def _cut_call(self, call: dict[str, Any]) -> bool:
        """Whether anything of a tool call is new."""
        place, function = call["index"], call["function"]
        known = ("call", place) in self._texts
        arguments = function.get("arguments")
        text = arguments if isinstance(arguments, str) else "" if arguments is None else dumped(arguments).decode()
        function["arguments"] = self._news(("call", place), text)
        self._texts.setdefault(("call", place), "")
        return not known or bool(function["arguments"])

    def _news(self, place: Any, text: str) -> str:
        before = self._texts.get(place, "")
        if text and not text.startswith(before):
            raise UpstreamStreamRewrite(detail="a snapshot does not begin with the one before")
        if text:
            self._texts[place] = text
        return text[len(before) :]


def _json(event: bytes) -> Any:
    try:
        return loaded(event, replace=True)
    except ValueError as error:
        raise UpstreamBadEvent(detail=f"not JSON: {error}") from error
