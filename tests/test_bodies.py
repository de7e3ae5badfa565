"""What a caller may post: one JSON object in UTF-8, and nothing that a backend could read in another way."""

import json
from collections.abc import AsyncIterator
from typing import Any

import orjson
import pytest
import pytest_asyncio
from hypothesis import given
from hypothesis import strategies as st

from dragoman.wire.chat import ChatRequest
from tests.serving import QUESTION, gateway, http_backend, openai_backend, post
from tests.upstream import Upstream, always, json_answer, listening

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "sesame"
ANSWER = json_answer({"choices": [{"index": 0, "message": {"content": "Hi"}, "finish_reason": "stop"}]})


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[Upstream]:
    async with listening(always(ANSWER)) as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(upstream: Upstream) -> AsyncIterator[str]:
    async with gateway(openai_backend(upstream.url)) as url:
        yield url


def with_field(value: bytes, name: bytes = b"x") -> bytes:
    """A good question with one more field, written as it is given."""
    return b'{"model":"m","messages":[{"role":"user","content":"sesame"}],"%b":%b}' % (name, value)


def nested(depth: int, inside: bytes = b"") -> bytes:
    return b"[" * depth + inside + b"]" * depth


GOOD = orjson.dumps({**QUESTION, "user": SECRET})
UNREADABLE = {
    "nothing": b"",
    "spaces": b" \r\n\t",
    "an array": b"[%b]" % GOOD,
    "a string": b'"sesame"',
    "a number": b"5",
    "null": b"null",
    "not JSON": b"model=m&sesame=1",
    "cut off": GOOD[:-1],
    "trailing data": GOOD + b" sesame",
    "two objects": GOOD + GOOD,
    "a trailing comma": with_field(b"5,"),
    "a comment": with_field(b"5 /* sesame */"),
    "single quotes": b"{'model':'sesame'}",
    "NaN": with_field(b"NaN"),
    "Infinity": with_field(b"Infinity"),
    "-Infinity": with_field(b"-Infinity", b"temperature"),
    "1e999": with_field(b"1e999"),
    "-1e999": with_field(b"-1e999", b"temperature"),
    "10,000 digits": with_field(b"1" * 10_000, b"seed"),
    "a leading zero": with_field(b"05"),
    "a lone high surrogate": with_field(rb'"sesame\ud800"'),
    "a lone low surrogate": with_field(rb'"\udc00"', b"user"),
    "a lone surrogate as a key": with_field(rb'{"\ud800":1}'),
    "a raw control character": with_field(b'"sesame\n"'),
    "a raw NUL": with_field(b'"\x00"'),
    "an unknown escape": with_field(rb'"\x41"'),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + GOOD,
    "UTF-16 with a mark": GOOD.decode().encode("utf-16"),
    "UTF-16LE": GOOD.decode().encode("utf-16-le"),
    "UTF-32": GOOD.decode().encode("utf-32"),
    "Latin-1": with_field('"Jürgen"'.encode("latin-1")),
    "an overlong encoding": with_field(b'"\xc0\xaf"'),
    "a surrogate in UTF-8": with_field(b'"\xed\xa0\x80"'),
    "33 levels": with_field(nested(33)),
    "33 levels in messages": with_field(b"[%b]" % nested(32), b"messages"),
    "65 levels in tools": with_field(nested(65), b"tools"),
    "100,000 levels": with_field(nested(100_000)),
    "100,000 levels never closed": b"[" * 100_000,
    "100,000 objects": with_field(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in UNREADABLE.items()])
async def test_what_is_not_one_json_object_is_refused_and_not_echoed(url: str, body: bytes):
    status, _, answer = await post(url, body)
    error = json.loads(answer)["error"]
    assert (status, error["type"], error["param"]) == (422, "invalid_request_error", None)
    assert error["code"] == "invalid_json"
    assert SECRET.encode() not in answer
    assert len(answer) < 400


READABLE = {
    "spaces around": b"\r\n " + GOOD + b" \n",
    "escapes": rb'{"\u006dodel":"m","messages":[{"role":"user","content":"\ud83e\udd8a \u0000 \/"}]}',
    "32 levels": with_field(nested(32)),
    "32 levels and a number": with_field(nested(32, b"1")),
    "64 levels in tools": with_field(b'[{"type":"of next year","x":%b}]' % nested(62), b"tools"),
    "many brackets side by side": with_field(b"[%b]" % b",".join([b"[]"] * 1000)),
    "brackets in text": with_field(b'"%b"' % (b"[" * 1000)),
    "exact numbers": with_field(b"[18446744073709551615,-9223372036854775808,1e308,5e-324,-0.0]"),
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in READABLE.items()])
async def test_unusual_json_is_read_as_it_is_meant(upstream: Upstream, url: str, body: bytes):
    assert (await post(url, body))[0] == 200
    assert upstream.requests[-1].json == json.loads(body)


async def test_of_two_equal_keys_the_last_wins_and_the_backend_sees_one(upstream: Upstream, url: str):
    body = b'{"model":"x","messages":[],"messages":[{"role":"system","role":"user","content":"Hi"}],"model":"m"}'
    assert (await post(url, body))[0] == 200
    sent = upstream.requests[-1]
    assert sent.json == {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}
    assert sent.body.count(b'"model"') == sent.body.count(b'"messages"') == sent.body.count(b'"role"') == 1


async def test_an_http_backend_gets_only_what_its_template_names(upstream: Upstream):
    request = {"q": "{{ last_user }}", "limit": "{{ max_tokens }}", "also": "{{ ext.y }}"}
    body = {**QUESTION, "max_tokens": 9, "max_completion_tokens": 5, "x": SECRET, "y": 1}
    config = http_backend(upstream.url, request=request, response={"text": "choices[0].message.content"})
    async with gateway(config) as url:
        assert (await post(url, body))[0] == 200
    assert upstream.requests[-1].json == {"q": "Hello", "limit": 5, "also": 1}


TEXTS = st.text(st.characters(exclude_categories=[]), max_size=8)
KEYS = st.sampled_from(["role", "content", "type", "text", "function", "name", "id", "image_url", "tool_calls"]) | TEXTS
WORDS = st.sampled_from(["m", "user", "assistant", "tool", "text", "function", "auto", "json_schema", "custom"])
ATOMS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | TEXTS
VALUES = st.recursive(ATOMS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4))
FIELDS = st.sampled_from(sorted(ChatRequest.model_fields)) | TEXTS
BODIES = st.one_of(
    st.dictionaries(FIELDS, VALUES, max_size=4).map(lambda fields: {**QUESTION, **fields}),
    st.dictionaries(KEYS, VALUES, max_size=4).map(lambda message: {"model": "m", "messages": [message]}),
    VALUES,
)


async def assert_answered(url: str, body: bytes) -> None:
    status, headers, answer = await post(url, body)
    assert status in (200, 404, 422), answer
    assert headers["x-request-id"]
    if status != 200:
        error = json.loads(answer)["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        assert isinstance(error["message"], str)
        assert all(error[key] is None or isinstance(error[key], str) for key in ("type", "param", "code"))


@given(body=BODIES)
async def test_whatever_json_is_posted_is_answered_or_refused(url: str, body: Any):
    await assert_answered(url, json.dumps(body).encode())


@given(before=st.integers(0, len(GOOD)), after=st.integers(0, len(GOOD)), bytes=st.binary(max_size=40))
async def test_whatever_bytes_are_posted_are_answered_or_refused(url: str, before: int, after: int, bytes: bytes):
    await assert_answered(url, GOOD[:before] + bytes + GOOD[after:])
