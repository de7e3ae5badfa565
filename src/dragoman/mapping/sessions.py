"""Conversations that live at the backend: recognised by what was said, so that only what is new is sent.

OpenAI's callers send the whole history with every call. Its messages up to the assistant's last, with the caller's key
and the model, are hashed; under that hash the conversation's id at the backend was kept when its last answer was
complete. Whoever finds it there takes it away, so that no two calls go on in one conversation.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Annotated, Any, Literal, Self

import orjson
from pydantic import BaseModel, ConfigDict, model_validator

from dragoman.call import Call, Chunk
from dragoman.completion import merged
from dragoman.errors import (
    InvalidRequest,
    MemoryDown,
    Unreachable,
    UpstreamBadResponse,
    UpstreamBusy,
    UpstreamLoginFailed,
    UpstreamNotFound,
    UpstreamRateLimited,
    UpstreamSessionLost,
    UpstreamUnavailable,
)
from dragoman.ground import Ground
from dragoman.json import dumped, loaded
from dragoman.logs import log
from dragoman.mapping.readings import Said, text_in
from dragoman.mapping.requests import Asking, Sender
from dragoman.mapping.variables import INSTRUCTIONS, NAMES, as_text, system, turns, variables
from dragoman.paths import Path, found
from dragoman.reach import origin_of
from dragoman.templates import Text, speaking_of
from dragoman.units import Seconds
from dragoman.upstream import Upstream
from dragoman.wire.chat import ChatRequest, text_of

HEADER = "x-dragoman-session"
LONGEST_NAME = 128
LONGEST_ID = 4096
SUMMARY = 4000
"""Characters of an earlier conversation that a summary keeps: its beginning, and more of its end."""

UNHEARD = (Unreachable, UpstreamBusy, UpstreamLoginFailed, UpstreamRateLimited, UpstreamUnavailable)
"""Failures of calls that the backend has not taken in."""

Message = Any


class Create(Asking):
    """The call that begins a conversation."""

    id: Path
    """Where its id stands in the answer."""


class SessionOptions(BaseModel):
    """Conversations that live at the backend."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    create: Create | None = None
    """The call that begins a conversation. Without it and `make`, an answer brings the id (`response.session`)."""
    make: Annotated[str, speaking_of(NAMES)] | None = None
    """A template of the id, for a backend that takes whatever it is given: `"{{ uuid() }}"`."""
    history: Literal["replay", "summary", "none"] = "replay"
    """What a new conversation is told of what was said before it: everything, a shortened text, or nothing."""
    forgotten: Path | None = None
    """Truthy in an answer: the backend no longer knows the conversation. A status of 404 or 410 says so, too."""
    ttl: Seconds = 3600.0
    """How long a conversation is remembered after its last answer."""

    @model_validator(mode="after")
    def _begins_one_way(self) -> Self:
        if self.create and self.make:
            raise ValueError("`create` and `make` both say where the id comes from; keep one of them")
        return self


@dataclass
class Talk:
    """One call's part in a conversation."""

    id: str | None
    """The conversation's id at the backend; None if it is to begin."""
    values: dict[str, Any]
    """What templates can speak of: `session`, `new_turns`, `last_user`."""
    name: str | None
    """What the caller calls the conversation."""
    taken: str | None
    """Where the id was found; None if the conversation is to begin."""


@dataclass(slots=True)
class Heard:
    """What was heard of an answer."""

    session: str | None = None
    """The conversation's id, where a whole answer brings it."""
    said: Said | None = None
    """What a stream has said."""
    begun: bool = False
    text: list[str] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)

    def add(self, chunk: Chunk) -> None:
        """Another piece of the answer."""
        self.begun = True
        self.text.append(chunk.text)
        if chunk.tool_calls:
            self.calls = merged(self.calls, chunk.tool_calls)

    def message(self) -> Message:
        """The message that the caller will send back."""
        return {"role": "assistant", "content": "".join(self.text), "tool_calls": self.calls}


Ask = Callable[[Call, dict[str, Any], Heard], AsyncIterator[Chunk]]


class Sessions:
    """Finds, begins and keeps the conversations with one backend."""

    def __init__(self, options: SessionOptions, upstream: Upstream, ground: Ground, names: frozenset[str]) -> None:
        self._options, self._upstream, self._memory, self._backend = options, upstream, ground.memory, ground.name
        create = options.create
        self._create = Sender(create, origin_of(create.url), key="session.create") if create else None
        self._id = found(create.id if create else "id")
        self._make = Text(options.make, NAMES, "session.make") if options.make else None
        self._told = bool(names & {"system", "messages", "dialog", "prompt"})
        """Whether the request says by itself what the system says."""
        senders = [sender.names for sender in (self._create, self._make) if sender]
        self.names = frozenset({"metadata"}).union(*senders)
        """The variables that it speaks of."""

    async def answered(self, call: Call, ask: Ask) -> AsyncIterator[Chunk]:
        """An answer in a conversation; one that the backend has forgotten is begun anew, once."""
        talk, lost = await self._talk(call), False
        while True:
            heard = Heard()
            try:
                async for chunk in ask(call, talk.values, heard):
                    heard.add(chunk)
                    yield chunk
                break
            except UNHEARD:
                await self._restore(call, talk)
                raise
            except UpstreamNotFound as failure:
                if lost and not heard.begun:
                    raise UpstreamSessionLost(detail=failure.detail) from failure
                if heard.begun or not talk.taken:
                    raise
                talk, lost = await self._anew(call), True
        if id := heard.session or (heard.said and heard.said.session) or talk.id:
            await self._keep(call, talk, id, heard.message())

    async def _talk(self, call: Call) -> Talk:
        """The conversation that a call goes on with, or begins. Raises an UpstreamFailure."""
        name, messages = _named(call), call.request.messages
        heard = _heard(messages)
        key = self._key(call, ("name", name)) if name else self._key(call, _hashed(messages[:heard])) if heard else None
        news = messages[heard:]
        id = await self._remembered(key, keep=name is not None) if key and news else None
        if id is None:
            return await self._anew(call)
        said = turns(call.asking(messages=news).request)
        return Talk(id, {"session": id, "new_turns": said, "last_user": as_text(None, said)}, name, key)

    async def _anew(self, call: Call) -> Talk:
        """A new conversation, told of the history as configured."""
        request = self._with_history(call.request)
        id = await self._begun(request)
        said = turns(request)
        instructions = None if self._told else system(request)
        values = {"session": id, "new_turns": said, "last_user": as_text(instructions, said)}
        return Talk(id, {name: value for name, value in values.items() if value is not None}, _named(call), None)

    async def _keep(self, call: Call, talk: Talk, id: str, answer: Message) -> None:
        """Remembers a conversation whose answer is complete."""
        _bounded(id)
        said = ("name", talk.name) if talk.name else _hashed([*call.request.messages, answer])
        await self._put(call, self._key(call, said), id)

    async def _restore(self, call: Call, talk: Talk) -> None:
        """Puts back what was taken for a call that the backend has not heard."""
        if talk.taken and talk.id and not talk.name:
            await self._put(call, talk.taken, talk.id)

    async def _put(self, call: Call, key: str, id: str) -> None:
        try:
            await self._memory.put(key, id.encode(), self._options.ttl)
        except MemoryDown:
            log.warning("session not kept", request_id=call.id, detail="the memory for sessions is down")

    async def _remembered(self, key: str, keep: bool) -> str | None:
        try:
            value = await (self._memory.get(key) if keep else self._memory.take(key))
        except MemoryDown:
            log.warning("session not found", detail="the memory for sessions is down")
            return None
        return value.decode() if value else None

    def _key(self, call: Call, said: Sequence[Any]) -> str:
        """Where a conversation is remembered; other keys and models never come to the same place."""
        whose = [self._backend, call.key.id, call.request.model, *said]
        return f"session:{sha256(orjson.dumps(loaded(dumped(whose)), option=orjson.OPT_SORT_KEYS)).hexdigest()}"

    async def _begun(self, request: ChatRequest) -> str | None:
        """The id of a new conversation; None if its first answer brings it."""
        if self._make:
            return self._make.filled(variables(request, self._make.names)) or None
        return await self._created(self._create, request) if self._create else None

    async def _created(self, create: Sender, request: ChatRequest) -> str:
        asked = create.made(variables(request, create.names))
        id = text_in(self._id(await self._upstream.json(asked, "session.create")))
        if not id:
            raise UpstreamBadResponse(detail="session.create: its `id` finds nothing in the answer")
        return _bounded(id)

    def _with_history(self, request: ChatRequest) -> ChatRequest:
        heard = _heard(request.messages)
        if not heard or self._options.history == "replay":
            return request
        instructions = [message for message in request.messages[:heard] if message["role"] in INSTRUCTIONS]
        news = request.messages[heard:] or request.messages[-1:]
        if self._options.history == "summary":
            news = [_summarised(request, request.messages[:heard], news[0]), *news[1:]]
        return request.model_copy(update={"messages": [*instructions, *news]})


def _named(call: Call) -> str | None:
    """What the caller calls the conversation. Raises InvalidRequest if that is no name."""
    metadata = call.request.metadata or {}
    name = call.header(HEADER) or metadata.get("session")
    if name and (len(name) > LONGEST_NAME or not name.isprintable()):
        message = f"'{HEADER}' and 'metadata.session' may have at most {LONGEST_NAME} printable characters."
        raise InvalidRequest(message, param="metadata.session", code="invalid_value")
    return name or None


def _heard(messages: Sequence[Message]) -> int:
    """How many messages there are up to the assistant's last; 0 if it has not spoken."""
    spoken = [place for place, message in enumerate(messages) if message["role"] == "assistant"]
    return spoken[-1] + 1 if spoken else 0


def _hashed(messages: Sequence[Message]) -> list[Any]:
    """What makes a conversation this one: who said what, however the caller writes it."""
    return [[message["role"], _said(message), _called(message)] for message in messages]


def _said(message: Message) -> Any:
    content = message.get("content")
    if isinstance(content, list) and any(part.get("type") not in ("text", "refusal") for part in content):
        return content
    return text_of(content).strip()


def _called(message: Message) -> list[Any]:
    functions = (call.get("function") or call.get("custom") or {} for call in message.get("tool_calls") or ())
    return [
        [function.get("name"), _meant(function.get("arguments") or function.get("input"))] for function in functions
    ]


def _meant(arguments: Any) -> Any:
    """Arguments as what they mean, however they are written."""
    if not isinstance(arguments, str):
        return arguments or {}
    try:
        return loaded(arguments.encode(errors="replace"))
    except ValueError:
        return arguments


def _bounded(id: str) -> str:
    if len(id) > LONGEST_ID:
        raise UpstreamBadResponse(detail=f"a session's id of more than {LONGEST_ID} characters")
    return id


def _summarised(request: ChatRequest, before: Sequence[Message], message: Message) -> Message:
    """The message with a shortened text of what was said before it."""
    text = as_text(None, turns(request.model_copy(update={"messages": list(before)})))
    if len(text) > SUMMARY:
        text = f"{text[: SUMMARY // 4]}\n[…]\n{text[-SUMMARY * 3 // 4 :]}"
    told = f"Earlier in this conversation:\n{text}\n\nNow:\n{text_of(message.get('content'))}"
    return {**message, "content": told}
