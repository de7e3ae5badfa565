"""Chat completions: the words that everything behind the door speaks, too."""

import time

from dragoman.call import Key
from dragoman.completion import Folded, Streamed
from dragoman.door import Question, Surface
from dragoman.edge import Caller
from dragoman.ids import unique
from dragoman.reading import request_in
from dragoman.wire.chat import ChatCompletion, ChatCompletionChunk, ChatRequest


class Chat(Surface):
    """`POST /v1/chat/completions`."""

    name, path, summary = "chat", "/chat/completions", "Create chat completion"
    description = "Answers a conversation, whole or, with `stream: true`, as server-sent events."
    takes, gives, streams = ChatRequest, ChatCompletion, ChatCompletionChunk

    async def asked(self, body: bytes, caller: Caller, key: Key) -> "ChatQuestion":
        return ChatQuestion(request_in(body, ChatRequest, caller.model))


class ChatQuestion(Question):
    """What is asked, as it is understood behind the door."""

    __slots__ = ()

    def folded(self) -> Folded:
        return Folded(unique("chatcmpl-"), int(time.time()), self.request.model)

    def streamed(self) -> Streamed:
        return Streamed(unique("chatcmpl-"), int(time.time()), self.request.model, self.request.wants_usage)
