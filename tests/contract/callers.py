"""The ways to call: the official SDK in all its forms, and plain curl. Each gives what it heard in one shape."""

import asyncio
import json
from collections.abc import Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import openai

from tests.contract.kinds import HELLO
from tests.serving import TRUSTED


@dataclass
class Heard:
    text: str
    finish: str | None
    model: str
    id: str
    request_id: str


def asked(model: str, **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": HELLO}], **more}


def options(url: str, client: Callable[..., Any]) -> dict[str, Any]:
    address = {"base_url": f"{url}/v1", "api_key": "sk-test", "max_retries": 0}
    return {**address, "http_client": client(verify=TRUSTED)}


def sync_sdk(url: str) -> openai.OpenAI:
    return openai.OpenAI(**options(url, openai.DefaultHttpxClient))


def async_sdk(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(**options(url, openai.DefaultAsyncHttpxClient))


@asynccontextmanager
async def sdk(url: str) -> Any:
    async with async_sdk(url) as client:
        yield client.chat.completions


def whole(completion: Any, request_id: str) -> Heard:
    (choice,) = completion.choices
    assert completion.object == "chat.completion"
    assert choice.message.role == "assistant"
    return Heard(choice.message.content, choice.finish_reason, completion.model, completion.id, request_id)


def folded(chunks: Iterable[Any], request_id: str) -> Heard:
    chunks = list(chunks)
    (id,) = {chunk.id for chunk in chunks}
    (model,) = {chunk.model for chunk in chunks}
    choices = [choice for chunk in chunks for choice in chunk.choices]
    finishes = [choice.finish_reason for choice in choices if choice.finish_reason]
    assert {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert len({chunk.created for chunk in chunks}) == 1
    assert [choice.delta.role for choice in choices if choice.delta.role] == ["assistant"]
    assert choices[0].delta.role
    assert finishes == [choices[-1].finish_reason]
    return Heard("".join(choice.delta.content or "" for choice in choices), finishes[0], model, id, request_id)


async def sync(url: str, body: dict[str, Any]) -> Heard:
    def call() -> Heard:
        with sync_sdk(url) as client:
            completion = client.chat.completions.create(**body)
            return whole(completion, completion._request_id)

    return await asyncio.to_thread(call)


async def sync_stream(url: str, body: dict[str, Any]) -> Heard:
    def call() -> Heard:
        with sync_sdk(url) as client, client.chat.completions.create(**body, stream=True) as stream:
            return folded(stream, stream.response.headers["x-request-id"])

    return await asyncio.to_thread(call)


async def async_(url: str, body: dict[str, Any]) -> Heard:
    async with sdk(url) as completions:
        completion = await completions.create(**body)
        return whole(completion, completion._request_id)


async def async_stream(url: str, body: dict[str, Any]) -> Heard:
    async with sdk(url) as completions, await completions.create(**body, stream=True) as stream:
        return folded([chunk async for chunk in stream], stream.response.headers["x-request-id"])


async def raw(url: str, body: dict[str, Any]) -> Heard:
    async with sdk(url) as completions:
        got = await completions.with_raw_response.create(**body)
        return whole(got.parse(), got.request_id)


async def raw_stream(url: str, body: dict[str, Any]) -> Heard:
    async with sdk(url) as completions:
        got = await completions.with_raw_response.create(**body, stream=True)
        return folded([chunk async for chunk in got.parse()], got.request_id)


async def streaming_response(url: str, body: dict[str, Any]) -> Heard:
    async with sdk(url) as completions, completions.with_streaming_response.create(**body) as got:
        return whole(await got.parse(), got.request_id)


async def streaming_response_stream(url: str, body: dict[str, Any]) -> Heard:
    async with sdk(url) as completions, completions.with_streaming_response.create(**body, stream=True) as got:
        return folded([chunk async for chunk in await got.parse()], got.request_id)


async def helper(url: str, body: dict[str, Any]) -> Heard:
    """The SDK's own accumulator of streams."""
    async with sdk(url) as completions, completions.stream(**body) as stream:
        completion = await stream.get_final_completion()
        return whole(completion, stream._response.headers["x-request-id"])


async def ran(url: str, body: dict[str, Any]) -> tuple[str, str]:
    """Head and body that `curl -N` gets."""
    line = ("curl", "-sSN", "-i", f"{url}/v1/chat/completions", "-H", "Content-Type: application/json", "-d", "@-")
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*line, stdin=pipe, stdout=pipe)
    out, _ = await process.communicate(json.dumps(body).encode())
    assert process.returncode == 0
    head, _, rest = out.decode().partition("\r\n\r\n")
    return head.lower(), rest


def header(head: str, name: str) -> str:
    return next(line.partition(": ")[2] for line in head.split("\r\n") if line.startswith(f"{name}:"))


async def curl(url: str, body: dict[str, Any]) -> Heard:
    head, rest = await ran(url, body)
    assert header(head, "content-type") == "application/json"
    completion = openai.types.chat.ChatCompletion.model_validate_json(rest, strict=True)
    return whole(completion, header(head, "x-request-id"))


async def curl_stream(url: str, body: dict[str, Any]) -> Heard:
    head, rest = await ran(url, {**body, "stream": True})
    assert header(head, "content-type") == "text/event-stream; charset=utf-8"
    assert header(head, "cache-control") == "no-cache"
    *events, done, after = rest.split("\n\n")
    assert (done, after) == ("data: [DONE]", "")
    datas = [event.removeprefix("data: ") for event in events if not event.startswith(":")]
    read = openai.types.chat.ChatCompletionChunk.model_validate_json
    return folded([read(data, strict=True) for data in datas], header(head, "x-request-id"))


WHOLE = [sync, async_, raw, streaming_response, curl]
STREAMED = [sync_stream, async_stream, raw_stream, streaming_response_stream, helper, curl_stream]
