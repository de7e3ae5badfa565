"""Servers that speak Responses over three kinds of backends, and what they are asked by."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from tests.serving import gateway, http_backend, openai_backend
from tests.upstream import LAST_CHUNK, Connection, Received, Upstream, chunked, json_answer, listening, sse, stream_head

WEATHER = {
    "type": "function",
    "name": "weather",
    "description": "Tells the weather.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    "strict": False,
}
SHELL = {"type": "custom", "name": "shell", "description": "Runs a command."}
HELLO = {"model": "m", "input": "Hello"}

Reply = dict[str, Any]
"""A message as a chat API answers it."""


def calling(name: str, arguments: str, id: str = "call_1", custom: bool = False) -> Reply:
    kind, field = ("custom", "input") if custom else ("function", "arguments")
    call = {"id": id, "type": kind, kind: {"name": name, field: arguments}}
    return {"role": "assistant", "content": None, "tool_calls": [call]}


def texts(*said: str) -> Callable[[Connection, Received], Any]:
    """An upstream that answers with nothing but text: one after the other, the last one for ever."""
    left = list(said)

    async def script(connection: Connection, received: Received) -> None:
        await connection.send(json_answer({"reply": left.pop(0) if len(left) > 1 else left[0]}))

    return script


def replies(*said: Reply | str, finish: str | None = None, usage: Any = None) -> Callable[[Connection, Received], Any]:
    """An upstream that speaks chat completions, tool calls too."""
    left = [{"role": "assistant", "content": each} if isinstance(each, str) else each for each in said]

    async def script(connection: Connection, received: Received) -> None:
        message = left.pop(0) if len(left) > 1 else left[0]
        reason = finish or ("tool_calls" if message.get("tool_calls") else "stop")
        told = _streamed if received.json.get("stream") else _whole
        await connection.send(told(message, reason, usage))

    return script


def _whole(message: Reply, finish: str, usage: Any) -> bytes:
    choice = {"index": 0, "message": message, "finish_reason": finish}
    head = {"id": "theirs", "object": "chat.completion", "created": 1, "model": "theirs"}
    return json_answer({**head, "choices": [choice], **({"usage": usage} if usage else {})})


def _streamed(message: Reply, finish: str, usage: Any) -> bytes:
    head = {"id": "theirs", "object": "chat.completion.chunk", "created": 1, "model": "theirs"}
    deltas = [{"role": "assistant"}, *_deltas(message)]
    choices = [[{"index": 0, "delta": delta, "finish_reason": None}] for delta in deltas]
    choices += [[{"index": 0, "delta": {}, "finish_reason": finish}]]
    told = [{**head, "choices": choice} for choice in choices] + (
        [{**head, "choices": [], "usage": usage}] * bool(usage)
    )
    return stream_head() + chunked(*sse(*told, "[DONE]")) + LAST_CHUNK


def _deltas(message: Reply) -> list[Reply]:
    """A message in pieces of a few letters."""
    told: list[Reply] = []
    for field in ("reasoning_content", "content", "refusal"):
        text = message.get(field) or ""
        told += [{field: text[start : start + 5]} for start in range(0, len(text), 5)]
    for index, call in enumerate(message.get("tool_calls") or ()):
        kind = call["type"]
        field = "input" if kind == "custom" else "arguments"
        text = call[kind][field]
        told.append({"tool_calls": [{**call, "index": index, kind: {**call[kind], field: ""}}]})
        pieces = [text[start : start + 5] for start in range(0, len(text), 5)]
        told += [{"tool_calls": [{"index": index, kind: {field: piece}}]} for piece in pieces]
    return told


@asynccontextmanager
async def plain(*said: str, top: Reply | None = None, **options: Any) -> AsyncIterator[tuple[str, Upstream]]:
    """A server whose backend knows nothing but text; what it is asked is in `q`."""
    request = {"q": "{{ prompt }}", **options.pop("request", {})}
    async with listening(texts(*said)) as upstream:
        config = http_backend(upstream.url, request=request, **options)
        async with gateway({**config, **(top or {})}) as url:
            yield url, upstream


@asynccontextmanager
async def native(
    *said: Reply | str, top: Reply | None = None, finish: str | None = None, usage: Any = None, **options: Any
) -> AsyncIterator[tuple[str, Upstream]]:
    """A server whose backend speaks OpenAI's chat completions."""
    async with (
        listening(replies(*said, finish=finish, usage=usage)) as upstream,
        gateway({**openai_backend(upstream.url, **options), **(top or {})}) as url,
    ):
        yield url, upstream


async def ask(
    url: str, body: Any, path: str = "", method: str = "POST", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Asks `/v1/responses` and what is beneath: status, headers in lower case, body."""
    data = {} if body is None else {"data": body} if isinstance(body, bytes) else {"json": body}
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, f"{url}/v1/responses{path}", headers=headers, **data) as got,
    ):
        read = b""
        try:
            async for piece in got.content.iter_any():
                read += piece
        except aiohttp.ClientPayloadError:
            read += b"<unfinished>"
        return got.status, {name.lower(): value for name, value in got.headers.items()}, read


async def refused(url: str, body: Any, path: str = "", method: str = "POST", **headers: str) -> tuple[int, Reply]:
    """The status and the error of what is refused."""
    status, _, told = await ask(url, body, path, method, **headers)
    error: Reply = json.loads(told)["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return status, error
