"""Messages: Anthropic's dialect, and how many tokens a message would have."""

from dragoman.call import Chunk, Key
from dragoman.door import Question, Surface
from dragoman.edge import Caller
from dragoman.ids import unique
from dragoman.json import dumped
from dragoman.messages.asking import chat, prefill, unused
from dragoman.messages.events import Events
from dragoman.messages.manners import ANTHROPIC
from dragoman.messages.whole import Whole
from dragoman.reading import request_in
from dragoman.wire.messages import (
    CountTokensRequest,
    Message,
    MessageEvent,
    MessagesError,
    MessagesRequest,
    TokenCount,
)


class Messages(Surface):
    """`POST /v1/messages`."""

    name, path, summary = "messages", "/messages", "Create message"
    description = "Answers a conversation in Anthropic's words, whole or, with `stream: true`, as server-sent events."
    takes, gives, streams, refuses = MessagesRequest, Message, MessageEvent, MessagesError
    manners = ANTHROPIC

    async def asked(self, body: bytes, caller: Caller, key: Key) -> "MessagesQuestion":
        asked = request_in(body, MessagesRequest, caller.model)
        if left_out := unused(asked):
            caller.facts["ignored"] = ",".join(left_out)
        return MessagesQuestion(asked)


class CountTokens(Surface):
    """`POST /v1/messages/count_tokens`, for a handler that counts."""

    name, path, summary = "count_tokens", "/messages/count_tokens", "Count message tokens"
    description = "Tells how many tokens a message asks with, without asking it."
    takes, gives, refuses = CountTokensRequest, TokenCount, MessagesError
    manners = ANTHROPIC

    async def asked(self, body: bytes, caller: Caller, key: Key) -> "CountQuestion":
        return CountQuestion(request_in(body, CountTokensRequest, caller.model))


class MessagesQuestion(Question):
    """What is asked, as a chat."""

    __slots__ = ("_beginning",)

    def __init__(self, asked: MessagesRequest) -> None:
        super().__init__(chat(asked))
        self._beginning = prefill(asked)

    def folded(self) -> Whole:
        return Whole(unique("msg_"), self.request, self._beginning)

    def streamed(self) -> Events:
        return Events(unique("msg_"), self.request, self._beginning)


class CountQuestion(Question):
    """What would be asked, as a chat that is not streamed."""

    __slots__ = ()

    def __init__(self, asked: CountTokensRequest) -> None:
        super().__init__(chat(asked).without("stream", "stream_options"))

    def folded(self) -> "Counted":
        return Counted()


class Counted:
    """The tokens that a message asks with."""

    __slots__ = ("_tokens",)

    def __init__(self) -> None:
        self._tokens = 0

    def add(self, chunk: Chunk) -> None:
        if chunk.usage:
            self._tokens = chunk.usage["prompt_tokens"]

    def json(self) -> bytes:
        return dumped({"input_tokens": self._tokens})
