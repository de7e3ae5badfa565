"""What holds for every surface, whichever dialect it speaks: who may, how much, what is refused and how it is told."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import pytest_asyncio

from dragoman import Gateway
from tests.doors import DOORS, Door
from tests.http11 import CLOSE, answer_to, head
from tests.serving import gateway, http_backend, post
from tests.upstream import LAST_CHUNK, Connection, Received, Upstream, chunked, listening, sse, stream_head

pytestmark = pytest.mark.asyncio(loop_scope="module")

SECRET = "sk-the-right-one"
WORDS = ["Hello", ", ", "you", "!"]
HUNG: asyncio.Queue[Connection] = asyncio.Queue()
"""Connections to an upstream that says nothing more."""
STREAM = {"framing": "sse", "text": "t", "request": {"stream": True}}


async def talking(connection: Connection, received: Received) -> None:
    """Says the same whole or in pieces; to `wait`, nothing for a while, and to `hang`, nothing more."""
    asked = received.json["q"]
    if asked == "wait":
        await asyncio.sleep(0.3)
    await connection.send(stream_head(), *(chunked(event) for event in sse(*({"t": word} for word in WORDS))))
    if asked == "hang":
        HUNG.put_nowait(connection)
        await connection.gone()
        return
    await connection.send(chunked(*sse("[DONE]")), LAST_CHUNK)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[Upstream]:
    async with listening(talking) as upstream:
        yield upstream


def config(url: str, **more: Any) -> dict[str, Any]:
    made = http_backend(url, response=None, stream=STREAM)
    return {**made, "models": {"m": "b", "org/m": "b"}, **more}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(upstream: Upstream) -> AsyncIterator[str]:
    async with gateway(config(upstream.url)) as url:
        yield url


@pytest.fixture(params=DOORS, ids=str)
def door(request: pytest.FixtureRequest) -> Door:
    return request.param


async def told(url: str, door: Door, body: Any, **headers: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    """The status, the headers and the error that a refusal tells, in the surface's own envelope."""
    status, got, answer = await post(url, body, path=door.path, **headers)
    assert got["content-type"] == "application/json"
    assert got["x-request-id"]
    return status, got, door.envelope(json.loads(answer), status)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", ["m", "org/m"])
async def test_every_surface_tells_the_same_answer(url: str, door: Door, model: str, stream: bool):
    status, headers, body = await post(url, door.body(model, stream), path=door.path)
    assert status == 200
    assert headers["x-dragoman-backend"] == "b"
    if stream:
        assert headers["content-type"] == "text/event-stream; charset=utf-8"
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-cache", "no")
        assert body.decode().endswith(door.last)
    else:
        assert door.whole(json.loads(body)) == ("Hello, you!", "stop")


async def test_a_surface_has_many_spellings(url: str, door: Door):
    for path in (door.path, f"{door.path}/", door.path.removeprefix("/v1"), f"/openai{door.path}", f"{door.path}?a=b"):
        status, _, body = await post(url, door.body("m", False), path=path)
        assert (path, status) == (path, 200)
        assert door.whole(json.loads(body))[0] == "Hello, you!"


UNREADABLE = {
    "nothing": b"",
    "not JSON": b"model=m",
    "an array": b"[]",
    "cut off": b'{"model": "m"',
    "NaN": b'{"model": "m", "x": NaN}',
    "half a pair": b'{"model": "m\\ud800"}',
    "no UTF-8": b'{"model": "\xff"}',
    "deep": b'{"model": "m", "x": ' + b"[" * 40 + b"]" * 40 + b"}",
    "endless": b'{"x": ' * 10_000,
}


@pytest.mark.parametrize("body", [pytest.param(body, id=name) for name, body in UNREADABLE.items()])
async def test_what_is_not_one_json_object_is_refused(url: str, door: Door, body: bytes):
    status, _, error = await told(url, door, body)
    assert status == 422
    assert error.get("code", "invalid_json") == "invalid_json"
    assert "JSON" in error["message"]


async def test_what_is_wrong_is_400_where_errors_are_openais(upstream: Upstream, door: Door):
    async with gateway(config(upstream.url, errors="openai")) as url:
        for body in (b"no", {}, {**door.body("m", False), "stream": "yes"}):
            assert (await told(url, door, body))[0] == 400


async def test_a_field_that_is_missing_or_wrong_is_named(url: str, door: Door):
    [field] = door.asks("").keys() - {"max_tokens"}
    for change, param in ((field, field), ("stream", "stream"), ("model", "model")):
        status, _, error = await told(url, door, {**door.body("m", False), change: {"not": "this"}})
        assert status == 422
        assert error.get("param", param) == param
        assert f"'{param}'" in error["message"] or f"{param}:" in error["message"]


async def test_a_model_that_is_not_there_is_404(url: str, door: Door):
    for stream in (False, True):
        status, _, error = await told(url, door, door.body("nobody", stream))
        assert (status, error.get("code", "model_not_found")) == (404, "model_not_found")
        assert "does not exist" in error["message"]


async def test_another_method_is_405_in_the_surfaces_envelope(url: str, door: Door):
    answered = await answer_to(url, head(CLOSE, method="PUT", path=door.path))
    assert answered.status == 405
    assert "POST" in answered.headers["allow"]
    assert door.envelope(json.loads(answered.body), 405)["message"].startswith("Not allowed to PUT")


async def test_a_body_too_large_or_packed_is_refused(upstream: Upstream, door: Door):
    async with gateway(config(upstream.url, bounds={"body": "1KiB"})) as url:
        assert (await told(url, door, b" " * 2000))[0] == 413
        assert (await told(url, door, b"{}", **{"Content-Encoding": "gzip"}))[0] == 415


async def test_too_many_headers_are_refused_in_the_surfaces_envelope(url: str, door: Door):
    status, _, error = await told(url, door, door.body("m", False), **{f"x-{n}": "v" for n in range(120)})
    assert status == 431
    assert "100 headers" in error["message"]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def guarded(upstream: Upstream) -> AsyncIterator[str]:
    """Where a key is needed, which may use one model."""
    async with gateway(config(upstream.url, keys={"k": {"secret": SECRET, "models": ["m"]}})) as url:
        yield url


@pytest.mark.parametrize("header", ["Authorization", "api-key", "x-api-key"])
async def test_a_key_is_taken_from_any_header(guarded: str, door: Door, header: str):
    secret = f"Bearer {SECRET}" if header == "Authorization" else SECRET
    status, _, _ = await post(guarded, door.body("m", False), path=door.path, **{header: secret})
    assert status == 200


async def test_without_a_key_that_is_valid_or_may_the_surface_says_so(guarded: str, door: Door):
    for headers in ({}, {"Authorization": "Bearer sk-wrong"}, {"x-api-key": "sk-wrong"}):
        status, _, error = await told(guarded, door, door.body("m", False), **headers)
        assert (status, error.get("code", "invalid_api_key")) == (401, "invalid_api_key")
    status, _, error = await told(guarded, door, door.body("org/m", False), Authorization=f"Bearer {SECRET}")
    assert (status, error.get("code", "model_not_allowed")) == (403, "model_not_allowed")


async def test_limits_hold_and_are_told(upstream: Upstream, door: Door):
    keys = {"k": {"secret": SECRET, "rpm": 2}}
    async with gateway(config(upstream.url, keys=keys)) as url:
        ask = {"Authorization": f"Bearer {SECRET}"}
        for stream, left in ((False, "1"), (True, "0")):
            status, headers, _ = await post(url, door.body("m", stream), path=door.path, **ask)
            assert (status, headers["x-ratelimit-remaining-requests"]) == (200, left)
        status, headers, error = await told(url, door, door.body("m", False), **ask)
    assert status == 429
    assert int(headers["retry-after"]) > 0
    assert "2 requests a minute" in error["message"]


async def test_a_deadline_ends_it(url: str, door: Door):
    status, _, error = await told(url, door, door.body("m", False, "wait"), **{"x-dragoman-timeout": "50ms"})
    assert (status, error.get("code", "deadline_exceeded")) == (504, "deadline_exceeded")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_when_the_caller_leaves_the_upstream_is_left(url: str, door: Door, stream: bool):
    async with aiohttp.ClientSession() as session:
        asking = asyncio.ensure_future(session.post(url + door.path, json=door.body("m", stream, "hang")))
        connection = await HUNG.get()
        if stream:
            (await asking).close()
        else:
            await asyncio.sleep(0.1)  # until the gateway watches whether the caller stays
            asking.cancel()
        await asyncio.wait_for(connection.closed.wait(), 2)


async def test_the_ledger_knows_by_which_surface_a_call_came(upstream: Upstream, door: Door, tmp_path: Any):
    made = Gateway(config(upstream.url, store=f"sqlite:///{tmp_path}/kept.db"))
    async with gateway(made) as url:
        for stream in (False, True):
            assert (await post(url, door.body("m", stream), path=door.path))[0] == 200
        for _ in range(100):
            await asyncio.sleep(0.05)
            if rows := [row for row in await made.store.usage(["surface", "model"], 0) if row["calls"] == 2]:
                break
    [row] = rows
    assert (row["surface"], row["model"], row["failed"]) == (door.name, "m", 0)
    assert row["prompt_tokens"] > 0
    assert row["completion_tokens"] > 0


async def test_hooks_see_which_surface_was_used_and_need_not(upstream: Upstream, door: Door):
    made, seen = Gateway(config(upstream.url)), []

    @made.before
    async def look(call: Any) -> None:
        seen.append((call.surface, [message["role"] for message in call.request.messages]))

    @made.after
    def loud(call: Any, chunk: Any) -> None:
        chunk.text = chunk.text.upper()

    async with gateway(made) as url:
        _, _, body = await post(url, door.body("m", False), path=door.path)
    assert seen == [(door.name, ["user"])]
    assert door.whole(json.loads(body))[0] == "HELLO, YOU!"


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
async def test_of_much_that_is_ignored_no_more_is_told_than_clients_read(url: str, path: str):
    tools = [{"type": f"{'long_' * 50}{number}", "name": f"t{number}"} for number in range(100)]
    [door] = [each for each in DOORS if each.path == path]
    status, headers, _ = await post(url, {**door.body("m", False), "tools": tools}, path=path)
    assert status == 200
    assert 0 < len(headers["x-dragoman-ignored"]) < 1100


async def test_the_surfaces_are_described(url: str, door: Door):
    async with aiohttp.ClientSession() as session, session.get(f"{url}/openapi.json") as got:
        described = await got.json()
    operation = described["paths"][door.path]["post"]
    assert operation["summary"]
    assert operation["requestBody"]["content"]["application/json"]["schema"]
    assert operation["responses"]["200"]["content"].keys() == {"application/json", "text/event-stream"}


async def test_every_surface_that_answers_conversations_is_tested_here():
    others = {"/v1/embeddings", "/v1/moderations", "/v1/messages/count_tokens", "/v1/responses/input_tokens"}
    paths = {path for path in Gateway().app.direct if path.startswith("/v1/") and not path.endswith("/")}
    assert paths - others == {door.path for door in DOORS}
