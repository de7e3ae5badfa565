"""One exchange with a mapped chat API: the request made from a template, the answer read by paths."""

from codecs import getincrementaldecoder
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import lru_cache
from typing import Any, Literal

from pydantic import model_validator

from dragoman.call import Ability, Call, Chunk, Handler, Telling
from dragoman.errors import UpstreamBadContentType, UpstreamBadEncoding, UpstreamBadResponse
from dragoman.json import loaded
from dragoman.mapping.answers import FRAMINGS, Reading, Response, Said, Stream
from dragoman.mapping.framing import END, Framing
from dragoman.mapping.templates import RequestTemplate, Template
from dragoman.reach import HTTPURL, Reach
from dragoman.upstream import Answer, Explained, Upstream
from dragoman.wire.chat import ChatRequest

ACCEPT = {
    "sse": "text/event-stream",
    "ndjson": "application/x-ndjson",
    "text": "text/plain",
    "json": "application/json",
}
NEVER_IGNORED = frozenset({"model", "messages", "stream", "stream_options"})
"""Parameters that every backend has use for."""


class Mapped(Reach):
    """A chat API behind a URL, described."""

    url: HTTPURL
    request: RequestTemplate
    """The JSON object sent."""
    response: Response | None = None
    stream: Stream = Stream()
    assume_content_type: str | None = None
    """For a backend that names its answers wrongly: the type they really are."""
    encoding: Literal["strict", "replace"] = "strict"
    """`replace`: bytes that are not UTF-8 become U+FFFD instead of an error."""

    @model_validator(mode="after")
    def _can_be_read(self) -> "Mapped":
        if self.response is None and self.stream.framing is None:
            raise ValueError(
                "needs `response` (with `text`, the path of the answer's text) or `stream` (with `framing`)"
            )
        texts = (self.stream.text, self.response and self.response.text, self.stream.format == "text" or None)
        if self.stream.framing in FRAMINGS and not any(texts):
            raise ValueError("needs `text` in `stream`, the path of the text in each event")
        return self

    @property
    def native(self) -> frozenset[Ability]:
        return frozenset({"stream"}) if self.stream.framing else frozenset()

    @property
    def pace(self) -> float | None:
        return self.stream.pace

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Handler]:
        async with Upstream(self.url, self, explain=_explaining(self.response)) as upstream:
            yield _Asking(self, upstream).handle


class _Asking:
    """The open backend."""

    def __init__(self, options: Mapped, upstream: Upstream) -> None:
        self._options = options
        self._upstream = upstream
        self._stream = options.stream
        self._template = Template(options.request)
        self._stream_template = Template(options.stream.request)
        self._whole_reading = Reading(options.response or options.stream)
        self._event_reading = Reading(options.stream, options.response)
        self._whole_format = options.response.format if options.response else "json"
        self._ignored = lru_cache(maxsize=1024)(self._unused)

    def handle(self, call: Call) -> AsyncIterator[Chunk]:
        ignored = self._ignored(frozenset(call.request.model_fields_set))
        return Telling(self._answered(call), {"ignored": ignored}) if ignored else self._answered(call)

    async def _answered(self, call: Call) -> AsyncIterator[Chunk]:
        request, framing = call.request, self._stream.framing
        if not request.stream and self._options.response is not None:
            framing = None
        body = self._template.filled(request)
        if framing:
            body = _merged(body, self._stream_template.filled(request))
        answer = await self._upstream.ask(call, body, ACCEPT[framing or self._whole_format])
        kind = self._options.assume_content_type or answer.type
        if framing == "sse" and "json" in kind and self._options.response:
            framing = None
        _check_type(kind, framing or self._whole_format)
        if framing is None:
            yield await self._whole(answer)
            return
        async for chunk in self._plain(answer) if framing == "text" else self._events(answer, FRAMINGS[framing]()):
            yield chunk

    def _unused(self, given: frozenset[str]) -> str:
        """The parameters that the templates have no use for."""
        used = self._template.names | self._stream_template.names | NEVER_IGNORED
        if used & {"max_tokens", "max_completion_tokens"}:
            used |= {"max_tokens", "max_completion_tokens"}
        known = frozenset(ChatRequest.model_fields)
        return ",".join(sorted((given & known) - used))

    async def _whole(self, answer: Answer) -> Chunk:
        body = await answer.whole()
        replace = self._options.encoding == "replace"
        try:
            if self._whole_format == "text":
                return Chunk(text=body.decode("utf-8-sig", "replace" if replace else "strict"), finish="stop")
            value = loaded(body, replace)
        except UnicodeDecodeError as error:
            raise UpstreamBadEncoding(detail="not UTF-8; `encoding: replace` would accept it") from error
        except ValueError as error:
            raise UpstreamBadResponse(detail=f"not JSON: {error}") from error
        reading = self._whole_reading
        reading.check(value)
        text = reading.text(value)
        if text is None:
            raise UpstreamBadResponse(detail=f"`{reading.path}` finds nothing in the answer, which has {_shape(value)}")
        return Chunk(text=text, finish=reading.finish(value) or "stop", usage=reading.usage(value))

    async def _plain(self, answer: Answer) -> AsyncIterator[Chunk]:
        decoder = getincrementaldecoder("utf-8-sig")("replace")
        while piece := await answer.read(self._options.max_answer):
            if text := decoder.decode(piece):
                yield Chunk(text=text)
        yield Chunk(text=decoder.decode(b"", final=True), finish="stop")

    async def _events(self, answer: Answer, framing: Framing) -> AsyncIterator[Chunk]:
        said = Said(self._event_reading, self._stream)
        while piece := await answer.read():
            for event in framing.feed(piece):
                if event.endswith(END) and event.strip() == END:
                    answer.ended = True
                    yield said.ending()
                    return
                yield said.chunk(event)
        for event in framing.rest():
            if event.strip() != END:
                yield said.chunk(event)
        if not self._event_reading.ends_by_finish:
            yield said.ending()


def _check_type(kind: str, expected: str) -> None:
    accepted = {
        "json": "json" in kind,
        "ndjson": "json" in kind or "jsonl" in kind,
        "sse": kind == "text/event-stream",
        "text": kind.startswith("text/") and kind != "text/html",
    }
    if kind and not accepted[expected]:
        raise UpstreamBadContentType(
            detail=f"{kind} came where {ACCEPT[expected]} was expected; if the type is wrong, set `assume_content_type`"
        )


def _shape(value: Any) -> str:
    if isinstance(value, dict):
        return "the keys " + ", ".join(list(value)[:20]) if value else "no keys"
    return f"the type {type(value).__name__}"


def _merged(base: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {key: _merged(base[key], over[key]) for key in base.keys() & over.keys() if _dicts(base[key], over[key])}
    return {**base, **over, **both}


def _dicts(*values: Any) -> bool:
    return all(isinstance(value, dict) for value in values)


def _explaining(response: Response | None) -> Callable[[Any], Explained | None] | None:
    return Reading(response).explain if response and response.error else None
