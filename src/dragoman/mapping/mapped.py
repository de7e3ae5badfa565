"""A chat API, described: everything that a configuration can say about it."""

import re
from typing import Any, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from dragoman.abilities import KINDS, Ability, Supplied
from dragoman.logins import LoginOptions
from dragoman.mapping.answers import Response, Stream
from dragoman.mapping.jobs import Poll
from dragoman.mapping.requests import Asking, Headers, Parts, Sender, URLTemplate, is_expression, merged
from dragoman.mapping.sessions import SessionOptions
from dragoman.mapping.texts import AboutTexts, Embeddings, Moderations
from dragoman.mapping.variables import NAMES
from dragoman.reach import Reach, origin_of
from dragoman.templates import checked

NATIVE: dict[Ability, frozenset[str]] = {
    "stop": frozenset({"stop", "stops"}),
    "max_tokens": frozenset({"max_tokens", "max_completion_tokens"}),
    "functions": frozenset({"functions"}),
    "json_object": frozenset({"response_format"}),
    "json_schema": frozenset({"response_format", "schema"}),
    "system": frozenset({"system", "messages", "dialog", "prompt"}),
    "history": frozenset({"messages", "dialog", "prompt", "turns", "new_turns"}),
    "images": frozenset({"images", "messages", "dialog"}),
    "audio": frozenset({"messages"}),
    "files": frozenset({"messages"}),
    "logprobs": frozenset({"logprobs", "top_logprobs"}),
    "audio_output": frozenset({"audio", "modalities"}),
    "prediction": frozenset({"prediction"}),
    "web_search": frozenset({"web_search_options"}),
}
"""The variables by one of which a request tells the backend of it."""
REMEMBERED: frozenset[Ability] = frozenset({"history", "system"})
"""What a conversation at the backend tells by itself."""


class Mapped(Reach, Parts, Supplied):
    """A chat API behind a URL, described."""

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        json_schema_extra=lambda schema: schema["required"].remove("url"),
    )

    url: URLTemplate
    """Where it is: `http://`, `https://`, `ws://` or `wss://`. Its path and query may hold templates. One that does not
    chat may have it in `embeddings` or `moderations`."""
    method: Literal["GET", "POST", "PUT"] = "POST"
    """How it is asked; a GET has a `query`, and no `request`."""
    request_format: Literal["json", "form", "text"] = "json"
    """How the body is sent."""
    headers: Headers = Field(default={})
    """Sent with every request; those with a template in them only with calls, and left out where it is undefined."""
    auth: LoginOptions | None = None
    """How the backend is told who we are."""
    response: Response | None = None
    """Where things stand in its answer."""
    stream: Stream = Stream()
    """How it streams, if it does."""
    session: SessionOptions | None = None
    """For conversations that live at the backend."""
    poll: Poll | None = None
    """For jobs that are asked for until they are done."""
    embeddings: Embeddings | None = None
    """How it embeds texts, if it does."""
    moderations: Moderations | None = None
    """How it finds out what is wrong with texts, if it does."""
    assume_content_type: str | None = None
    """For a backend that names its answers wrongly: the type they really are."""
    encoding: Literal["strict", "replace"] = "strict"
    """`replace`: bytes that are not UTF-8 become U+FFFD instead of an error."""

    @model_validator(mode="before")
    @classmethod
    def _is_somewhere(cls, data: Any) -> Any:
        """What does not chat is where it embeds or moderates."""
        if not isinstance(data, dict) or data.keys() & {"url", "response", "stream", "request"}:
            return data
        others = (data.get(name) for name in ("embeddings", "moderations"))
        urls = [other["url"] for other in others if isinstance(other, dict) and other.get("url")]
        return {**data, "url": urls[0]} if urls else data

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        if not self.chats and not self.of_texts:
            raise ValueError(
                "needs `response` (with `text`, the path of the answer's text) or `stream` (with `framing`)"
            )
        texts = (self.stream.text, self.response and self.response.text, self.stream.format == "text" or None)
        if self.stream.framing not in (None, "text") and not any(texts) and not self.stream.tool_calls:
            raise ValueError("needs `text` in `stream`, the path of the text in each event")
        if self.stream.framing == "text" and self.stream.mode == "snapshot":
            raise ValueError("`framing: text` has no events that could repeat all the text; leave `mode` out")
        if self.stream.event and not self.stream.events:
            raise ValueError("`stream.event` needs `events`, which says what they mean")
        if self.poll and (self.stream.framing or self.response is None or self.response.format == "text"):
            raise ValueError("`poll` goes with a `response` in JSON, and without `stream.framing`")
        if self.session and not (self.session.create or self.session.make or self._says_session):
            raise ValueError("`session` needs the id's path (`response.session`), or `create`, or `make`")
        return self

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        asked = {"url": self.url, "headers": self.headers, "query": self.query, "request": self.request}
        over = self.stream
        more = {"url": over.url or "", "headers": over.headers, "query": over.query, "request": over.request}
        checked({**asked, "stream": more}, NAMES)
        if self.session and self.session.create:
            checked({"session": {"create": self.session.create.model_dump(exclude={"id"})}}, NAMES)
        if self.method == "GET" and (self.request or over.request):
            raise ValueError("a GET has no body: put what `request` has into `query`")
        if (self.stream.framing == "websocket") != self.url.startswith(("ws://", "wss://")):
            raise ValueError("`framing: websocket` goes with a URL that begins with ws:// or wss://")
        if self.stream.framing == "websocket" and self.response:
            raise ValueError("a WebSocket is read by `stream` alone: leave `response` out")
        if self.stream.framing == "websocket" and (self.session or self.poll):
            raise ValueError("`session` and `poll` go with HTTP, and not with a WebSocket")
        return self

    @model_validator(mode="after")
    def _stays_where_it_is(self) -> Self:
        """Logins are for one origin, and every request bears them."""
        if is_expression(self.url):
            raise ValueError("`url` must begin with the backend's scheme and host")
        create, cancel = self.session and self.session.create, self.poll and self.poll.cancel
        others = {"stream": self.stream, "session.create": create, "poll": self.poll, "poll.cancel": cancel}
        for place, other in {**others, **self.of_texts}.items():
            url = other and other.url
            own = origin_of(self.web_url if place in self.of_texts else self.url)
            if url and not is_expression(url) and origin_of(url) != own:
                raise ValueError(f"the url of `{place}` must be at the backend's own origin, {own}")
        return self

    @property
    def chats(self) -> bool:
        """Whether it is said how it chats."""
        return self.response is not None or self.stream.framing is not None

    @property
    def of_texts(self) -> dict[str, AboutTexts]:
        """How it is asked about texts, by what is asked."""
        return {name: each for name in ("embeddings", "moderations") if (each := getattr(self, name)) is not None}

    @property
    def web_url(self) -> str:
        """The same for HTTP, where the chat goes over a WebSocket."""
        return re.sub(r"\Aws", "http", self.url)

    @property
    def _says_session(self) -> bool:
        return bool((self.response and self.response.session) or self.stream.session)

    @property
    def forgotten(self) -> str | None:
        """Where the backend says that it no longer knows a conversation."""
        return self.session.forgotten if self.session else None

    @property
    def asked(self) -> Asking:
        """What is sent for a whole answer."""
        return Asking.model_construct(
            url=self.url,
            method=self.method,
            headers={name: value for name, value in self.headers.items() if "{" in value},
            query=self.query,
            request=self.request,
            request_format=self.request_format,
        )

    @property
    def asked_streaming(self) -> Asking:
        """What is sent for a stream."""
        base, over = self.asked, self.stream
        changed = {
            "url": over.url or base.url,
            "method": over.method or base.method,
            "headers": {**base.headers, **over.headers},
            "query": {**base.query, **over.query},
            "request": merged(base.request, over.request),
        }
        return base.model_copy(update=changed)

    @property
    def native(self) -> frozenset[Ability]:
        """What the mapping has a place for."""
        about = self.of_texts
        native: set[Ability] = {ability for ability in KINDS if ability in about}
        if self.embeddings and self.embeddings.speaks("dimensions"):
            native.add("dimensions")
        if self.chats:
            return self._native_in_chat.union(native, {"chat"})
        return frozenset(native | {"usage"} if all(each.response.usage for each in about.values()) else native)

    @property
    def _native_in_chat(self) -> frozenset[Ability]:
        base = origin_of(self.url)
        create = self.session and self.session.create
        asked = (self.asked, self.asked_streaming, *([create] if create else []))
        names = frozenset[str]().union(*(Sender(each, base).names for each in asked))
        native = {ability for ability, by in NATIVE.items() if names & by}
        if not names & {"messages"}:
            native.add("developer")
        read = [self.stream, *([self.response] if self.response else [])]
        told: dict[Ability, bool] = {
            "stream": self.stream.framing is not None,
            "usage": any(each.usage for each in read),
            "tools": any(each.tool_calls for each in read),
        }
        remembered = REMEMBERED if self.session and "last_user" in names else frozenset()
        return remembered.union(native, (ability for ability, there in told.items() if there))

    @property
    def pace(self) -> float | None:
        return self.stream.pace
