"""Servers whose models go on from prompts, and the upstream that they ask."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from tests.completions.answering import Made, post, streamed, whole
from tests.serving import gateway, openai_backend
from tests.upstream import Connection, Received, Upstream, json_answer, listening

Says = Callable[[Made], Made]
"""The choice that answers a chat request, without its index."""


@dataclass
class Place:
    url: str
    upstream: Upstream

    @property
    def asked(self) -> list[Made]:
        """The chat requests that the upstream got."""
        return [each.json for each in self.upstream.requests]

    async def complete(self, prompt: Any, **more: Any) -> Made:
        """A whole completion."""
        status, _, body = await post(self.url, {"model": "m", "prompt": prompt, **more})
        assert status == 200, body
        return whole(body)

    async def stream(self, prompt: Any, **more: Any) -> list[Made]:
        """A completion's events."""
        status, _, body = await post(self.url, {"model": "m", "prompt": prompt, "stream": True, **more})
        assert status == 200, body
        return streamed(body, bool(more.get("stream_options")))

    async def refused(self, **body: Any) -> tuple[int, Made]:
        """The status and the error of what is not answered."""
        status, _, told = await post(self.url, {"model": "m", "prompt": "Hello", **body})
        assert status != 200, told
        return status, json.loads(told)["error"]


def upper(request: Made) -> Made:
    """Says what it was asked, louder."""
    return {"message": {"role": "assistant", "content": request["messages"][-1]["content"].upper()}}


@asynccontextmanager
async def place(says: Says = upper, **options: Any) -> AsyncIterator[Place]:
    """A server whose model `m` answers with as many choices as it is asked for."""

    async def script(connection: Connection, received: Received) -> None:
        request = received.json
        choice = {"finish_reason": "stop", **says(request)}
        choices = [{"index": index, **choice} for index in range(request.get("n") or 1)]
        usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
        head = {"id": "c", "object": "chat.completion", "created": 1, "model": request["model"]}
        await connection.send(json_answer({**head, "choices": choices, "usage": usage}))

    async with listening(script) as upstream, gateway(openai_backend(upstream.url, **options)) as url:
        yield Place(url, upstream)
