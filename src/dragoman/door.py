"""A door: where calls in one dialect come in, and their answers leave."""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any, ClassVar, Protocol

from pydantic import BaseModel

from dragoman.access import Who
from dragoman.call import Begun, Call, Chunk, Handler, Key, begun
from dragoman.edge import OPENAI, Caller, EventStream, Gone, Manners, Receive, Send, Terms, failure_of, promptly
from dragoman.errors import Failure, GatewayError
from dragoman.logs import log
from dragoman.wire.chat import ChatRequest
from dragoman.wire.error import ErrorEnvelope

CONTINUED = "continued"
"""The fact that another backend has gone on where one broke."""

LONGEST_FACT = 1000
"""Characters of what callers have asked that a header of theirs tells them of; clients bound their heads."""


class Folding(Protocol):
    """A whole answer taking shape."""

    def add(self, chunk: Chunk) -> None:
        """Takes what comes next."""
        ...

    def json(self) -> bytes:
        """The answer. Raises UpstreamDisconnected if it is not whole."""
        ...


class Streaming(Protocol):
    """An answer as server-sent events."""

    def events(self, chunk: Chunk) -> bytes:
        """What comes next, as events; none where there is nothing to tell."""
        ...

    def ending(self) -> bytes:
        """What comes after the last chunk. Raises UpstreamDisconnected if the answer is not whole."""
        ...

    def broken(self, failure: Failure, request_id: str) -> bytes:
        """What is told when there is no more of it."""
        ...


class Question(ABC):
    """What a caller asks, and how it is answered."""

    __slots__ = ("request",)

    def __init__(self, request: ChatRequest) -> None:
        self.request = request
        """In the words that everything behind the door understands."""

    @abstractmethod
    def folded(self) -> Folding:
        """For the whole answer."""

    def streamed(self) -> Streaming:
        """For the answer in pieces. Raises GatewayError where the surface has none."""
        raise GatewayError(detail=f"{type(self).__name__} is answered whole")

    async def over(self) -> None:  # noqa: B027
        """The answer is whole, and will be told now. Most surfaces keep nothing of it."""


class Surface(ABC):
    """An API dialect: how it is asked and how it answers. What it is asked goes through a Door."""

    name: ClassVar[str]
    """As the ledger and hooks know it."""
    path: ClassVar[str]
    """Where it is asked, beneath `/v1`."""
    summary: ClassVar[str]
    description: ClassVar[str]
    takes: ClassVar[type[BaseModel]]
    gives: ClassVar[Any]
    streams: ClassVar[Any] = None
    """The type of its events, if it has any."""
    beside: ClassVar[tuple[Any, ...]] = ()
    """The types of what its other paths tell."""
    refuses: ClassVar[Any] = ErrorEnvelope
    """The type of its failures."""
    manners: ClassVar[Manners] = OPENAI

    @abstractmethod
    async def asked(self, body: bytes, caller: Caller, key: Key) -> Question:
        """What a body asks. Raises Failure."""

    def reword(self, failure: Failure, question: Question) -> None:  # noqa: B027
        """Puts what a failure behind the door says of the request, in chat's words, into the dialect's own."""


class Door:
    """A surface's ASGI endpoint."""

    def __init__(self, surface: Surface, handler: Handler, who: Who, terms: Terms) -> None:
        self._surface, self._handler, self._who, self._terms = surface, handler, who, terms

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        caller = Caller(scope, receive, send, self._terms, self._surface.manners)
        try:
            await self._answer(caller)
        except Gone:
            log.info("caller left", request_id=caller.id)
        except Exception as error:
            await caller.refuse(failure_of(error))

    async def _answer(self, caller: Caller) -> None:
        caller.check()
        key = await self._who(caller.named, caller.address)
        question = await self._surface.asked(await caller.body(), caller, key)
        async with AsyncExitStack() as opened:
            request = question.request
            call = Call(request, key, opened, caller.id, caller.headers, surface=self._surface.name)
            try:
                if request.stream:
                    await self._stream(caller.stream(), caller, call, question)
                else:
                    await self._tell(caller, call, question)
            except Failure as failure:
                self._surface.reword(failure, question)
                raise

    async def _tell(self, caller: Caller, call: Call, question: Question) -> None:
        completion = question.folded()
        with caller.present():
            chunks = await begun(self._handler(call))
            try:
                async for chunk in chunks:
                    completion.add(chunk)
                    if chunk.about and CONTINUED in chunk.about:
                        chunks.first.about = {**(chunks.first.about or {}), **chunk.about}
                body = completion.json()
            except Failure as failure:
                _signed(failure, chunks)
                raise
            await question.over()
        await caller.tell(200, body, _about(caller, chunks))

    async def _stream(self, events: EventStream, caller: Caller, call: Call, question: Question) -> None:
        chunks = None
        completion = question.streamed()

        def take(chunk: Chunk) -> bool:
            if chunk.about and CONTINUED in chunk.about:
                events.put(f": x-dragoman-{CONTINUED}: {chunk.about[CONTINUED]}\n\n".encode())
            return events.put(completion.events(chunk))

        try:
            with caller.present():
                chunks = await begun(self._handler(call))
                events.headers = _about(caller, chunks)
                await promptly(chunks, take, events.flush)
                ending = completion.ending()
                await question.over()
                events.put(ending)
                await events.end()
        except Gone:
            raise
        except Exception as error:
            if chunks is None and not caller.begun:
                raise
            failure = _signed(failure_of(error), chunks)
            await events.broken(failure, completion.broken(failure, caller.id))
        finally:
            events.close()


def _signed(failure: Failure, chunks: Begun | None) -> Failure:
    """The failure with the name of the backend whose answer broke."""
    if chunks and chunks.first.about:
        failure.backend = failure.backend or chunks.first.about.get("backend")
    return failure


def _about(caller: Caller, chunks: Begun) -> dict[str, str]:
    """The headers that tell about an answer."""
    spent = (time.perf_counter() - caller.came) * 1000
    about = dict(chunks.first.about or {})
    for name, value in caller.facts.items():
        value = value[:LONGEST_FACT]
        about[name] = f"{value},{about[name]}" if name in about else value
    facts = {name if name.startswith("x-") else f"x-dragoman-{name}": about[name] for name in about}
    return facts | caller.manners.facts(spent)
