"""A chat API, described: everything that a configuration can say about it."""

from typing import Literal, Self

from pydantic import ConfigDict, Field, model_validator

from dragoman.call import Ability
from dragoman.logins import LoginOptions
from dragoman.mapping.answers import Response, Stream
from dragoman.mapping.jobs import Poll
from dragoman.mapping.requests import Headers, Parts, URLTemplate, is_expression
from dragoman.mapping.sessions import SessionOptions
from dragoman.mapping.variables import NAMES
from dragoman.reach import Reach, origin_of
from dragoman.templates import checked


class Mapped(Reach, Parts):
    """A chat API behind a URL, described."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    url: URLTemplate
    """Where it is: `http://`, `https://`, `ws://` or `wss://`. Its path and query may hold templates."""
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
    assume_content_type: str | None = None
    """For a backend that names its answers wrongly: the type they really are."""
    encoding: Literal["strict", "replace"] = "strict"
    """`replace`: bytes that are not UTF-8 become U+FFFD instead of an error."""

    @model_validator(mode="after")
    def _can_be_read(self) -> Self:
        if self.response is None and self.stream.framing is None:
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
        for place, other in others.items():
            url = other and other.url
            if url and not is_expression(url) and origin_of(url) != origin_of(self.url):
                raise ValueError(f"the url of `{place}` must be at the backend's own origin, {origin_of(self.url)}")
        return self

    @property
    def _says_session(self) -> bool:
        return bool((self.response and self.response.session) or self.stream.session)

    @property
    def forgotten(self) -> str | None:
        """Where the backend says that it no longer knows a conversation."""
        return self.session.forgotten if self.session else None

    @property
    def native(self) -> frozenset[Ability]:
        return frozenset({"stream"}) if self.stream.framing else frozenset()

    @property
    def pace(self) -> float | None:
        return self.stream.pace
