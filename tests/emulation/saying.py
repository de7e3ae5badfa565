"""Handlers that say what they are told to, in the pieces they are told to, and what comes of it."""

import asyncio
import json
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from hypothesis import strategies as st

from dragoman.call import ANYONE, Call, Chunk, Handler
from dragoman.completion import Folded, Streamed
from dragoman.wire.chat import ChatRequest
from tests.answering import folded, said, streamed, whole

Made = dict[str, Any]


def call(**request: Any) -> Call:
    """A call that asks for the given on top of a question."""
    asked = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], **request}
    return Call(ChatRequest.model_validate(asked), ANYONE, AsyncExitStack(), "req_1")


class Saying:
    """A handler that says one list of pieces after the other, one a call, and remembers what it was asked."""

    def __init__(self, *answers: Sequence[str | Chunk], finish: str = "stop") -> None:
        self.asked: list[ChatRequest] = []
        self.said: list[str] = []
        """The pieces that were taken."""
        self.closed = 0
        self._answers, self._finish = list(answers), finish

    async def __call__(self, call: Call) -> Any:
        answer = self._answers[min(len(self.asked), len(self._answers) - 1)]
        self.asked.append(call.request)
        call.open.callback(self._close)
        for piece in answer:
            chunk = Chunk(piece) if isinstance(piece, str) else Chunk(**vars_of(piece))
            self.said.append(chunk.text)
            yield chunk
        if not answer or isinstance(answer[-1], str) or not answer[-1].finish:
            yield Chunk(finish=self._finish)

    def _close(self) -> None:
        self.closed += 1


def vars_of(chunk: Chunk) -> dict[str, Any]:
    return {name: getattr(chunk, name) for name in Chunk.__slots__}


async def chunks(handler: Handler, asked: Call) -> list[Chunk]:
    """All that a handler says; what the call opened is closed then."""
    async with asked.open:
        return [chunk async for chunk in handler(asked)]


def heard(handler: Handler, **request: Any) -> Made:
    """What a caller gets, as `answering.said` has it; a stream folded as the official SDK does."""
    asked = call(**request)
    return asyncio.run(_heard(handler, asked))


async def _heard(handler: Handler, asked: Call) -> Made:
    told = await chunks(handler, asked)
    if not asked.request.stream:
        completion = Folded("chatcmpl-1", 1, "m")
        for chunk in told:
            completion.add(chunk)
        return dict(said(whole(completion.json())))
    events = Streamed("chatcmpl-1", 1, "m", asked.request.wants_usage)
    body = b"".join(events.events(chunk) for chunk in told) + events.ending()
    return dict(folded(streamed(body, asked.request.wants_usage)))


def text(answer: Made) -> str:
    """The text of the one choice."""
    [choice] = answer["choices"]
    return str(choice["message"].get("content", ""))


def calls(answer: Made) -> list[tuple[str, Any]]:
    """The name and the arguments of each tool call of the one choice."""
    [choice] = answer["choices"]
    functions = [each["function"] for each in choice["message"].get("tool_calls", ()) if "function" in each]
    return [(function["name"], json.loads(function["arguments"])) for function in functions]


def slicings(text: str) -> st.SearchStrategy[list[str]]:
    """Ways to cut a text into pieces."""
    places = st.lists(st.integers(0, len(text)), max_size=12).map(sorted)
    return places.map(lambda cuts: [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)])


def sliced(texts: st.SearchStrategy[str]) -> st.SearchStrategy[tuple[str, list[str]]]:
    """Texts, each with a way to cut it."""
    return texts.flatmap(lambda text: st.tuples(st.just(text), slicings(text)))


Middleware = Callable[[Handler], Handler]
