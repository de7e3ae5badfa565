"""Faults before the first token: the caller gets their true status and OpenAI's envelope, streaming or not."""

import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from functools import cache
from typing import Any

import pytest

from tests.faults import (
    EVENTS,
    FOLDED,
    JSON,
    NDJSON,
    OPENAI,
    OPENAI_SSE,
    RAW,
    SECRET,
    SILENT,
    SSE,
    WAYS,
    WHOLE,
    Fault,
    Step,
    Way,
    a_moment,
    answered,
    assert_nothing_leaks,
    assert_refused,
    close,
    doing,
    drip,
    head,
    heard,
    met,
    reset,
    saying,
    silence,
    taking,
)
from tests.serving import QUESTION, gateway, http_backend, post
from tests.upstream import Connection, Received, answer, chunked, json_answer, listening

MIB = 1024 * 1024
SOON = {"timeout": {"connect": "1s", "first": "150ms", "idle": "150ms"}}
NEVER_RETRIED = {"x-should-retry": "false"}


# Not HTTP, not whole, not in time


def garbled(name: str, said: bytes) -> Fault:
    return Fault(name, "upstream_protocol_error", saying(said, close))


def late(name: str, code: str, *steps: Step, **more: Any) -> Fault:
    return Fault(name, code, saying(*steps), 504, **{"options": SOON, **more})


def cut(name: str, steps: Any) -> Fault:
    """Ends before anything could be read from it."""
    return Fault(name, "upstream_disconnected", taking(steps), ways=SILENT)


BEGINNING = b"HTTP/1.1 200 OK\r\n"

HTTP_FAULTS = [
    Fault("closed", "upstream_disconnected", saying(close)),
    Fault("reset", "upstream_disconnected", saying(reset)),
    Fault("half-a-head", "upstream_disconnected", saying(BEGINNING + b"Content-", close)),
    Fault("a-head-and-no-body", "upstream_disconnected", taking(lambda way: [head(way), close])),
    garbled("garbage", RAW.encode() + b"\r\n\r\n"),
    garbled("another-protocol", b"SSH-2.0-" + RAW.encode() + b"\r\n"),
    garbled("bad-status-line", b"HTTP/1.1 fine " + RAW.encode() + b"\r\n\r\n"),
    garbled("bad-content-length", BEGINNING + b"Content-Length: some\r\n\r\n" + RAW.encode()),
    garbled("huge-header", BEGINNING + b"X-Raw: " + RAW.encode() * 80_000 + b"\r\n\r\n"),
    garbled("many-headers", BEGINNING + b"X-Raw: %b\r\n" % RAW.encode() * 20_000 + b"\r\n"),
    late("silence", "upstream_timeout", silence, headers=NEVER_RETRIED),
    late("slow-head", "upstream_timeout", drip(BEGINNING, *[b"X-A: b\r\n"] * 9), headers=NEVER_RETRIED),
    Fault("stall", "upstream_idle_timeout", taking(lambda way: [head(way), silence]), 504, options=SOON),
    Fault(
        "slow-drip",
        "upstream_deadline",
        taking(lambda way: [head(way), drip(*[chunked(b" ")] * 20)]),
        504,
        options={"timeout": {"idle": "150ms", "total": "250ms"}},
        ways=SILENT,
    ),
    cut("short-content-length", lambda way: [answer(way.body(RAW), type=way.type)[: 9 - len(way.body(RAW))], close]),
    cut("cut-between-chunks", lambda way: [head(way) + chunked(way.body(RAW)[:9]), close]),
    cut("cut-inside-a-chunk", lambda way: [head(way) + b"ff\r\n" + way.body(RAW)[:9], close]),
    cut("reset-inside-the-body", lambda way: [head(way) + chunked(way.body(RAW)[:9]), a_moment, reset]),
]


# Not what was asked for


def bad(name: str, body: bytes, ways: Sequence[Way] = WHOLE, code: str = "upstream_bad_response") -> Fault:
    """The right type, the wrong body."""
    return Fault(name, code, taking(lambda way: [answer(body, type=way.type)]), ways=ways)


def typed(type: str, body: bytes, ways: Sequence[Way] = WAYS) -> Fault:
    return Fault(type.replace("/", "-"), "upstream_bad_content_type", saying(answer(body, type=type)), ways=ways)


def packed(name: str, code: str, body: Any, ways: Sequence[Way] = WAYS, encoding: str = "gzip") -> Fault:
    """A body that is not compressed as it should be."""
    return Fault(
        name, code, taking(lambda way: [answer(body(way), f"Content-Encoding: {encoding}", type=way.type)]), ways=ways
    )


def zipped(way: Way, *texts: str) -> bytes:
    return gzip.compress(way.body(*texts or ("Hello",)))


@cache
def bomb() -> bytes:
    return gzip.compress(bytes(64 * MIB), 1)


HTML = f"<!DOCTYPE html><html><title>{RAW}</title></html>".encode()
RAW_JSON = json.dumps({"reply": RAW}).encode()
DEEP = b"[" * 900 + b"]" * 900

BODY_FAULTS = [
    bad("truncated-json", RAW_JSON[:-1]),
    bad("no-json", RAW.encode()),
    bad("html-called-json", HTML),
    bad("empty-body", b""),
    bad("not-a-number", b'{"reply": NaN, "choices": NaN}'),
    *(
        bad(name, body, [way for way in WHOLE if (way.kind is http_backend) == mapped], code)
        for name, body in (
            ("another-shape", json.dumps({"other": RAW}).encode()),
            ("a-list", b"[1]"),
            ("null", b"null"),
        )
        for mapped, code in ((True, "upstream_no_text"), (False, "upstream_bad_response"))
    ),
    bad("too-deep", b'{"reply": %b, "choices": [{"message": {"content": "a", "x": %b}}]}' % (DEEP, DEEP)),
    bad("invalid-utf-8", b'{"reply": "caf\xe9 %b"}' % RAW.encode(), code="upstream_bad_encoding"),
    bad("huge-body", b" " * (10 * MIB + 1), code="upstream_too_large"),
    bad("bad-event", b"data: " + RAW.encode() + b"\n\n", [SSE, OPENAI_SSE], "upstream_bad_event"),
    bad("truncated-event", b"data: " + RAW_JSON[:-1], [SSE, OPENAI_SSE], "upstream_bad_event"),
    bad("bad-line", RAW.encode() + b"\n", [NDJSON], "upstream_bad_event"),
    bad("truncated-line", RAW_JSON[:-1], [NDJSON], "upstream_bad_event"),
    bad("huge-event", b"data: " + b"x" * MIB + b"\n\n", EVENTS, "upstream_too_large"),
    bad("endless-event", b"data: " + b"x" * 2 * MIB, EVENTS, "upstream_too_large"),
    bad("silent-stream", b"\n\n: nothing to say\n\n", [OPENAI_SSE]),
    bad("error-object", json.dumps({"error": {"message": RAW}}).encode(), [OPENAI, NDJSON], "upstream_error"),
    bad("error-event", b'data: {"error": "%b"}\n\n' % RAW.encode(), [SSE, OPENAI_SSE], "upstream_error"),
    typed("text/html", HTML),
    typed("application/octet-stream", RAW_JSON),
    typed("text/plain", RAW_JSON, SILENT),
    packed("gzip-bomb", "upstream_too_large", lambda way: bomb(), SILENT),
    packed("no-gzip", "upstream_bad_encoding", lambda way: way.body(RAW)),
    packed("corrupt-gzip", "upstream_bad_encoding", lambda way: zipped(way)[:10] + b"\xff" * 20),
    packed("corrupt-checksum", "upstream_bad_encoding", lambda way: zipped(way)[:-8] + bytes(8), WHOLE),
    packed("cut-gzip", "upstream_bad_encoding", lambda way: zipped(way)[:-12], WHOLE),
    packed("unknown-encoding", "upstream_bad_encoding", lambda way: way.body(RAW), encoding="br"),
]


# Not wanted


def status(line: str, code: str, status: int = 502, *headers: str, **more: Any) -> Fault:
    refusal = json_answer({"error": {"message": RAW}, "reply": RAW}, f"X-Raw: {RAW}", *headers, status=line)
    return Fault(line.replace(" ", "-"), code, saying(refusal), status, **more)


def rejected(line: str) -> Fault:
    return status(line, "upstream_rejected", 400, specified=422, type="invalid_request_error")


def redirected(line: str) -> Fault:
    return status(line, "upstream_redirect_refused", 502, f"Location: http://127.0.0.1/{RAW}")


LIMITED = {"type": "rate_limit_error", "headers": {"retry-after": "7"}}
UNAVAILABLE = {"type": "service_unavailable_error", "headers": {"retry-after": "7"}}

REJECTED = [*map(rejected, ["400 Bad", "404 Not Found", "409 Conflict", "413 Too Large", "422 Unprocessable"])]
STATUS_FAULTS = [
    *REJECTED,
    status("429 Too Many", "upstream_rate_limited", 429, "Retry-After: 7", **LIMITED),
    status("401 Unauthorized", "upstream_auth_error", headers=NEVER_RETRIED),
    status("403 Forbidden", "upstream_auth_error", headers=NEVER_RETRIED),
    status("500 Internal", "upstream_error"),
    status("502 Bad Gateway", "upstream_error"),
    status("504 Timeout", "upstream_error"),
    status("529 Overloaded", "upstream_error"),
    status("503 Unavailable", "upstream_error", 503, "Retry-After: 7", **UNAVAILABLE),
    status("999 Odd", "upstream_bad_response"),
    Fault("204-No-Content", "upstream_bad_response", saying(b"HTTP/1.1 204 No Content\r\n\r\n")),
    *map(redirected, ["301 Moved", "302 Found", "303 See Other", "307 Temporary", "308 Permanent"]),
]


@pytest.mark.parametrize("fault", HTTP_FAULTS + BODY_FAULTS + STATUS_FAULTS, ids=str)
async def test_a_fault_before_the_first_token_has_its_true_status_and_the_envelope(fault: Fault):
    for told in await met(fault):
        assert_refused(told, fault)


@pytest.mark.parametrize("fault", REJECTED, ids=str)
async def test_a_rejected_request_is_400_with_the_errors_of_openai(fault: Fault):
    for told in await met(fault, "openai"):
        assert_refused(told, fault, "openai")


RETRY_AFTER = {
    "7": "7",
    "0": "0",
    "1.6": "2",
    "3600": "120",
    "9" * 400: "120",
    format_datetime(datetime.now(UTC) + timedelta(hours=2), usegmt=True): "120",
    "Wed, 21 Oct 2015 07:28:00 GMT": "0",
    "soon": None,
    "-5": None,
    "nan": None,
    "": None,
}


@pytest.mark.parametrize("number", [429, 503])
async def test_the_time_to_wait_is_passed_on_up_to_two_minutes(number: int):
    async with listening() as upstream, gateway(http_backend(upstream.url, breaker=False)) as url:
        for given, passed in RETRY_AFTER.items():
            upstream.script = doing(answer(b"", f"Retry-After: {given}", status=f"{number} Later"))
            status, headers, _ = await post(url, QUESTION)
            assert (given, status, headers.get("retry-after")) == (given, number, passed)


SHOWN = {
    JSON: {"response": {"text": "reply", "error": {"path": "error.message", "show": True}}},
    OPENAI: {"show_errors": True},
}


@pytest.mark.parametrize("way", [JSON, OPENAI], ids=str)
async def test_callers_read_why_a_request_was_rejected_only_where_that_is_configured(way: Way):
    said = {"error": {"message": "The prompt is too long.", "code": "too_long", "secret": RAW}}
    at = saying(json_answer(said, status="400 Bad Request"))
    [hidden], [shown] = await heard(at, [way]), await heard(at, [way], **SHOWN[way])
    assert "too long" not in hidden.body.decode()
    assert "The prompt is too long." in json.loads(shown.body)["error"]["message"]
    assert shown.status == 422
    assert_nothing_leaks(hidden)
    assert_nothing_leaks(shown)


@pytest.mark.parametrize("way", [JSON, OPENAI], ids=str)
@pytest.mark.parametrize("line", ["401 Unauthorized", "403 Forbidden", "500 Internal", "503 Unavailable"])
async def test_what_is_not_about_the_request_is_never_shown(way: Way, line: str):
    [told] = await heard(saying(json_answer({"error": {"message": RAW}}, status=line)), [way], **SHOWN[way])
    assert told.status in (502, 503)
    assert_nothing_leaks(told)


@pytest.mark.parametrize("line", ["200 OK", "400 Bad", "401 Unauthorized", "429 Too Many", "500 Internal"])
async def test_an_upstream_that_tells_all_it_knows_is_not_quoted(line: str):
    async def confess(connection: Connection, received: Received) -> None:
        known = {"error": f"{received.headers} at {connection.writer.get_extra_info('sockname')}"}
        await connection.send(json_answer(known, f"X-Secret: {SECRET}", f"Set-Cookie: a={SECRET}", status=line))

    @asynccontextmanager
    async def at(way: Way) -> AsyncIterator[str]:
        async with listening(confess) as upstream:
            yield upstream.url
            assert upstream.requests[0].headers["x-secret"] == SECRET

    for told in await heard(at, WAYS):
        assert told.status != 200
        assert_nothing_leaks(told)


# Odd, but readable


def good(way: Way, *headers: str, body: bytes = b"", type: str = "") -> bytes:
    return answer(body or way.body("Hello"), *headers, type=type or way.type)


def twice_zipped(way: Way) -> bytes:
    """Two gzip members are one stream (RFC 1952, 2.2)."""
    body = way.body("Hello")
    return gzip.compress(body[:3]) + gzip.compress(body[3:])


ODD = {
    "early-hints": lambda way: b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n" + good(way),
    "continue": lambda way: b"HTTP/1.1 100 Continue\r\n\r\n" + good(way),
    "created": lambda way: good(way).replace(b"200 OK", b"201 Created"),
    "no-reason": lambda way: good(way).replace(b"200 OK", b"200"),
    "charset": lambda way: good(way, type=f"{way.type}; charset=UTF-8"),
    "capital-type": lambda way: good(way, type=way.type.upper()),
    "no-type": lambda way: good(way).replace(b"Content-Type", b"X-Type"),
    "until-it-closes": lambda way: good(way).replace(b"Content-Length", b"X-Length"),
    "gzip": lambda way: good(way, "Content-Encoding: gzip", body=zipped(way)),
    "deflate": lambda way: good(way, "Content-Encoding: deflate", body=zlib.compress(way.body("Hello"))),
    "gzip-in-two-members": lambda way: good(way, "Content-Encoding: gzip", body=twice_zipped(way)),
}


@pytest.mark.parametrize("odd", ODD.values(), ids=ODD)
async def test_an_odd_but_readable_answer_is_read(odd: Callable[[Way], bytes]):
    for told in await heard(taking(lambda way: [odd(way), close]), WAYS):
        assert (told.way.name, *answered(told)) == (told.way.name, "Hello", "stop")


@pytest.mark.parametrize("type", ["text/html", "application/octet-stream"])
@pytest.mark.parametrize("way", [way for way in WAYS if way.kind is http_backend], ids=str)
async def test_a_wrong_content_type_is_accepted_where_it_is_configured(way: Way, type: str):
    [told] = await heard(saying(answer(way.body("Hello"), type=type)), [way], assume_content_type=way.type)
    assert answered(told) == ("Hello", "stop")


async def test_what_is_not_utf_8_is_replaced_where_it_is_configured():
    [told] = await heard(saying(answer(b'{"reply": "caf\xe9!"}')), [JSON], encoding="replace")
    assert answered(told) == ("caf\ufffd!", "stop")


SURROGATES = {
    r"a\ud800b": "a\ufffdb",
    r"a\uDFFF": "a\ufffd",
    r"\ud83d\ude00 \ude00\ud83d": "😀 \ufffd\ufffd",
    r"\\ud800 \ud800": "\\ud800 \ufffd",
}


@pytest.mark.parametrize("escaped", SURROGATES)
async def test_half_a_surrogate_pair_becomes_a_replacement_character(escaped: str):
    at = taking(lambda way: [answer(way.body("@").replace(b"@", escaped.encode()), type=way.type)])
    for told in await heard(at, [*SILENT, *FOLDED]):
        assert (told.way.name, *answered(told)) == (told.way.name, SURROGATES[escaped], "stop")


async def test_an_answer_just_within_the_bounds_is_delivered():
    text = "x" * (10 * MIB - 1000)
    [told] = await heard(taking(lambda way: [answer(way.body(text))]), [JSON])
    assert answered(told) == (text, "stop")
