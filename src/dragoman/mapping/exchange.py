"""An exchange with a mapped chat API: the request made from templates, the answer read by paths."""

from abc import ABC, abstractmethod
from codecs import getincrementaldecoder
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from dragoman.abilities import PARAMETERS
from dragoman.call import Call, Chunk, Handler, Telling
from dragoman.errors import UpstreamBadContentType, UpstreamBadEncoding, UpstreamBadResponse
from dragoman.ground import Ground, by_kind
from dragoman.json import loaded
from dragoman.mapping.answers import Answered
from dragoman.mapping.batches import Batches
from dragoman.mapping.framing import END, NDJSON, SSE, JSONArray, NamedSSE
from dragoman.mapping.jobs import Jobs
from dragoman.mapping.mapped import Mapped
from dragoman.mapping.readings import Reading, Said
from dragoman.mapping.requests import Sender
from dragoman.mapping.sessions import Heard, Sessions
from dragoman.mapping.sockets import Sockets
from dragoman.mapping.texts import AboutTexts
from dragoman.mapping.variables import MEANT, variables
from dragoman.outgoing import Login, Outgoing
from dragoman.reach import Reach, origin_of
from dragoman.upstream import Answer, Explain, Upstream
from dragoman.wire.chat import ChatRequest

ACCEPT = {
    "sse": "text/event-stream",
    "ndjson": "application/x-ndjson",
    "json-array": "application/json",
    "text": "text/plain",
    "json": "application/json",
}
FRAMINGS: dict[str, Any] = {"sse": SSE, "ndjson": NDJSON, "json-array": JSONArray}
NEVER_IGNORED = frozenset({"model", "messages", "stream_options"}).union(
    *(fields for ability, fields in PARAMETERS.items() if ability not in ("tools", "functions"))
)
"""Parameters that every backend has use for, or that are seen to before it is asked."""


@asynccontextmanager
async def opened(options: Mapped, ground: Ground) -> AsyncIterator[Handler]:
    """The handler of a described chat API, while it is open."""
    fixed = {name: value for name, value in options.headers.items() if "{" not in value}
    given = {name: getattr(options, name) for name in Reach.model_fields.keys() & options.model_fields_set}
    reach = Reach(**{**given, "headers": fixed})
    async with AsyncExitStack() as opening:
        login = await opening.enter_async_context(options.auth.opened()) if options.auth else None
        way = _Way(reach, login, ground, opening)
        to_texts = replace(way, reach=reach.for_texts())
        chat = await _chatting(options, way) if options.chats else None
        looking = {name: await _looking(about, options, to_texts) for name, about in options.of_texts.items()}
        yield by_kind(chat, looking.get("embeddings"), looking.get("moderations"))


@dataclass(frozen=True)
class _Way:
    """How a backend is reached, and until when."""

    reach: Reach
    login: Login | None
    ground: Ground
    opening: AsyncExitStack

    async def opened(self, url: str, explain: Explain) -> Upstream:
        """What is there."""
        upstream = Upstream(url, self.reach, explain, self.login, self.ground.tape)
        return await self.opening.enter_async_context(upstream)


async def _chatting(options: Mapped, way: _Way) -> Handler:
    base = origin_of(options.url)
    if options.stream.framing == "websocket":
        return SocketExchange(options, Sockets(base, way.reach, way.login, way.ground.tape)).handle
    explain = Reading(options.response or options.stream, forgotten=options.forgotten).explain
    return HTTPExchange(options, await way.opened(base, explain), way.ground).handle


async def _looking(about: AboutTexts, options: Mapped, way: _Way) -> Handler:
    """What is asked about texts; errors stand where they do in chat, unless it is said otherwise."""
    error = about.response.error or (options.response and options.response.error)
    reading = Reading(Answered(usage=about.response.usage, error=error))
    sender = about.sender(options.web_url, options.asked.headers)
    return Batches(about, sender, reading, await way.opened(origin_of(options.web_url), reading.explain)).handle


class _Exchange(ABC):
    """A described chat API that is open."""

    def __init__(self, options: Mapped) -> None:
        self._options, self._stream = options, options.stream
        self._base = origin_of(options.url)
        self._event_reading = Reading(options.stream, options.response, options.forgotten)
        self._sender = Sender(options.asked, self._base)
        self._stream_sender = Sender(options.asked_streaming, self._base)
        self._names = self._used = self._sender.names | self._stream_sender.names
        self._ignored = lru_cache(maxsize=1024)(self._unused)

    def handle(self, call: Call) -> AsyncIterator[Chunk]:
        ignored = self._ignored(frozenset(call.request.model_fields_set))
        chunks = self.answered(call)
        return Telling(chunks, {"ignored": ignored}) if ignored else chunks

    def _unused(self, given: frozenset[str]) -> str:
        """The parameters that the templates have no use for."""
        used = self._used.union(NEVER_IGNORED, *(MEANT.get(name, ()) for name in self._used))
        return ",".join(sorted((given & ChatRequest.model_fields.keys()) - used))

    @abstractmethod
    def answered(self, call: Call) -> AsyncIterator[Chunk]:
        """The chunks of an answer."""


class SocketExchange(_Exchange):
    """Over a WebSocket: one message asks, each that comes is an event."""

    def __init__(self, options: Mapped, sockets: Sockets) -> None:
        super().__init__(options)
        self._sockets = sockets

    async def answered(self, call: Call) -> AsyncIterator[Chunk]:
        asked = self._stream_sender.made(variables(call.request, self._names))
        said = Said(self._event_reading, self._stream)
        async for message in self._sockets.messages(call, asked):
            if message.strip() == END:
                yield said.ending()
                return
            chunk = said.chunk(message)
            if chunk.says:
                yield chunk
            if said.over or chunk.finish:
                return
        if said.ends_by_itself:
            yield said.ending()


class HTTPExchange(_Exchange):
    """Over HTTP."""

    def __init__(self, options: Mapped, upstream: Upstream, ground: Ground) -> None:
        super().__init__(options)
        self._upstream = upstream
        self._whole_reading = Reading(options.response or options.stream, forgotten=options.forgotten)
        self._whole_format = options.response.format if options.response else "json"
        self._jobs = Jobs(options.poll, upstream, self._whole_reading, self._base) if options.poll else None
        if self._jobs:
            self._names |= self._jobs.names
        self._sessions = Sessions(options.session, upstream, ground, self._names) if options.session else None
        self._used |= self._names | (self._sessions.names if self._sessions else frozenset())

    def answered(self, call: Call) -> AsyncIterator[Chunk]:
        return self._sessions.answered(call, self._asked) if self._sessions else self._asked(call, {}, Heard())

    async def _asked(self, call: Call, given: dict[str, Any], heard: Heard) -> AsyncIterator[Chunk]:
        request, framing = call.request, self._stream.framing
        if not request.stream and self._options.response is not None:
            framing = None
        values = variables(request, self._names) | given
        asked = (self._stream_sender if framing else self._sender).made(values)
        if self._jobs:
            async for chunk in self._jobs.chunks(call, values, await self._submitted(asked, heard, call.reached)):
                yield chunk
            return
        answer = await self._upstream.send(call.open, asked, ACCEPT[framing or self._whole_format], call.reached)
        kind = self._options.assume_content_type or answer.type
        if framing == "sse" and "json" in kind:
            framing = None
        elif framing == "ndjson" and kind == "application/json":
            framing = "json-array"  # which takes line ends for what they are, in a whole JSON too
        _check_type(kind, framing or self._whole_format)
        if framing is None:
            yield await self._whole(answer, heard)
            return
        async for chunk in self._chunks(answer, framing, heard):
            yield chunk

    async def _submitted(self, asked: Outgoing, heard: Heard, reached: float) -> Any:
        """What a job's submission is answered."""
        async with AsyncExitStack() as once:
            answer = await self._upstream.send(once, asked, reached=reached)
            _check_type(self._options.assume_content_type or answer.type, "json")
            return await self._value(answer, heard)

    def _chunks(self, answer: Answer, framing: str, heard: Heard) -> AsyncIterator[Chunk]:
        if framing == "text":
            return self._plain(answer)
        said = heard.said = Said(self._event_reading, self._stream)
        chunks = self._events(answer, framing, said)
        return chunks if framing == "sse" or self._options.response is None else _held(chunks, said)

    async def _whole(self, answer: Answer, heard: Heard) -> Chunk:
        """The chunk that a whole answer is."""
        if self._whole_format == "text":
            replace = self._options.encoding == "replace"
            try:
                text = (await answer.whole()).decode("utf-8-sig", "replace" if replace else "strict")
            except UnicodeDecodeError as error:
                raise _not_utf8() from error
            return Chunk(text=text, finish="stop")
        return self._whole_reading.whole(await self._value(answer, heard))

    async def _value(self, answer: Answer, heard: Heard) -> Any:
        """The JSON that a whole answer is."""
        body = await answer.whole()
        try:
            value = loaded(body, self._options.encoding == "replace")
        except UnicodeDecodeError as error:
            raise _not_utf8() from error
        except ValueError as error:
            raise UpstreamBadResponse(detail=f"not JSON: {error}") from error
        heard.session = self._whole_reading.session(value)
        return value

    async def _plain(self, answer: Answer) -> AsyncIterator[Chunk]:
        decoder = getincrementaldecoder("utf-8-sig")("replace")
        while piece := await answer.read(self._options.max_answer):
            if text := decoder.decode(piece):
                yield Chunk(text=text)
        yield Chunk(text=decoder.decode(b"", final=True), finish="stop")

    async def _events(self, answer: Answer, framing: str, said: Said) -> AsyncIterator[Chunk]:
        cut = self._cut(framing)
        read: Callable[[Any], Chunk] = said.named if isinstance(cut, NamedSSE) else said.chunk
        piece = b"begin"
        while piece:
            piece = await answer.read()
            for event in cut.feed(piece) if piece else cut.rest():
                data = event if type(event) is bytes else event[1]
                if data.endswith(END) and data.strip() == END:
                    answer.ended = True
                    yield said.ending()
                    return
                chunk = read(event)
                if chunk.text or chunk.says:
                    yield chunk
                if said.over:
                    answer.ended = True
                    return
        if self._was_whole(said):
            yield self._whole_reading.whole(said.value)
        elif said.ends_by_itself:
            yield said.ending()

    def _was_whole(self, said: Said) -> bool:
        """Whether what was read as a stream is one whole answer."""
        if self._options.response is None or said.events != 1 or said.texted:
            return False
        said.over = self._whole_reading.text(said.value) is not None
        return said.over

    def _cut(self, framing: str) -> Any:
        named = framing == "sse" and self._stream.events and not self._stream.event
        return NamedSSE() if named else FRAMINGS[framing]()


async def _held(chunks: AsyncIterator[Chunk], said: Said) -> AsyncIterator[Chunk]:
    """Keeps back what a first event without text says until it is clear that it is not the whole answer."""
    held: Chunk | None = None
    async for chunk in chunks:
        if said.events == 1 and not said.texted and not said.over:
            held = chunk
            continue
        if held and said.events > 1:
            yield held
        held = None
        yield chunk
    if held:
        yield held


def _not_utf8() -> UpstreamBadEncoding:
    return UpstreamBadEncoding(detail="not UTF-8; `encoding: replace` would accept it")


def _check_type(kind: str, expected: str) -> None:
    accepted = {
        "json": "json" in kind,
        "json-array": "json" in kind,
        "ndjson": "json" in kind or "jsonl" in kind,
        "sse": kind == "text/event-stream",
        "text": kind.startswith("text/") and kind != "text/html",
    }
    if kind and not accepted[expected]:
        raise UpstreamBadContentType(
            detail=f"{kind} came where {ACCEPT[expected]} was expected; if the type is wrong, set `assume_content_type`"
        )
