"""The kinds of backends, each with the upstream that it asks."""

import asyncio
import importlib.util
import json
import logging
import os
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from dragoman import Chunk, Gateway
from dragoman.backends.demo import reply
from tests.serving import http_backend, openai_backend
from tests.upstream import LAST_CHUNK, Connection, Received, Script, answer, chunked, json_answer, sse, stream_head

MAIN = Path(__file__).parents[2] / "main.py"
HELLO = "Hello, you!"
TEXT = "Grüß dich! “Zwei” Zeilen\nund eine 👨‍👩‍👧 Familie, 你好. "
WORDS = [TEXT[start : start + 7] for start in range(0, len(TEXT), 7)]


@dataclass(frozen=True)
class Kind:
    """A kind of backend: the application made for an upstream's URL, and what that upstream does."""

    name: str
    made: Callable[[str], Any]
    script: Script | None = None
    model: str = "m"
    text: str = TEXT


def whole(asked: dict[str, Any]) -> bytes:
    """The text in one JSON."""
    return json_answer({"reply": TEXT})


def plain(asked: dict[str, Any]) -> bytes:
    return answer(TEXT.encode(), type="text/plain; charset=utf-8")


def events(asked: dict[str, Any]) -> bytes:
    return stream_head() + chunked(*sse(*({"t": word} for word in WORDS), "[DONE]")) + LAST_CHUNK


def snapshots(asked: dict[str, Any]) -> bytes:
    said = ({"t": "".join(WORDS[: end + 1])} for end in range(len(WORDS)))
    return stream_head() + chunked(*sse(*said)) + LAST_CHUNK


def lines(asked: dict[str, Any]) -> bytes:
    said = [json.dumps({"t": word}).encode() + b"\n" for word in WORDS]
    return stream_head("application/x-ndjson") + chunked(*said, b'{"end": true}\n') + LAST_CHUNK


def letters(asked: dict[str, Any]) -> list[bytes]:
    """The text byte by byte, so that signs are cut."""
    said = [chunked(bytes([byte])) for byte in TEXT.encode()]
    return [stream_head("text/plain; charset=utf-8"), *said, LAST_CHUNK]


def completion(asked: dict[str, Any]) -> bytes:
    head = {"id": "theirs", "created": 1, "model": asked["model"], "object": "chat.completion"}
    if not asked.get("stream"):
        message = {"role": "assistant", "content": TEXT, "refusal": None}
        return json_answer({**head, "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    deltas = [{"role": "assistant", "content": ""}, *({"content": word} for word in WORDS)]
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices += [{"index": 0, "delta": {}, "finish_reason": "stop"}]
    said = ({**head, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices)
    return stream_head() + chunked(*sse(*said, "[DONE]")) + LAST_CHUNK


def either(once: Callable[..., Any], streamed: Callable[..., Any] | None = None) -> Script:
    """A script that answers `once`, or `streamed` where it is asked for a stream; a list is sent piece by piece."""

    async def script(connection: Connection, received: Received) -> None:
        said = (streamed if streamed and received.json.get("stream") else once)(received.json)
        await connection.send(*(said if isinstance(said, list) else [said]), pause=0.001)

    return script


def http(**options: Any) -> Callable[[str], Any]:
    return lambda url: Gateway(http_backend(url, **options)).app


def framed(framing: str, **stream: Any) -> Callable[[str], Any]:
    return http(stream={"framing": framing, "request": {"stream": True}, "text": "t", **stream})


def openai(url: str) -> Any:
    return Gateway(openai_backend(url, model="theirs")).app


def demo(url: str) -> Any:
    return Gateway().app


def seed(url: str) -> Any:
    """`main:app`, imported anew with this external API."""
    with patch.dict(os.environ, EXTERNAL_CHAT_URL=url), quiet():
        spec = importlib.util.spec_from_file_location("main", MAIN)
        assert spec
        assert spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module.app


@contextmanager
def quiet() -> Iterator[None]:
    """Undoes what is done to the log inside."""
    log = logging.getLogger("dragoman")
    before = log.handlers[:], log.propagate, log.level
    try:
        yield
    finally:
        log.handlers[:], log.propagate = before[:2]
        log.setLevel(before[2])


def python(function: Callable[[str], Any]) -> Callable[[str], Any]:
    """An application on a function of the upstream's URL that gives the function."""
    backend = lambda url: {"kind": "python", "target": function(url)}  # noqa: E731
    return lambda url: Gateway({"backends": {"b": backend(url)}, "models": {"m": "b"}}).app


def fetched(url: str) -> str:
    with urllib.request.urlopen(url, data=b"{}", timeout=5) as got:
        return str(json.load(got)["reply"])


def returning(url: str) -> Any:
    def function(messages: Any) -> str:
        return fetched(url)

    return function


def async_returning(url: str) -> Any:
    async def function(request: Any) -> str:
        return await asyncio.to_thread(fetched, url)

    return function


def yielding(url: str) -> Any:
    def function(messages: Any, call: Any) -> Iterator[str]:
        text = fetched(url)
        yield from (text[start : start + 3] for start in range(0, len(text), 3))

    return function


def async_yielding(url: str) -> Any:
    async def function() -> Any:
        for sign in await asyncio.to_thread(fetched, url):
            yield Chunk(text=sign)
            await asyncio.sleep(0)

    return function


def async_dict(url: str) -> Any:
    async def function(**ignored: Any) -> dict[str, Any]:
        return {"content": await asyncio.to_thread(fetched, url), "finish_reason": "stop"}

    return function


KINDS = [
    Kind("demo", demo, model="mock-gpt-model", text=reply(HELLO)),
    Kind("main", seed, either(whole), model="mock-gpt-model"),
    Kind("main-text", seed, either(plain), model="mock-gpt-model"),
    Kind("http-json", http(), either(whole)),
    Kind("http-text", http(response={"format": "text"}), either(plain)),
    Kind("http-sse", framed("sse"), either(whole, events)),
    Kind("http-sse-snapshot", framed("sse", mode="snapshot"), either(whole, snapshots)),
    Kind("http-sse-only", http(response=None, stream={"framing": "sse", "text": "t"}), either(events)),
    Kind("http-ndjson", framed("ndjson", finish="end"), either(whole, lines)),
    Kind("http-text-stream", framed("text"), either(whole, letters)),
    Kind("http-paced", http(stream={"pace": "400/s"}), either(whole)),
    Kind("python-sync", python(returning), either(whole)),
    Kind("python-async", python(async_returning), either(whole)),
    Kind("python-generator", python(yielding), either(whole)),
    Kind("python-async-generator", python(async_yielding), either(whole)),
    Kind("python-async-dict", python(async_dict), either(whole)),
    Kind("openai", openai, either(completion)),
]
