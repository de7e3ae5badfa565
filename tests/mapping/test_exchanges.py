"""Mapped backends of all shapes, from a caller's request to its answer, over real connections."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import accumulate, product
from typing import Any
from urllib.parse import parse_qsl

import pytest
from websockets.frames import Frame, Opcode
from websockets.utils import accept_key

from tests.mapping.asking import Heard, ask, mapped, served
from tests.serving import gateway
from tests.upstream import (
    LAST_CHUNK,
    Connection,
    Received,
    Script,
    always,
    answer,
    chunked,
    json_answer,
    listening,
    sse,
    stream_head,
)

WORDS = ["Grüß ", "dich! ", '{"a": [', "\\n\n", "👩‍👧", " 你好]"]
TEXT = "".join(WORDS)
CALLERS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])


def lines(*values: Any) -> list[bytes]:
    return [json.dumps(value, ensure_ascii=False).encode() + b"\r\n" for value in values]


def named(name: str, value: Any) -> bytes:
    return f"event: {name}\r\ndata: {json.dumps(value)}\r\n\r\n".encode()


# Every framing, in both modes, for both callers, whole and byte by byte


def events_of(*values: Any) -> list[bytes]:
    return sse(*values)


def named_events(*values: Any) -> list[bytes]:
    *said, last = [named("token" if "t" in value else "done", value) for value in values]
    return [b": hello\n\n", named("ping", 1), *said, last]


def inner_events(*values: Any) -> list[bytes]:
    return sse({"kind": "ping"}, *({"kind": "token" if "t" in value else "done", **value} for value in values))


def array(*values: Any) -> list[bytes]:
    return [b"[", b",\n".join(lines(*values)), b"]"]


def plain(*values: Any) -> list[bytes]:
    return [value["t"].encode() for value in values if "t" in value]


def frames(*values: Any) -> list[bytes]:
    return [Frame(Opcode.TEXT, line).serialize(mask=False) for line in lines(*values)]


@dataclass(frozen=True)
class Framed:
    """How a backend tells its events apart."""

    framing: str
    made: Callable[..., list[bytes]]
    type: str
    more: dict[str, Any] = field(default_factory=dict)


MEANINGS = {"events": {"token": "text", "done": "finish"}}
FRAMED = {
    "sse": Framed("sse", events_of, "text/event-stream"),
    "named": Framed("sse", named_events, "text/event-stream", MEANINGS),
    "inner": Framed("sse", inner_events, "text/event-stream", {**MEANINGS, "event": "kind"}),
    "ndjson": Framed("ndjson", lines, "application/x-ndjson"),
    "json-array": Framed("json-array", array, "application/json"),
    "text": Framed("text", plain, "text/plain"),
    "websocket": Framed("websocket", frames, ""),
}


def saying(framed: Framed, mode: str, sliced: bool) -> Script:
    said = accumulate(WORDS) if mode == "snapshot" else WORDS
    events = framed.made(*({"t": word} for word in said), {"end": "max_tokens"})
    pieces = [bytes([byte]) for byte in b"".join(events)] if sliced else events

    async def script(connection: Connection, received: Received) -> None:
        if framed.framing == "websocket":
            accepted = accept_key(received.headers["sec-websocket-key"])
            head = f"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: {accepted}"
            await connection.send(f"{head}\r\n\r\n".encode())
        else:
            await connection.send(stream_head(framed.type))
            pieces[:] = [*map(chunked, pieces), LAST_CHUNK]
        for piece in pieces:
            await connection.send(piece)
            await asyncio.sleep(0)
        if framed.framing == "websocket":
            await connection.gone()

    return script


CASES = [case for case in product(FRAMED, ["delta", "snapshot"], [False, True]) if case[:2] != ("text", "snapshot")]


@CALLERS
@pytest.mark.parametrize(("framing", "mode", "sliced"), CASES)
async def test_every_framing_gives_the_text_and_the_finish(framing: str, mode: str, sliced: bool, stream: bool):
    framed = FRAMED[framing]
    options = {"framing": framed.framing, "mode": mode, "text": "t", "finish": "end", **framed.more}
    async with listening(saying(framed, mode, sliced)) as upstream:
        url = upstream.url.replace("http", "ws") if framing == "websocket" else upstream.url
        async with gateway(mapped(url, None, stream=options, timeout={"idle": "1s"})) as url:
            heard = await ask(url, stream)
    assert (heard.text, heard.error) == (TEXT, {})
    assert heard.finish == ("stop" if framing == "text" else "length")
    assert len(heard.texts) > 2 or not stream


# Whole JSON where a stream was asked for


@pytest.mark.parametrize("more", [{}, {"events": {"token": "text"}, "event": "kind"}, {"text": "reply"}], ids=str)
@pytest.mark.parametrize("indent", [None, 1], ids=["one line", "indented"])
@pytest.mark.parametrize("framing", ["sse", "ndjson", "json-array"])
async def test_a_backend_may_answer_whole_where_a_stream_was_asked_for(framing: str, indent: int, more: Any):
    said = json.dumps({"reply": TEXT, "why": "max_tokens", "used": {"in": 3, "out": 4}}, indent=indent)
    response = {"text": "reply", "finish": "why", "usage": {"prompt": "used.in", "completion": "used.out"}}
    stream = {"framing": framing, "text": "t", **more}
    async with served(always(answer(said.encode())), response, stream=stream) as (url, _):
        heard = await ask(url, stream=True)
    assert (heard.text, heard.error) == (TEXT, {})
    assert (heard.finish, heard.usage["total_tokens"]) == ("length", 7)


async def test_a_whole_error_where_a_stream_was_asked_for_is_an_error():
    for framing in ("sse", "ndjson", "json-array"):
        options = {"stream": {"framing": framing, "text": "t"}}
        script = always(json_answer({"error": "no more tokens"}))
        async with served(script, {"text": "reply", "error": "error"}, **options) as (url, _):
            heard = await ask(url, stream=True)
        assert (heard.status, heard.error["code"]) == (502, "upstream_error"), framing


# What is said beside the text

SAID = {
    "text": "t",
    "reasoning": "r",
    "refusal": "no",
    "citations": "cited",
    "usage": {"prompt": "u.in", "completion": "u.out", "cached": "u.hit", "reasoning": "u.think"},
    "tool_calls": {"path": "calls", "id": "id", "arguments": "args"},
}


def both(*values: Any, whole: Any) -> Script:
    """Events for those who want a stream, one JSON for all others."""

    async def script(connection: Connection, received: Received) -> None:
        if received.json.get("live"):
            await connection.send(stream_head() + chunked(*sse(*values)) + LAST_CHUNK)
        else:
            await connection.send(json_answer(whole))

    return script


async def told(*values: Any, whole: Any, stream: bool, **more: Any) -> Heard:
    """What a caller hears of a backend that can say everything."""
    live = {"framing": "sse", "request": {"live": True}, **more.pop("stream_options", {})}
    async with served(both(*values, whole=whole), {**SAID, **more}, stream=live) as (url, _):
        return await ask(url, stream)


@CALLERS
async def test_reasoning_is_told_beside_the_text(stream: bool):
    heard = await told({"r": "Hm, "}, {"r": "so:"}, {"t": "42"}, whole={"r": "Hm, so:", "t": "42"}, stream=stream)
    assert heard.message == {"content": "42", "reasoning_content": "Hm, so:"}


@CALLERS
async def test_a_refusal_stands_in_place_of_a_text(stream: bool):
    heard = await told({"no": "I "}, {"no": "won't"}, whole={"no": "I won't"}, stream=stream)
    assert (heard.message, heard.finish) == ({"refusal": "I won't"}, "stop")


def cited(*sources: tuple[str, str]) -> list[dict[str, Any]]:
    return [
        {"type": "url_citation", "url_citation": {"url": url, "title": title, "start_index": 0, "end_index": 0}}
        for url, title in sources
    ]


@CALLERS
async def test_citations_are_links_or_objects(stream: bool):
    sources = ["https://a", {"url": "https://b", "title": "B"}, {"url": "", "title": "nowhere"}, 7, None]
    heard = await told({"t": "x"}, {"cited": sources}, whole={"t": "x", "cited": sources}, stream=stream)
    annotations = answered_annotations(heard)
    assert annotations == cited(("https://a", ""), ("https://b", "B"))


def answered_annotations(heard: Heard) -> list[dict[str, Any]]:
    """Annotations with the empty titles that the comparison leaves out."""
    found = heard.message["annotations"]
    return [{**one, "url_citation": {"title": "", **one["url_citation"]}} for one in found]


async def test_sources_that_every_event_repeats_are_cited_once():
    every = [{"t": word, "cited": ["https://a", "https://b"]} for word in ("one", "two", "three")]
    heard = await told(*every, whole={}, stream=True)
    assert answered_annotations(heard) == cited(("https://a", ""), ("https://b", ""))


async def test_sources_that_come_one_by_one_are_all_cited():
    """Also for the official SDK, which cannot put two lists of annotations together."""
    events = [{"t": "one", "cited": ["https://a"]}, {"t": "two", "cited": ["https://a", "https://b"]}]
    heard = await told(*events, whole={}, stream=True)
    assert answered_annotations(heard) == cited(("https://a", ""), ("https://b", ""))


async def test_a_snapshot_of_everything_says_nothing_twice():
    """Each event repeats the whole message, reasoning and calls included."""
    call = {"id": "c1", "name": "f", "args": {"a": 1}}
    events = [
        {"r": "Hm"},
        {"r": "Hm, so:", "t": "4"},
        {"r": "Hm, so:", "t": "42", "calls": [call]},
        {"r": "Hm, so:", "t": "42", "calls": [call], "u": {"in": 1, "out": 2}},
    ]
    heard = await told(*events, whole={}, stream=True, stream_options={"mode": "snapshot"})
    assert (heard.message["content"], heard.message["reasoning_content"]) == ("42", "Hm, so:")
    assert heard.calls == [("f", {"a": 1})]


@CALLERS
async def test_usage_adds_up_over_events(stream: bool):
    used = {"in": 3, "out": 10, "hit": 2, "think": 5}
    events = [{"u": {"in": 3, "hit": 2, "out": 1}}, {"t": "x", "u": {"out": 4}}, {"u": {"out": 10, "think": 5}}]
    heard = await told(*events, whole={"t": "x", "u": used}, stream=stream)
    assert heard.usage == {
        "prompt_tokens": 3,
        "completion_tokens": 10,
        "total_tokens": 13,
        "prompt_tokens_details": {"cached_tokens": 2},
        "completion_tokens_details": {"reasoning_tokens": 5},
    }


@CALLERS
@pytest.mark.parametrize(
    ("counts", "numbers"),
    [
        ({"all": 10, "out": 4}, (6, 4, 10)),
        ({"all": 10, "in": 4}, (4, 6, 10)),
        ({"in": 4}, (4, 0, 4)),
        ({"in": "4", "out": None, "all": "many"}, None),
    ],
    ids=str,
)
async def test_what_is_missing_in_the_usage_is_worked_out(counts: Any, numbers: Any, stream: bool):
    paths = {"prompt": "u.in", "completion": "u.out", "total": "u.all"}
    heard = await told({"t": "x"}, {"u": counts}, whole={"t": "x", "u": counts}, usage=paths, stream=stream)
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert (heard.usage and tuple(heard.usage[name] for name in names)) == numbers


# The backend's own tool calls

TWO = [("rain", {"city": "Oslo"}), ("wind", {"city": "Rom", "hours": [1, 2]})]
ANYHOW = {"rain": {}, "wind": {}}


def calls(text: bool, ids: bool) -> list[dict[str, Any]]:
    made = [{"name": name, "args": json.dumps(args) if text else args} for name, args in TWO]
    return [{"id": f"call-{name['name']}", **name} for name in made] if ids else made


def pieces(ids: bool, index: bool, names_again: bool = False) -> list[dict[str, Any]]:
    """The calls one after the other, their arguments in pieces."""
    said = []
    for place, call in enumerate(calls(text=True, ids=ids)):
        known = {**({"index": place} if index else {}), **({"id": call["id"]} if ids and names_again else {})}
        text = call.pop("args")
        said += [{**call, **known}, {**known, "args": text[:5]}, {**known, "args": text[5:]}]
    return said


@CALLERS
@pytest.mark.parametrize(("text", "ids"), list(product([True, False], repeat=2)))
async def test_whole_calls_come_as_text_or_objects(text: bool, ids: bool, stream: bool):
    whole = {"calls": calls(text, ids)}
    heard = await told(whole, whole=whole, stream=stream)
    assert (heard.calls, heard.finish) == (TWO, "tool_calls")
    given = [call["id"] for call in heard.message["tool_calls"]]
    assert given == ["call-rain", "call-wind"] or (not ids and len(set(given)) == 2)


@CALLERS
async def test_one_call_need_not_be_a_list_nor_have_arguments(stream: bool):
    for call in ({"name": "now"}, {"name": "now", "args": None}, {"name": "now", "args": {}}):
        heard = await told({"calls": call}, whole={"calls": call}, stream=stream)
        assert (heard.calls, heard.finish) == ([("now", {})], "tool_calls"), call


@CALLERS
@pytest.mark.parametrize(
    ("ids", "index", "again"),
    [(True, True, False), (True, False, False), (True, False, True), (False, True, False), (False, False, False)],
)
async def test_calls_in_pieces_are_put_together(ids: bool, index: bool, again: bool, stream: bool):
    options = {"path": "calls", "arguments": "args", **({"id": "id"} if ids else {}), "index": "index"}
    events = [{"calls": [piece]} for piece in pieces(ids, index, again)]
    async with served(
        both(*events, whole=None), None, stream={"framing": "sse", "tool_calls": options, "request": {"live": True}}
    ) as (url, _):
        heard = await ask(url, stream)
    assert (heard.calls, heard.finish) == (TWO, "tool_calls")


async def test_pieces_of_several_calls_may_come_in_turn():
    first, second = pieces(True, True)[:3], pieces(True, True)[3:]
    events = [{"calls": [one, other]} for one, other in zip(first, second, strict=True)]
    options = {"path": "calls", "id": "id", "arguments": "args", "index": "index"}
    heard = await told(*events, whole={}, stream=True, tool_calls=options)
    assert heard.calls == TWO


@CALLERS
async def test_text_and_calls_go_together(stream: bool):
    heard = await told(
        {"t": "Let me see."},
        {"calls": calls(text=True, ids=True)},
        whole={"t": "Let me see.", "calls": calls(True, True)},
        stream=stream,
    )
    assert (heard.text, heard.calls) == ("Let me see.", TWO)


# Errors and ends


@CALLERS
@pytest.mark.parametrize(
    ("paths", "said", "status", "code", "shown"),
    [
        ("err", {"err": "quota"}, 502, "upstream_error", False),
        ("err.why", {"err": {"why": "quota"}}, 502, "upstream_error", False),
        ({"path": "err", "show": True}, {"err": "quota"}, 502, "upstream_error", True),
        ({"path": "err", "status": "n"}, {"err": "quota", "n": 429}, 429, "upstream_rate_limited", False),
        ({"path": "err", "status": "n"}, {"err": "quota", "n": "503"}, 503, "upstream_error", False),
        ({"path": "err", "status": "n", "show": True}, {"err": "quota", "n": 400}, 422, "upstream_rejected", True),
        ({"path": "err", "status": "n"}, {"err": "quota", "n": 200}, 502, "upstream_error", False),
        ({"path": "err", "status": "n"}, {"err": "quota", "n": 401}, 502, "upstream_auth_error", False),
    ],
    ids=str,
)
async def test_an_error_path_makes_it_a_failure(
    paths: Any, said: Any, status: int, code: str, shown: bool, stream: bool
):
    heard = await told(said, whole=said, error=paths, stream=stream)
    assert (heard.status, heard.error["code"]) == (status, code)
    assert ("quota" in heard.error["message"]) == shown


@CALLERS
@pytest.mark.parametrize("nothing", [None, False, "", [], {}, 0], ids=repr)
async def test_an_error_that_says_nothing_is_none(nothing: Any, stream: bool):
    said = {"t": "fine", "err": nothing}
    assert (await told(said, whole=said, error="err", stream=stream)).text == "fine"


async def test_an_error_in_the_middle_breaks_the_stream():
    heard = await told({"t": "so far"}, {"err": "gone"}, whole={}, error={"path": "err", "show": True}, stream=True)
    assert (heard.text, heard.error["code"]) == ("so far", "upstream_error")
    assert "gone" in heard.error["message"]


@CALLERS
async def test_the_status_that_an_error_names_is_the_one_that_counts(stream: bool):
    """Over HTTP too: some gateways answer 500 to a call that was too many."""
    refusal = json_answer({"err": "slow down", "n": 429}, status="500 Oops")
    async with served(always(refusal), {"text": "t", "error": {"path": "err", "status": "n", "show": True}}) as (
        url,
        _,
    ):
        heard = await ask(url, stream)
    assert (heard.status, heard.error["code"]) == (429, "upstream_rate_limited")


@pytest.mark.parametrize("event", [b"event: oops\ndata: no JSON\n\n", b'event: oops\ndata: {"e": {"c": 429}}\n\n'])
async def test_an_event_that_means_an_error_breaks_the_stream(event: bytes):
    said = (
        stream_head() + chunked(named("token", {"t": "so far"}), event, named("token", {"t": "unheard"})) + LAST_CHUNK
    )
    events = {"token": "text", "oops": "error"}
    stream = {"framing": "sse", "text": "t", "events": events, "error": {"path": "e", "status": "e.c"}}
    async with served(always(said), None, stream=stream) as (url, _):
        heard = await ask(url, stream=True)
    assert heard.text == "so far"
    assert heard.error["code"] == ("upstream_rate_limited" if b"429" in event else "upstream_error")


async def test_events_without_a_meaning_may_be_anything():
    noise = [b"event: log\ndata: {not JSON}\n\n", b"event: ping\n\n", b"data: [unnamed\n\n", named("error", {"err": 1})]
    said = [chunk for word in WORDS for chunk in (*noise, named("token", {"t": word}))]
    stream = {"framing": "sse", "text": "t", "error": "err", "events": {"token": "text"}}
    async with served(always(stream_head() + chunked(*said) + LAST_CHUNK), None, stream=stream) as (url, _):
        assert (await ask(url, stream=True)).text == TEXT


FINISHES = {
    "done": "stop",
    "cut": "length",
    "tool": "tool_calls",
    "bad": "content_filter",
    "running": None,
    "true": "stop",
}


@CALLERS
@pytest.mark.parametrize(
    ("word", "finish"), [("done", "stop"), ("cut", "length"), ("bad", "content_filter"), (True, "stop")]
)
async def test_finish_words_are_mapped(word: Any, finish: str, stream: bool):
    options = {"path": "why", "map": FINISHES}
    events = [{"t": "x", "why": "running"}, {"t": "y", "why": "other"}, {"why": word}]
    heard = await told(*events, whole={"t": "xy", "why": word}, finish=options, stream=stream)
    assert (heard.text, heard.finish) == ("xy", finish)


@pytest.mark.parametrize(
    "paths", [{"finish": "why"}, {"finish": {"path": "why", "map": FINISHES}}], ids=["path", "map"]
)
async def test_a_stream_that_ends_without_its_finish_is_broken(paths: Any):
    heard = await told({"t": "x"}, {"t": "y", "why": None}, whole={}, stream=True, stream_options=paths)
    assert (heard.text, heard.error["code"]) == ("xy", "upstream_disconnected")


# What the backend is asked


async def asked(live: bool = False, **options: Any) -> tuple[Received, Heard]:
    """What arrives at a backend, and what the caller hears of it."""
    more = options.pop("more", {})
    events = always(stream_head() + chunked(*sse({"reply": "Hi"})) + LAST_CHUNK) if "stream" in options else None
    script = events if events and live else always(json_answer({"reply": "Hi"}))
    async with served(script, "reply", **options) as (url, upstream):
        heard = await ask(url, live, **more)
        [received] = upstream.requests
    assert heard.text == "Hi"
    return received, heard


def target(received: Received) -> tuple[str, str, list[tuple[str, str]]]:
    method, path, _ = received.head.split(" ")
    path, _, query = path.partition("?")
    return method, path, parse_qsl(query, keep_blank_values=True)


ODD = "a&b=c d/é?#+%"


@CALLERS
async def test_a_get_asks_in_its_query(stream: bool):
    query = {
        "q": "{{ last_user }}",
        "t": "{{ temperature }}",
        "stop": "{{ stops }}",
        "none": "{{ seed }}",
        "mode": "chat",
    }
    more = {"messages": [{"role": "user", "content": ODD}], "temperature": 0, "stop": ["x", "y"]}
    received, heard = await asked(stream, method="GET", query=query, more=more)
    pairs = [("q", ODD), ("t", "0"), ("stop", "x"), ("stop", "y"), ("mode", "chat")]
    assert target(received) == ("GET", "/", pairs)
    assert received.body == b""
    assert "content-type" not in received.headers
    assert not heard.ignored


async def test_a_form_holds_texts_lists_and_json():
    fields = {
        "q": "{{ last_user }}",
        "n": 1,
        "yes": True,
        "stop": "{{ stops }}",
        "all": {"turns": "{{ turns }}"},
        "none": "{{ seed }}",
    }
    more = {"messages": [{"role": "user", "content": ODD}], "stop": "x"}
    received, _ = await asked(request_format="form", request=fields, more=more)
    pairs = dict(parse_qsl(received.body.decode()))
    assert received.headers["content-type"] == "application/x-www-form-urlencoded"
    assert json.loads(pairs.pop("all")) == {"turns": [{"role": "user", "content": ODD}]}
    assert pairs == {"q": ODD, "n": "1", "yes": "true", "stop": "x"}


async def test_a_text_is_sent_as_it_is():
    more = {"messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": ODD}]}
    received, _ = await asked(request_format="text", request="{{ system }}\n> {{ last_user }}", more=more)
    assert received.body.decode() == f"Be kind.\n> {ODD}"
    assert received.headers["content-type"] == "text/plain; charset=utf-8"


async def test_the_url_and_the_headers_are_made_from_the_request():
    headers = {"X-Model": "{{ model }}", "X-Seed": "{{ seed }}", "X-Fixed": "yes", "X-User": "u-{{ user }}"}
    path = "/v1/{{ model }}:generate/{{ ext.region or 'eu' }}?alt=json&top={{ top_p }}"
    received, _ = await asked(path=path, headers=headers, query={"k": "v"}, more={"top_p": 0.5, "user": "ann"})
    assert target(received) == ("POST", "/v1/m:generate/eu", [("alt", "json"), ("top", "0.5"), ("k", "v")])
    assert (received.headers["x-model"], received.headers["x-fixed"]) == ("m", "yes")
    assert received.headers["x-user"] == "u-ann"
    assert "x-seed" not in received.headers


@pytest.mark.parametrize("region", ["..", "a/../b", "a?x=1", "a#b", "/etc", "a\\b", "a\r\nX: 1"], ids=repr)
async def test_a_value_that_would_lead_elsewhere_is_refused(region: str):
    async with served(always(json_answer({"reply": "Hi"})), path="/in/{{ ext.region }}/chat") as (url, upstream):
        heard = await ask(url, region=region)
        assert (heard.status, heard.error["code"]) == (422, "invalid_value")
        assert not upstream.requests


@pytest.mark.parametrize("user", ["é", "a\r\nX-Evil: 1", "\x7f"], ids=repr)
async def test_a_value_that_cannot_stand_in_a_header_is_refused(user: str):
    async with served(always(json_answer({"reply": "Hi"})), headers={"X-User": "{{ user }}"}) as (url, upstream):
        heard = await ask(url, user=user)
        assert (heard.status, heard.error["code"]) == (422, "invalid_value")
        assert not upstream.requests


OVER = {
    "headers": {"X-A": "{{ model }}", "X-B": "b"},
    "query": {"a": "1", "b": "2"},
    "request": {"q": "{{ last_user }}", "deep": {"one": 1, "two": 2}, "list": [1]},
    "stream": {
        "framing": "sse",
        "headers": {"X-B": "{{ stream }}", "X-C": "c"},
        "query": {"b": "3", "c": "{{ model }}"},
        "request": {"live": "{{ stream }}", "deep": {"two": 3}, "list": [2]},
    },
}


async def test_what_a_stream_is_asked_is_merged_over_the_rest():
    whole, _ = await asked(**OVER)
    live, _ = await asked(True, **OVER)
    assert target(whole)[2] == [("a", "1"), ("b", "2")]
    assert whole.json == {"q": "Hello", "deep": {"one": 1, "two": 2}, "list": [1]}
    assert (whole.headers["x-a"], whole.headers["x-b"], "x-c" in whole.headers) == ("m", "b", False)
    assert target(live)[2] == [("a", "1"), ("b", "3"), ("c", "m")]
    assert live.json == {"q": "Hello", "deep": {"one": 1, "two": 3}, "list": [2], "live": True}
    assert (live.headers["x-a"], live.headers["x-b"], live.headers["x-c"]) == ("m", "true", "c")


async def test_a_stream_may_have_its_own_url():
    async with listening(always(stream_head() + chunked(*sse({"reply": "Hi"})) + LAST_CHUNK)) as upstream:
        config = mapped(
            f"{upstream.url}/whole", stream={"framing": "sse", "url": f"{upstream.url}/live/{{{{ model }}}}?a=1"}
        )
        async with gateway(config) as url:
            await ask(url, stream=True)
        assert target(upstream.requests[0]) == ("POST", "/live/m", [("a", "1")])


async def test_a_stream_may_have_its_own_method():
    options = {"method": "GET", "query": {"q": "{{ last_user }}"}}
    received, _ = await asked(True, **options, stream={"framing": "sse", "method": "PUT"})
    assert target(received)[0] == "PUT"


# What it has no use for

GIVEN = {"temperature": 1, "max_completion_tokens": 5, "stop": ["x"], "top_k": 3, "seed": 7}


@CALLERS
async def test_parameters_without_a_use_are_named(stream: bool):
    received, heard = await asked(stream, request={"q": "{{ prompt }}", "n": "{{ max_tokens }}"}, more=GIVEN)
    assert heard.ignored == "seed,temperature"
    assert heard.headers["x-dragoman-emulated"].split(",") == [*(["stop", "stream"] if stream else ["stop"]), "usage"]
    assert received.json == {"q": "Hello", "n": 5}


async def test_what_any_part_of_the_request_uses_is_not_ignored():
    options = {
        "path": "/{{ seed }}",
        "headers": {"X-T": "{{ temperature }}"},
        "query": {"s": "{{ stops }}"},
        "request": {"$if": "max_tokens", "$make": {"q": "{{ last_user }}"}},
    }
    _, heard = await asked(**options, more=GIVEN)
    assert not heard.ignored
