"""Chat APIs that speak WebSocket: one message asks, and each that comes is an event."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import pytest
from websockets.asyncio.server import Request, Response, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from dragoman import Gateway
from dragoman.errors import ConfigError
from tests.http11 import asking, connected
from tests.mapping.asking import ask, mapped
from tests.serving import QUESTION, gateway
from tests.upstream import json_answer, listening
from tests.watching import becomes

CALLERS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
WORDS = ["Grüß ", "dich, ", "👋!"]
TEXT = "".join(WORDS)
Answer = Callable[["Other", ServerConnection], Awaitable[None]]


@dataclass
class Other:
    """The other side: what it was asked, and the sockets that are open."""

    answer: Answer
    asked: list[Any] = field(default_factory=list)
    targets: list[str] = field(default_factory=list)
    headers: list[Any] = field(default_factory=list)
    open: int = 0
    most: int = 0
    refuse: int = 0
    """So many handshakes are answered 401."""

    def welcomed(self, socket: ServerConnection, request: Request) -> Response | None:
        self.targets.append(request.path)
        self.headers.append(request.headers)
        self.refuse -= 1
        return socket.respond(401, "who are you?") if self.refuse >= 0 else None

    async def __call__(self, socket: ServerConnection) -> None:
        self.open += 1
        self.most = max(self.most, self.open)
        try:
            self.asked.append(await socket.recv())
            await self.answer(self, socket)
        except ConnectionClosed:
            pass
        finally:
            self.open -= 1


def saying(*messages: Any, stays: bool = False) -> Answer:
    """Says these messages, texts as they are and all others as JSON, and closes or stays."""

    async def answer(other: Other, socket: ServerConnection) -> None:
        for message in messages:
            await socket.send(message if isinstance(message, str | bytes) else json.dumps(message))
        if stays:
            await socket.wait_closed()

    return answer


@asynccontextmanager
async def speaking(
    answer: Answer, path: str = "/chat", top: dict[str, Any] | None = None, **stream: Any
) -> AsyncIterator[tuple[str, Other]]:
    """A gateway before a backend that speaks WebSocket."""
    other = Other(answer)
    async with serve(other, "127.0.0.1", 0, process_request=other.welcomed) as server:
        port = server.sockets[0].getsockname()[1]
        options = {"framing": "websocket", **({} if stream.get("format") else {"text": "t"}), **stream}
        config = mapped(f"ws://127.0.0.1:{port}{path}", None, stream=options, **(top or {}))
        async with gateway(config) as url:
            yield url, other


@CALLERS
@pytest.mark.parametrize("mode", ["delta", "snapshot"])
async def test_messages_are_events(mode: str, stream: bool):
    said = list(accumulate(WORDS)) if mode == "snapshot" else WORDS
    answer = saying(*({"t": word} for word in said))
    async with speaking(answer, mode=mode, request={"live": "{{ stream }}", "n": "{{ max_tokens }}"}) as (url, other):
        heard = await ask(url, stream, max_tokens=3)
        assert (heard.text, heard.finish, heard.error) == (TEXT, "stop", {})
        assert len(heard.texts) == (3 if stream else 1)
        assert json.loads(other.asked[0]) == {"q": "Hello", "live": stream, "n": 3}
        await becomes(lambda: other.open == 0)


@CALLERS
async def test_messages_may_be_the_text_itself(stream: bool):
    top = {"request_format": "text", "request": "{{ system }}> {{ last_user }}"}
    async with speaking(saying(*WORDS), top=top, format="text") as (url, other):
        heard = await ask(url, stream)
    assert (heard.text, other.asked) == (TEXT, ["> Hello"])


@CALLERS
async def test_messages_in_bytes_are_read_too(stream: bool):
    answer = saying(*(json.dumps({"t": word}).encode() for word in WORDS), b"[DONE]")
    async with speaking(answer) as (url, _):
        assert (await ask(url, stream)).text == TEXT


async def test_the_address_is_made_from_the_request():
    top = {"headers": {"X-Model": "{{ model }}", "X-Fixed": "yes"}, "query": {"u": "{{ user }}", "t": "{{ seed }}"}}
    async with speaking(saying({"t": "Hi"}), path="/v1/{{ model }}/chat?a=1", top=top) as (url, other):
        await ask(url, user="ä&b")
        await ask(url, user="ä&b", stream=True)
    assert other.targets == ["/v1/m/chat?a=1&u=%C3%A4%26b"] * 2
    assert [(headers["X-Model"], headers["X-Fixed"]) for headers in other.headers] == [("m", "yes")] * 2
    assert all("Content-Type" not in headers for headers in other.headers)


# Ends

ENDS = {
    "a finish": ({"finish": "end"}, [{"end": "max_tokens"}], "length"),
    "a finish with words": ({"finish": "end"}, [{"t": "", "end": "max_tokens"}], "length"),
    "a mapped finish": ({"finish": {"path": "end", "map": {"2": "length"}}}, [{"end": 1}, {"end": 2}], "length"),
    "an event": ({"event": "k", "events": {"w": "text", "bye": "finish"}}, [{"k": "bye"}], "stop"),
    "an event with its reason": (
        {"event": "k", "events": {"w": "text", "bye": "finish"}, "finish": "end"},
        [{"k": "other", "t": "unheard"}, {"k": "bye", "t": "unheard", "end": "max_tokens"}],
        "length",
    ),
    "done": ({}, ["[DONE]"], "stop"),
    "done after the finish": ({"finish": "end"}, [{"end": "max_tokens"}, "[DONE]"], "length"),
}


@CALLERS
@pytest.mark.parametrize("stays", [True, False], ids=["stays open", "closes"])
@pytest.mark.parametrize("end", ENDS)
async def test_what_ends_the_answer_ends_the_call(end: str, stays: bool, stream: bool):
    options, last, finish = ENDS[end]
    answer = saying(*({"k": "w", "t": word} for word in WORDS), *last, stays=stays)
    async with speaking(answer, top={"timeout": {"idle": "1s"}}, **options) as (url, other):
        heard = await ask(url, stream)
        assert (heard.text, heard.error, heard.finish) == (TEXT, {}, finish)
        await becomes(lambda: other.open == 0)


EARLY = {
    "before the finish": ({"finish": "end"}, saying({"t": "so far"}), "so far", "upstream_disconnected"),
    "before the event": (
        {"event": "k", "events": {"w": "text", "bye": "finish"}},
        saying({"k": "w", "t": "so far"}),
        "so far",
        "upstream_disconnected",
    ),
    "with an error": ({"error": "e"}, saying({"t": "so far"}, {"e": "no"}, stays=True), "so far", "upstream_error"),
    "with an event that is an error": (
        {"event": "k", "events": {"w": "text", "oops": "error"}},
        saying({"k": "w", "t": "so far"}, {"k": "oops"}, stays=True),
        "so far",
        "upstream_error",
    ),
    "with no JSON": ({}, saying({"t": "so far"}, "{oops"), "so far", "upstream_bad_event"),
    "with other words": (
        {"mode": "snapshot"},
        saying({"t": "so far"}, {"t": "no"}),
        "so far",
        "upstream_stream_rewrite",
    ),
    "without a word": ({"finish": "end"}, saying(), "", "upstream_bad_response"),
    "with silence": ({}, saying({"t": "so far"}, stays=True), "so far", "upstream_idle_timeout"),
    "with nothing but silence": ({}, saying(stays=True), "", "upstream_timeout"),
}


async def cut_off(other: Other, socket: ServerConnection) -> None:
    await socket.send('{"t": "so far"}')
    await asyncio.sleep(0.02)
    socket.transport.abort()


EARLY["without a goodbye"] = ({}, cut_off, "so far", "upstream_disconnected")


@CALLERS
@pytest.mark.parametrize("end", EARLY)
async def test_an_answer_that_ends_too_early_is_a_failure(end: str, stream: bool):
    options, answer, text, code = EARLY[end]
    async with speaking(answer, top={"timeout": {"idle": "100ms", "first": "200ms"}}, **options) as (url, other):
        heard = await ask(url, stream)
        assert (heard.text if stream else text, heard.error["code"]) == (text, code)
        await becomes(lambda: other.open == 0)


@CALLERS
async def test_a_backend_that_is_not_there_has_a_name(stream: bool):
    async with speaking(saying()) as (url, _):
        pass
    async with listening() as closed:
        port = closed.port
    options = {"framing": "websocket", "text": "t"}
    async with gateway(mapped(f"ws://127.0.0.1:{port}", None, stream=options)) as url:
        heard = await ask(url, stream)
    assert (heard.status, heard.error["code"]) == (500, "upstream_connect_error")


# Logins

LOGINS = [
    ({"kind": "bearer", "token": "secret-token"}, ("Authorization", "Bearer secret-token"), "/chat"),
    ({"kind": "header", "name": "X-Key", "value": "secret-token"}, ("X-Key", "secret-token"), "/chat"),
    ({"kind": "query", "name": "key", "value": "secret-token"}, None, "/chat?key=secret-token"),
]


@pytest.mark.parametrize(("login", "header", "target"), LOGINS, ids=["bearer", "header", "query"])
async def test_the_handshake_bears_the_login(login: Any, header: tuple[str, str] | None, target: str):
    async with speaking(saying({"t": "Hi"}), top={"auth": login}) as (url, other):
        assert (await ask(url)).text == "Hi"
    assert other.targets == [target]
    assert header is None or other.headers[0][header[0]] == header[1]
    assert "secret-token" not in other.asked[0]


@CALLERS
async def test_a_login_that_is_refused_has_a_name(stream: bool):
    async with speaking(saying({"t": "Hi"}), top={"auth": LOGINS[0][0]}) as (url, other):
        other.refuse = 1
        heard = await ask(url, stream)
        assert (heard.status, heard.error["code"]) == (502, "upstream_auth_error")
        assert (await ask(url, stream)).text == "Hi"


@CALLERS
async def test_a_token_that_is_refused_is_fetched_again(stream: bool):
    tokens = iter(["old-token", "new-token"])

    async def token(connection: Any, received: Any) -> None:
        await connection.send(json_answer({"access_token": next(tokens)}))

    async with listening(token) as endpoint:
        login = {"kind": "oauth2", "token_url": endpoint.url, "client_id": "c", "client_secret": "s3cret-s3cret"}
        async with speaking(saying({"t": "Hi"}), top={"auth": login}) as (url, other):
            other.refuse = 1
            assert (await ask(url, stream)).text == "Hi"
    assert [headers["Authorization"] for headers in other.headers] == ["Bearer old-token", "Bearer new-token"]


# Bounds


async def test_so_many_calls_are_open_at_once_and_no_more():
    release = asyncio.Event()

    async def answer(other: Other, socket: ServerConnection) -> None:
        await release.wait()
        await socket.send('{"t": "Hi"}')

    async with speaking(answer, top={"concurrency": 2}) as (url, other):
        calls = [asyncio.create_task(ask(url, stream)) for stream in (True, False)]
        await becomes(lambda: other.open == 2)
        heard = await ask(url)
        assert (heard.status, heard.error["code"], heard.headers["retry-after"]) == (503, "upstream_busy", "1")
        release.set()
        assert [(await call).text for call in calls] == ["Hi", "Hi"]
        for _ in range(3):
            assert (await ask(url)).text == "Hi"
        assert other.most == 2


async def test_calls_that_failed_leave_their_place():
    async with speaking(saying({"e": "no"}), top={"concurrency": 1}, error="e") as (url, other):
        for refused in (0, 1, 0, 1, 0):
            other.refuse = refused
            assert (await ask(url)).error["code"] == ("upstream_auth_error" if refused else "upstream_error")


@CALLERS
@pytest.mark.parametrize("begun", [False, True], ids=["before the first word", "after it"])
async def test_the_socket_is_closed_when_the_caller_leaves(begun: bool, stream: bool):
    async with speaking(saying(*[{"t": "word"}] * begun, stays=True), top={"concurrency": 1}) as (url, other):
        for count in (1, 2):
            reader, writer = await connected(url)
            writer.write(asking({**QUESTION, "stream": stream}))
            await becomes(lambda count=count: len(other.asked) == count)
            if begun and stream:
                await reader.readuntil(b"word")
            writer.close()
            await becomes(lambda: other.open == 0)


async def test_the_socket_is_closed_amid_many_words():
    async def answer(other: Other, socket: ServerConnection) -> None:
        with suppress(ConnectionClosed):
            while True:
                await socket.send('{"t": "word"}')
                await asyncio.sleep(0.001)

    async with speaking(answer) as (url, other):
        reader, writer = await connected(url)
        writer.write(asking({**QUESTION, "stream": True}))
        await reader.readuntil(b"word")
        writer.close()
        await becomes(lambda: other.open == 0)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"session": {"make": "{{ uuid() }}"}}, "session"),
        ({"poll": {"url": "ws://127.0.0.1/a", "until": "done"}}, "poll"),
        ({"response": "t"}, "response"),
        ({"stream": {"framing": "sse", "text": "t"}}, "websocket"),
    ],
    ids=["session", "poll", "response", "framing"],
)
def test_what_cannot_be_done_over_a_websocket_is_refused(options: dict[str, Any], problem: str):
    with pytest.raises(ConfigError, match=problem):
        Gateway(
            mapped("ws://127.0.0.1", **{"response": None, "stream": {"framing": "websocket", "text": "t"}, **options})
        )
