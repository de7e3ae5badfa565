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
from urllib.parse import parse_qs

from websockets.frames import Close, Frame, Opcode
from websockets.utils import accept_key

from dragoman import Chunk, Gateway
from dragoman.backends.demo import reply
from dragoman.preset import preset
from tests.presets import WIRES, Wire
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
    alone: tuple[int, str] = (500, "upstream_connect_error")
    """The status and code when its upstream is not there."""


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


def array(asked: dict[str, Any]) -> bytes:
    said = b",\n".join(json.dumps({"t": word}).encode() for word in WORDS)
    return stream_head("application/json") + chunked(b"[" + said, b"]") + LAST_CHUNK


def named(asked: dict[str, Any]) -> bytes:
    """Events with names, and with others between them."""
    said = (f"event: word\ndata: {json.dumps({'t': word})}\n\nevent: ping\ndata: 1\n\n".encode() for word in WORDS)
    return stream_head() + chunked(*said, b"event: end\ndata:\n\n") + LAST_CHUNK


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


async def in_query(connection: Connection, received: Received) -> None:
    """Answers whoever asks in the query, or in a form."""
    asked = received.head.split(" ")[1].partition("?")[2] or received.body.decode()
    await connection.send(whole({}) if parse_qs(asked)["q"] == [HELLO] else json_answer({}, status="400 Bad Request"))


async def talking(connection: Connection, received: Received) -> None:
    """Answers in a conversation that was begun before."""
    begun = "/talks " in received.head
    talk = None if begun else received.json.get("talk")
    await connection.send(
        json_answer({"id": "talk-1"}) if begun else whole({}) if talk == "talk-1" else json_answer({}, status="404 No")
    )


async def working(connection: Connection, received: Received) -> None:
    """Takes a job, and has done it when it is asked for."""
    asked = "GET /jobs/1 " in received.head
    await connection.send(json_answer({"reply": TEXT, "done": True}) if asked else json_answer({"id": 1}))


async def speaking(connection: Connection, received: Received) -> None:
    """Shakes hands, and answers one message, word by word."""
    accepted = accept_key(received.headers["sec-websocket-key"])
    lines = ["HTTP/1.1 101 x", "Upgrade: websocket", "Connection: Upgrade", f"Sec-WebSocket-Accept: {accepted}"]
    await connection.send("\r\n".join([*lines, "", ""]).encode())
    await connection.reader.read(65536)
    said = [Frame(Opcode.TEXT, json.dumps({"t": word}).encode()).serialize(mask=False) for word in WORDS]
    await connection.send(*said, Frame(Opcode.CLOSE, Close(1000, "").serialize()).serialize(mask=False))
    await connection.gone()


def http(**options: Any) -> Callable[[str], Any]:
    return lambda url: Gateway(http_backend(url, **options)).app


def framed(framing: str, **stream: Any) -> Callable[[str], Any]:
    return http(stream={"framing": framing, "request": {"stream": True}, "text": "t", **stream})


def session(url: str) -> Any:
    options = {"request": {"talk": "{{ session }}", "q": "{{ last_user }}"}}
    return Gateway(http_backend(url, session={"create": {"url": f"{url}/talks", "id": "id"}}, **options)).app


def job(url: str) -> Any:
    poll = {"url": f"{url}/jobs/{{{{ answer.id }}}}", "until": "done", "every": "1ms"}
    return Gateway(http_backend(url, poll=poll)).app


def websocket(url: str) -> Any:
    stream = {"framing": "websocket", "text": "t"}
    return Gateway(http_backend(url.replace("http:", "ws:"), response=None, stream=stream)).app


def replay(url: str) -> Any:
    """What was recorded: a whole answer, and a stream."""
    backend = {"kind": "http", "url": "http://nowhere.invalid/chat", "request": {"live": "{{ stream }}"}}
    backend |= {"response": {"text": "reply"}, "stream": {"framing": "sse", "text": "t"}}
    played = {"kind": "replay", "files": str(Path(__file__).with_name("recorded")), "backend": backend}
    return Gateway({"backends": {"b": played}, "models": {"m": "b"}}).app


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


def alone(wire: Wire) -> tuple[int, str]:
    """Who has to fetch a token first fails at that."""
    return (502, "upstream_login_failed") if "token_url" in preset(wire.name).takes else Kind.alone


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
    Kind("http-json-array", framed("json-array"), either(whole, array)),
    Kind("http-named-events", framed("sse", events={"word": "text", "end": "finish"}), either(whole, named)),
    Kind("http-text-stream", framed("text"), either(whole, letters)),
    Kind("http-paced", http(stream={"pace": "400/s"}), either(whole)),
    Kind("http-form", http(request_format="form"), in_query),
    Kind("http-get", http(method="GET", request=None, query={"q": "{{ last_user }}"}), in_query),
    Kind("http-session", session, talking),
    Kind("http-job", job, working),
    Kind("http-websocket", websocket, speaking),
    Kind("replay", replay),
    Kind("python-sync", python(returning), either(whole)),
    Kind("python-async", python(async_returning), either(whole)),
    Kind("python-generator", python(yielding), either(whole)),
    Kind("python-async-generator", python(async_yielding), either(whole)),
    Kind("python-async-dict", python(async_dict), either(whole)),
    Kind("openai", openai, either(completion)),
    *(Kind(wire.name, wire.app, wire.script(TEXT, WORDS), alone=alone(wire)) for wire in WIRES),
]
