"""Ways to ask for messages: as JSON, and with the official SDK."""

import json
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anthropic

from dragoman import Chunk, Gateway
from tests.messages import answering
from tests.serving import TRUSTED, gateway, openai_backend, post
from tests.upstream import Connection, Received, Upstream, json_answer, listening

PATH = "/v1/messages"
HELLO = [{"role": "user", "content": "Hello"}]
ADD = {
    "name": "add",
    "description": "Adds two numbers",
    "input_schema": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
}


def asked(**more: Any) -> dict[str, Any]:
    return {"model": "m", "max_tokens": 1000, "messages": HELLO, **more}


def sdk(url: str, **options: Any) -> anthropic.AsyncAnthropic:
    """The official SDK, without retries."""
    client = anthropic.DefaultAsyncHttpxClient(verify=TRUSTED)
    return anthropic.AsyncAnthropic(base_url=url, max_retries=0, http_client=client, **{"api_key": "sk", **options})


async def told(url: str, **more: Any) -> dict[str, Any]:
    """The whole message, or the one that a stream folds to; either is checked."""
    status, headers, body = await post(url, asked(**more), path=PATH)
    assert status == 200, body
    assert headers["request-id"] == headers["x-request-id"]
    return answering.folded(answering.streamed(body)) if more.get("stream") else answering.whole(body)


async def refused(url: str, body: Any, path: str = PATH, **headers: str) -> tuple[int, str, str]:
    """The status, the type and the message of a refusal."""
    status, got, answer = await post(url, body, path=path, **headers)
    return status, *failure(answer, got)


def failure(body: bytes, headers: Mapping[str, str]) -> tuple[str, str]:
    """The type and the message of a failure, which is as Anthropic's API has it."""
    told = json.loads(body)
    assert told.keys() == {"type", "error", "request_id"}
    assert told["type"] == "error"
    assert told["error"].keys() == {"type", "message"}
    assert told["request_id"] == headers["request-id"] == headers["x-request-id"]
    return told["error"]["type"], told["error"]["message"]


def saying(chunks: Callable[[], Iterable[Chunk | str]], **abilities: str) -> Gateway:
    """A gateway whose model `m` says these chunks; it has the abilities that are `native`."""

    async def function(request: Any) -> AsyncIterator[Chunk | str]:
        for chunk in chunks():
            yield chunk

    backend = {"kind": "python", "target": function, "abilities": abilities}
    return Gateway({"backends": {"b": backend}, "models": {"m": "b"}})


@asynccontextmanager
async def replying(*replies: str) -> AsyncIterator[tuple[str, list[Any]]]:
    """A gateway in front of a chat API that knows nothing but text, and what that was asked: its replies in turn."""
    seen: list[Any] = []

    async def script(connection: Connection, received: Received) -> None:
        seen.append(received.json)
        await connection.send(json_answer({"reply": replies[min(len(seen), len(replies)) - 1]}))

    async with listening(script) as upstream:
        backend = {"kind": "http", "url": upstream.url, "request": {"q": "{{ prompt }}"}, "response": {"text": "reply"}}
        async with gateway({"backends": {"b": backend}, "models": {"m": "b"}}) as url:
            yield url, seen


@asynccontextmanager
async def speaking(
    message: Mapping[str, Any], finish: str = "stop", **more: Any
) -> AsyncIterator[tuple[str, Upstream]]:
    """A gateway in front of an upstream that speaks OpenAI's API, and says this message whole."""
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    completion = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], **more}

    async def script(connection: Connection, received: Received) -> None:
        await connection.send(json_answer(completion))

    async with listening(script) as upstream, gateway(openai_backend(upstream.url)) as url:
        yield url, upstream
