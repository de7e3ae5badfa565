"""Chat completions: bytes to a call, and the answer's chunks to one JSON or to server-sent events."""

import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

from dragoman.access import Who
from dragoman.call import Begun, Call, Chunk, Handler, begun
from dragoman.completion import Folded, Streamed
from dragoman.edge import Caller, EventStream, Gone, Receive, Send, Terms, failure_of, promptly
from dragoman.errors import Failure
from dragoman.ids import unique
from dragoman.logs import log
from dragoman.reading import request_in
from dragoman.wire.chat import ChatRequest

CONTINUED = "continued"
"""The fact that another backend has gone on where one broke."""


class Chat:
    """The ASGI endpoint of `POST /v1/chat/completions`."""

    def __init__(self, handler: Handler, who: Who, terms: Terms) -> None:
        self._handler, self._who, self._terms = handler, who, terms

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        caller = Caller(scope, receive, send, self._terms)
        try:
            await self._answer(caller)
        except Gone:
            log.info("caller left", request_id=caller.id)
        except Exception as error:
            await caller.refuse(failure_of(error))

    async def _answer(self, caller: Caller) -> None:
        caller.check()
        key = await self._who(caller.named, caller.address)
        request = request_in(await caller.body(), ChatRequest)
        async with AsyncExitStack() as opened:
            call = Call(request, key, opened, caller.id, caller.headers)
            if request.stream:
                await self._stream(caller.stream(), caller, call)
            else:
                await self._tell(caller, call)

    async def _tell(self, caller: Caller, call: Call) -> None:
        completion = Folded(unique("chatcmpl-"), int(time.time()), call.request.model)
        with caller.present():
            chunks = await begun(self._handler(call))
            try:
                async for chunk in chunks:
                    completion.add(chunk)
                    if chunk.about and CONTINUED in chunk.about:
                        chunks.first.about = {**(chunks.first.about or {}), **chunk.about}
            except Failure as failure:
                _signed(failure, chunks)
                raise
        await caller.tell(200, completion.json(), _about(caller, chunks))

    async def _stream(self, events: EventStream, caller: Caller, call: Call) -> None:
        chunks = None
        completion = Streamed(unique("chatcmpl-"), int(time.time()), call.request.model, call.request.wants_usage)

        def take(chunk: Chunk) -> bool:
            if chunk.about and CONTINUED in chunk.about:
                events.put(f": x-dragoman-{CONTINUED}: {chunk.about[CONTINUED]}\n\n".encode())
            return events.put(completion.events(chunk))

        try:
            with caller.present():
                chunks = await begun(self._handler(call))
                events.headers = _about(caller, chunks)
                await promptly(chunks, take, events.flush)
                events.put(completion.ending())
                await events.end()
        except Gone:
            raise
        except Exception as error:
            if chunks is None and not caller.begun:
                raise
            await events.broken(_signed(failure_of(error), chunks))
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
    about = (chunks.first.about or {}).items()
    facts = {name if name.startswith("x-") else f"x-dragoman-{name}": value for name, value in about}
    return {**facts, "openai-processing-ms": f"{spent:.0f}", "openai-version": "2020-10-01"}
