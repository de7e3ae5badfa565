"""Streams that break after the first token, and streams that are odd but whole."""

import asyncio
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from tests.faults import (
    EVENTS,
    FOLDED,
    NDJSON,
    OPENAI,
    OPENAI_SSE,
    RAW,
    SSE,
    TEXT,
    Fault,
    Step,
    Way,
    a_moment,
    answered,
    assert_broken,
    assert_refused,
    close,
    delta,
    drip,
    head,
    heard,
    met,
    reset,
    saying,
    silence,
    taking,
)
from tests.upstream import LAST_CHUNK, Connection, answer, chunked, json_answer, sse

FRAMED = (*EVENTS, *FOLDED)
ALL = (*FRAMED, TEXT)
SERVER_SENT = (SSE, OPENAI_SSE)
SOON = {"timeout": {"idle": "150ms"}}


# Broken after the first token


def broken(name: str, code: str, steps: Callable[[Way], Sequence[Step]], status: int = 502, **more: Any) -> Fault:
    """Breaks after it has said `Hello`."""
    at = taking(lambda way: [head(way) + chunked(way.says("Hello")), a_moment, *steps(way)])
    return Fault(name, code, at, status, **{"ways": ALL, **more})


def spoilt(name: str, code: str, event: bytes, ways: Sequence[Way] = (*SERVER_SENT, FOLDED[0])) -> Fault:
    """Goes on with a bad event, and with a good end."""
    return broken(name, code, lambda way: [chunked(event, way.body(RAW)) + LAST_CHUNK], ways=ways)


def packed(name: str, code: str, rest: bytes, ways: Sequence[Way] = ALL) -> Fault:
    """A gzip stream that goes on as it should not."""

    def steps(way: Way) -> Sequence[Step]:
        packing = zlib.compressobj(wbits=zlib.MAX_WBITS | 16)
        good = packing.compress(way.says("Hello")) + packing.flush(zlib.Z_FULL_FLUSH)
        return [
            head(way, "Content-Encoding: gzip") + chunked(good),
            a_moment,
            *([chunked(rest)] if rest else ()),
            LAST_CHUNK,
        ]

    return Fault(name, code, taking(steps), ways=ways)


def deflated(data: bytes) -> bytes:
    """A piece that goes on after a full flush."""
    packing = zlib.compressobj(1, wbits=-zlib.MAX_WBITS)
    return packing.compress(data) + packing.flush()


BOMB = deflated(b" " * 64 * 1024 * 1024)


def announced(way: Way) -> Sequence[Step]:
    """An answer that is shorter than its content-length."""
    whole = answer(way.says("Hello") + way.body(RAW), type=way.type)
    return [whole[: -len(way.body(RAW))], a_moment, close]


BROKEN = [
    broken("reset", "upstream_disconnected", lambda way: [reset]),
    broken("cut-between-chunks", "upstream_disconnected", lambda way: [close]),
    broken("cut-inside-a-chunk", "upstream_disconnected", lambda way: [b"ff\r\n", close]),
    Fault("short-content-length", "upstream_disconnected", taking(announced), ways=ALL),
    broken("stall", "upstream_idle_timeout", lambda way: [silence], 504, options=SOON),
    broken(
        "slow-drip",
        "upstream_deadline",
        lambda way: [drip(*[chunked(b" ")] * 20)],
        504,
        options={"timeout": {"idle": "150ms", "total": "250ms"}},
        ways=FRAMED,
    ),
    broken("no-end", "upstream_disconnected", lambda way: [LAST_CHUNK], ways=FRAMED),
    broken("huge-event", "upstream_too_large", lambda way: [chunked(b"data: " + b"x" * 2**20), silence], ways=FRAMED),
    broken("cut-event", "upstream_bad_event", lambda way: [chunked(b'data: {"t": "words'), LAST_CHUNK], ways=FRAMED),
    packed("corrupt-gzip", "upstream_bad_encoding", b"\xff" * 40),
    packed("cut-gzip", "upstream_bad_encoding", b"", ways=[TEXT]),
    packed("gzip-bomb", "upstream_too_large", BOMB, ways=FRAMED),
    spoilt("bad-event", "upstream_bad_event", b"data: " + RAW.encode() + b"\n\n"),
    spoilt("html-event", "upstream_bad_event", b"data: <html>%b</html>\n\n" % RAW.encode()),
    spoilt("bad-line", "upstream_bad_event", RAW.encode() + b"\n", [NDJSON, FOLDED[1]]),
    spoilt("error-event", "upstream_error", sse({"error": {"message": RAW}})[0]),
    spoilt("error-line", "upstream_error", b'{"error": "%b"}\n' % RAW.encode(), [NDJSON, FOLDED[1]]),
    spoilt("error-as-finish", "upstream_error", sse(delta(RAW, "error"))[0], [OPENAI_SSE]),
    spoilt("a-list", "upstream_bad_event", sse([RAW])[0], [OPENAI_SSE]),
    spoilt("a-number", "upstream_bad_event", sse(5)[0], [OPENAI_SSE]),
]


@pytest.mark.parametrize("fault", BROKEN, ids=str)
async def test_a_fault_after_the_first_token_ends_unfinished_with_an_error_event(fault: Fault):
    for told in await met(fault):
        (assert_broken if told.way.stream else assert_refused)(told, fault)


async def test_a_stream_of_too_many_events_ends_unfinished_with_an_error_event(monkeypatch):
    monkeypatch.setattr("dragoman.mapping.framing.MAX_EVENTS", 100)
    fault = broken("many", "upstream_too_large", lambda way: [chunked(way.says(*[""] * 100)), silence], ways=FRAMED)
    for told in await met(fault):
        (assert_broken if told.way.stream else assert_refused)(told, fault)


async def test_a_text_of_too_many_bytes_ends_unfinished_with_an_error_event():
    long = [chunked(RAW.encode() * 50), silence]
    fault = broken("long", "upstream_too_large", lambda way: long, ways=[TEXT], options={"max_answer": "1KiB"})
    for told in await met(fault):
        assert_broken(told, fault)


# Snapshots


def snapshots(*texts: str) -> Fault:
    """Each event repeats all the text so far."""
    at = taking(lambda way: [head(way) + chunked(way.says("Hel")), a_moment, chunked(way.body(*texts)) + LAST_CHUNK])
    stream = {**SSE.options["stream"], "mode": "snapshot"}
    lines = {**NDJSON.options["stream"], "mode": "snapshot"}
    ways = [replace(SSE, options={"stream": stream}), replace(NDJSON, options={"stream": lines})]
    return Fault("snapshots", "upstream_stream_rewrite", at, ways=ways)


async def test_snapshots_become_deltas():
    for told in await met(snapshots("Hello", "Hello", "", "Hello there")):
        assert answered(told) == ("Hello there", "stop")
        assert [text for chunk in told.chunks if (text := told.door.text([chunk]))] == ["Hel", "lo", " there"]


@pytest.mark.parametrize("rewritten", ["Hallo", "H", f"{RAW} Hel"])
async def test_a_snapshot_that_changes_what_was_said_ends_unfinished_with_an_error_event(rewritten: str):
    fault = snapshots(rewritten)
    for told in await met(fault):
        assert_broken(told, fault, said="Hel")


# Odd, but whole


TEXT_SAID = "Grüße, 🌍!\u2028\x85"
ESCAPED = json.dumps(TEXT_SAID)[1:-1].encode()
DONE = b"data: [DONE]\n\n"


def raw(way: Way) -> bytes:
    """A good stream whose text is not escaped."""
    return way.body(TEXT_SAID).replace(ESCAPED, TEXT_SAID.encode())


def pretty(way: Way) -> bytes:
    """Each event's JSON over many `data:` lines."""
    texts = [json.dumps(value, indent=1).replace("\n", "\ndata: ") for value in (way.token(TEXT_SAID), way.end[0])]
    return "".join(f"data: {text}\n\n" for text in texts).encode() + DONE


def garrulous(way: Way) -> bytes:
    """Goes on after its finish, and finishes again."""
    end, *done = map(way.framed, way.end)
    return b"".join([way.says(TEXT_SAID), end, way.says(RAW), end.replace(b"stop", b"length"), *done])


def changed(old: bytes, new: bytes) -> Callable[[Way], bytes]:
    return lambda way: raw(way).replace(old, new)


ODD_STREAMS: dict[str, Callable[[Way], bytes]] = {
    "plain": raw,
    "escaped": lambda way: way.body(TEXT_SAID),
    "crlf": changed(b"\n", b"\r\n"),
    "byte-order-mark": lambda way: b"\xef\xbb\xbf" + raw(way),
    "more-blank-lines": changed(b"\n", b"\n\n\n"),
    "more-blank-crlf": changed(b"\n", b"\r\n\r\n"),
    "no-last-line-end": lambda way: raw(way).rstrip(b"\n"),
    "goes-on-after-its-finish": garrulous,
}
ODD_EVENTS: dict[str, Callable[[Way], bytes]] = {
    "cr": changed(b"\n", b"\r"),
    "comments": changed(b"data:", b": ping\n\n:\n: ping\ndata:"),
    "ids-and-names": changed(b"data:", b"id: 7\nevent: message\nretry: 10\ndata:"),
    "events-without-data": changed(b"data:", b"id: 7\n\nretry: 10\n\nevent: ping\n\ndata:\n\ndata: \n\ndata:"),
    "no-space": changed(b"data: ", b"data:"),
    "many-data-lines": pretty,
    "no-done": changed(DONE, b""),
    "no-done-and-no-last-blank-line": lambda way: raw(way).removesuffix(b"\n\n" + DONE),
    "done-twice": changed(DONE, DONE * 2),
    "data-after-done": lambda way: raw(way) + way.body(RAW) + b"data: {",
}


def crumbs(data: bytes) -> Step:
    """Each byte by itself."""

    async def step(connection: Connection) -> None:
        for byte in data:
            connection.writer.write(chunked(bytes([byte])))
            await asyncio.sleep(0)

    return step


def at_once(data: bytes) -> Step:
    return lambda connection: connection.send(chunked(data))


@pytest.mark.parametrize("sent", [at_once, crumbs])
@pytest.mark.parametrize(
    ("odd", "ways"),
    [
        *(pytest.param(odd, FRAMED, id=name) for name, odd in ODD_STREAMS.items()),
        *(pytest.param(odd, (*SERVER_SENT, FOLDED[0]), id=name) for name, odd in ODD_EVENTS.items()),
    ],
)
async def test_an_odd_stream_is_read_however_its_bytes_are_cut(odd: Any, ways: Sequence[Way], sent: Any):
    for told in await heard(taking(lambda way: [head(way), sent(odd(way)), LAST_CHUNK]), ways):
        assert (told.way.name, *answered(told)) == (told.way.name, TEXT_SAID, "stop")


@pytest.mark.parametrize("sent", [at_once, crumbs])
async def test_bytes_that_are_not_utf_8_become_replacement_characters_in_a_stream(sent: Any):
    def spoilt(way: Way) -> Sequence[Step]:
        return [head(way), sent(way.body("Grü@e").replace(rb"\u00fc", "ü".encode()).replace(b"@", b"\xff")), LAST_CHUNK]

    for told in await heard(taking(spoilt), ALL):
        assert (told.way.name, *answered(told)) == (told.way.name, "Gr\u00fc\ufffde", "stop")


FLOOD = drip(*[chunked(b": more\n\n" * 5000)] * 10)


@pytest.mark.parametrize("way", SERVER_SENT, ids=str)
@pytest.mark.parametrize("after", [silence, reset, close, FLOOD], ids=["silence", "reset", "close", "flood"])
async def test_after_done_nothing_is_waited_for(way: Way, after: Step):
    at = taking(lambda way: [head(way) + chunked(way.body("Hello")), a_moment, after])
    async with asyncio.timeout(2):
        [told] = await heard(at, [way], timeout={"idle": "5s"})
    assert answered(told) == ("Hello", "stop")


async def test_a_stream_that_is_cut_right_after_its_done_is_whole():
    at = taking(lambda way: [head(way) + chunked(way.body("Hello")), close])
    for told in await heard(at, SERVER_SENT):
        assert answered(told) == ("Hello", "stop")


@pytest.mark.parametrize("way", SERVER_SENT, ids=str)
async def test_a_whole_answer_where_a_stream_was_asked_for_is_delivered(way: Way):
    whole = {"reply": "Hello", **OPENAI.token("Hello")}
    [told] = await heard(saying(json_answer(whole)), [way])
    assert answered(told) == ("Hello", "stop")


async def test_without_a_path_to_the_finish_the_end_of_the_stream_is_the_end():
    stream = {"framing": "sse", "text": "t"}
    ways = [
        replace(SSE, options={"stream": stream}),
        replace(SSE, name="folded", options={"stream": stream, "response": None}, stream=False),
    ]
    for told in await heard(taking(lambda way: [answer(way.says("Hel", "lo"), type=way.type)]), ways):
        assert answered(told) == ("Hello", "stop")
