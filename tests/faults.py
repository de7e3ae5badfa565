"""What goes wrong upstream, and what a caller may hear of it: a vocabulary for the tests of faults."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from yarl import URL

from dragoman.errors import upstream_failures
from tests.doors import CHAT, DOORS, Door, read
from tests.serving import gateway, http_backend, openai_backend, post
from tests.upstream import Connection, Received, Script, listening, sse, stream_head

SECRET = "known-to-the-upstream-only"
"""Stands in the headers that the gateway sends upstream."""
RAW = "words-for-the-operator-only"
"""Stands in whatever the upstream says amiss."""

Step = bytes | Callable[[Connection], Awaitable[None]]


@dataclass(frozen=True, eq=False)
class Way:
    """A way to an answer: a kind of backend, how its answers are framed, and whether the caller streams."""

    name: str
    kind: Callable[..., dict[str, Any]]
    token: Callable[[str], Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    type: str = "application/json"
    stream: bool = False
    framed: Callable[[Any], bytes] = lambda value: json.dumps(value).encode()
    end: tuple[Any, ...] = ()

    def __str__(self) -> str:
        return self.name

    def says(self, *texts: str) -> bytes:
        """The bytes that say these texts, and no end."""
        return b"".join(self.framed(self.token(text)) for text in texts)

    def body(self, *texts: str) -> bytes:
        """The bytes of a whole good answer."""
        return self.says(*texts) + b"".join(map(self.framed, self.end))

    def backend(self, url: str, **more: Any) -> dict[str, Any]:
        """The configuration of a backend that answers this way."""
        [backend] = self.kind(url, **{"headers": {"X-Secret": SECRET}, **self.options, **more})["backends"].values()
        return backend

    async def asked(self, url: str, door: Door = CHAT) -> tuple[int, dict[str, str], bytes]:
        return await post(url, door.body(self.name, self.stream), path=door.path)


def message(text: str) -> dict[str, Any]:
    return {"choices": [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]}


def delta(text: str | None = None, finish: str | None = None, **more: Any) -> dict[str, Any]:
    said = {**({} if text is None else {"content": text}), **more}
    return {"choices": [{"index": 0, "delta": said, "finish_reason": finish}]}


def _event(value: Any) -> bytes:
    return sse(value)[0]


def _line(value: Any) -> bytes:
    return json.dumps(value).encode() + b"\n"


def _framing(name: str) -> dict[str, Any]:
    return {"stream": {"framing": name, "text": "t", "finish": "end", "error": "error"}}


JSON = Way("http-json", http_backend, lambda text: {"reply": text})
CUT = replace(JSON, name="http-json-streamed", stream=True)
SSE = Way(
    "http-sse",
    http_backend,
    lambda text: {"t": text},
    _framing("sse"),
    "text/event-stream",
    True,
    _event,
    ({"end": "stop"}, "[DONE]"),
)
NDJSON = replace(
    SSE,
    name="http-ndjson",
    options=_framing("ndjson"),
    type="application/x-ndjson",
    framed=_line,
    end=({"end": "stop"},),
)
TEXT = Way("http-text", http_backend, str, {"stream": {"framing": "text"}}, "text/plain", True, str.encode)
OPENAI = Way("openai-json", openai_backend, message, {"key": SECRET})
OPENAI_SSE = Way(
    "openai-sse", openai_backend, delta, OPENAI.options, SSE.type, True, _event, (delta(finish="stop"), "[DONE]")
)

WHOLE = (JSON, CUT, OPENAI)
EVENTS = (SSE, NDJSON, OPENAI_SSE)
FOLDED = tuple(
    replace(way, name=f"{way}-folded", options={**way.options, "response": None}, stream=False) for way in (SSE, NDJSON)
)
"""The caller does not stream, the upstream does."""
SILENT = (*WHOLE, *EVENTS)
"""Where the beginning of an answer says nothing yet."""
WAYS = (*SILENT, TEXT)


At = Callable[[Way], AbstractAsyncContextManager[str]]
"""Opens an upstream for a way, and gives its URL."""


@dataclass(frozen=True)
class Fault:
    """Something wrong `at` the upstream, and what the caller must be told."""

    name: str
    code: str
    at: At
    status: int = 502
    type: str = "server_error"
    specified: int | None = None
    """The status where it is another without `errors: openai`."""
    headers: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    ways: Sequence[Way] = WAYS

    def __str__(self) -> str:
        return self.name

    @property
    def words(self) -> list[str]:
        """What the caller may read of it."""
        return [kind.fixed_message for kind in upstream_failures() if kind.fixed_code == self.code]

    @property
    def statuses(self) -> dict[str, int]:
        """The status in each style of errors."""
        return {"specified": self.specified or self.status, "openai": self.status}


# An upstream's steps


async def a_moment(connection: Connection) -> None:
    """Long enough for what was sent to have arrived."""
    await asyncio.sleep(0.05)


async def reset(connection: Connection) -> None:
    connection.reset()


async def close(connection: Connection) -> None:
    connection.writer.close()


async def silence(connection: Connection) -> None:
    await connection.gone()


def drip(*pieces: bytes, pause: float = 0.03) -> Step:
    return lambda connection: connection.send(*pieces, pause=pause)


def doing(*steps: Step) -> Script:
    """A script that takes these steps for every request."""

    async def script(connection: Connection, received: Received) -> None:
        for step in steps:
            await (connection.send(step) if isinstance(step, bytes) else step(connection))

    return script


def taking(steps: Callable[[Way], Sequence[Step]]) -> At:
    """An upstream that takes the steps made for the way it is asked."""

    @asynccontextmanager
    async def at(way: Way) -> AsyncIterator[str]:
        async with listening(doing(*steps(way))) as upstream:
            yield upstream.url

    return at


def saying(*steps: Step) -> At:
    """An upstream that takes the same steps whichever way it is asked."""
    return taking(lambda way: steps)


def head(way: Way, *headers: str) -> bytes:
    """The head of a chunked answer, with more headers."""
    return "\r\n".join([stream_head(way.type).decode().rstrip(), *headers, "", ""]).encode()


# What the caller hears


@dataclass(frozen=True)
class Heard:
    """What a caller got that asked one way, through one door."""

    way: Way
    door: Door
    upstream: str
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def name(self) -> str:
        return f"{self.way} by {self.door}"

    @property
    def chunks(self) -> list[dict[str, Any]]:
        """The JSON of each event."""
        return read(self.body)


async def heard(
    at: At, ways: Sequence[Way], style: str = "specified", doors: Sequence[Door] = (CHAT,), **options: Any
) -> list[Heard]:
    """What callers hear that ask in these ways, through these doors, all at once."""
    async with AsyncExitStack() as opened:
        upstreams = [await opened.enter_async_context(at(way)) for way in ways]
        backends = {
            way.name: way.backend(at, **{"breaker": False, **options}) for way, at in zip(ways, upstreams, strict=True)
        }
        config = {"backends": backends, "models": {name: name for name in backends}, "errors": style}
        url = await opened.enter_async_context(gateway(config))
        asking = [(way, door, at) for way, at in zip(ways, upstreams, strict=True) for door in doors]
        got = await asyncio.gather(*(way.asked(url, door) for way, door, _ in asking))
        return [Heard(*asked, *answer) for asked, answer in zip(asking, got, strict=True)]


async def met(fault: Fault, style: str = "specified") -> list[Heard]:
    """What callers hear that meet the fault, in every way there is to it, through every door."""
    return await heard(fault.at, fault.ways, style, DOORS, **fault.options)


def assert_nothing_leaks(heard: Heard) -> None:
    """The caller learns neither where the upstream is, nor what it said, nor what is said to it in confidence."""
    told, url = f"{heard.headers} {heard.body.decode()}", URL(heard.upstream)
    assert not [word for word in (SECRET, RAW, str(url.host), "://") if word in told]
    assert not re.search(rf"\b{url.port}\b", told)


def assert_refused(heard: Heard, fault: Fault, style: str = "specified") -> None:
    """The fault's own status, and the surface's envelope."""
    assert (heard.name, heard.status) == (heard.name, fault.statuses[style]), heard.body
    error = heard.door.envelope(json.loads(heard.body), heard.status)
    assert_told(heard, error, fault)
    assert heard.headers["content-type"] == "application/json"
    assert heard.headers["x-request-id"] in error["message"]
    assert fault.headers.items() <= heard.headers.items()
    assert_nothing_leaks(heard)


def assert_told(heard: Heard, error: Mapping[str, Any], fault: Fault) -> None:
    """The fault's code and type, or where the surface has neither, its words."""
    told = (heard.name, error.get("code", fault.code), error.get("type", fault.type))
    assert told == (heard.name, fault.code, fault.type)
    assert any(words in error["message"] for words in fault.words)


def assert_broken(heard: Heard, fault: Fault, said: str = "Hello") -> None:
    """What was said, then an error event, and no sign of a good end."""
    assert (heard.name, heard.status) == (heard.name, 200), heard.body
    assert heard.body.endswith(b"}\n\n<unfinished>"), heard
    assert b"[DONE]" not in heard.body
    *chunks, last = heard.chunks
    assert_told(heard, heard.door.failure(last), fault)
    assert (heard.name, heard.door.text(chunks), heard.door.finish(chunks)) == (heard.name, said, None)
    assert_nothing_leaks(heard)


def text_in(chunks: Sequence[dict[str, Any]]) -> str:
    return "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])


def finishes_in(chunks: Sequence[dict[str, Any]]) -> list[str]:
    return [choice["finish_reason"] for chunk in chunks for choice in chunk["choices"] if choice["finish_reason"]]


def answered(heard: Heard) -> tuple[str, str]:
    """The text of a whole good answer, and its finish reason."""
    assert heard.status == 200, heard
    if heard.headers["content-type"] == "application/json":
        return heard.door.whole(json.loads(heard.body))
    assert heard.body.decode().endswith(heard.door.last), heard
    finish = heard.door.finish(heard.chunks)
    assert finish, heard
    return heard.door.text(heard.chunks), finish
