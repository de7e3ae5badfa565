"""Failures as Anthropic's API tells them, on every path that its clients may take, and as its SDK raises them."""

import json
from hashlib import sha256

import aiohttp
import anthropic
import pytest
import pytest_asyncio

from dragoman import Chunk
from tests.http11 import CLOSE, answer_to, head
from tests.messages import answering
from tests.messages.asking import PATH, asked, failure, refused, saying, sdk, told
from tests.serving import gateway, http_backend, openai_backend, post
from tests.upstream import LAST_CHUNK, always, answer, chunked, listening, sse, stream_head

pytestmark = pytest.mark.asyncio(loop_scope="module")

VERSION = {"anthropic-version": "2023-06-01"}
KEY = "sk-the-right-one"
HASH = sha256(KEY.encode()).hexdigest()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url():
    async with gateway(saying(lambda: ["Hi"])) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def locked():
    async with gateway({**http_backend("http://127.0.0.1:9"), "keys": {"mine": {"hash": HASH}}}) as url:
        yield url


async def got(url, method, path, **headers):
    """The status, the type and the message that a request without a body is refused with."""
    async with aiohttp.ClientSession() as session, session.request(method, url + path, headers=headers) as answer:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return answer.status, *failure(await answer.read(), headers)


async def test_whoever_only_looks_whether_it_is_there_is_told_so(url):
    async with aiohttp.ClientSession() as session, session.head(url) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
        assert answer.headers["x-request-id"]
    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        assert answer.status == 404


@pytest.mark.parametrize(
    ("method", "path", "headers", "status", "kind"),
    [
        ("GET", PATH, {}, 405, "invalid_request_error"),
        ("PUT", f"{PATH}/count_tokens", {}, 405, "invalid_request_error"),
        ("GET", "/messages", {}, 405, "invalid_request_error"),
        ("POST", f"{PATH}/batches", {}, 404, "not_found_error"),
        ("GET", "/v1/files", VERSION, 404, "not_found_error"),
        ("GET", "/v1/models/none", VERSION, 404, "not_found_error"),
        ("GET", "/v1/models?limit=0", VERSION, 422, "invalid_request_error"),
        ("GET", f"{PATH}/count_tokens/x?beta=true", {}, 404, "not_found_error"),
    ],
)
async def test_whatever_goes_wrong_before_the_door_is_told_so_too(url, method, path, headers, status, kind):
    assert (await got(url, method, path, **headers))[:2] == (status, kind)


async def test_others_are_told_in_their_own_words(url):
    async with aiohttp.ClientSession() as session, session.get(f"{url}/v1/messagesque") as answer:
        assert (await answer.json())["error"].keys() == {"message", "type", "param", "code"}
        assert "request-id" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_headers_beyond_all_bounds_are_refused(url, method):
    lines = [f"x-{number}: y" for number in range(101)]
    told = await answer_to(url, head(*lines, CLOSE, method=method, path=PATH))
    assert told.status == 431
    assert failure(told.body, told.headers)[0] == "invalid_request_error"


async def test_a_body_beyond_all_bounds_is_refused(url):
    status, kind, _ = await refused(url, b" " * (9 * 1024 * 1024))
    assert (status, kind) == (413, "request_too_large")


async def test_who_may_not_is_told_so(locked):
    for headers in ({}, {"x-api-key": "wrong"}, {"Authorization": "Bearer wrong"}):
        status, kind, message = await refused(locked, asked(), **headers)
        assert (status, kind) == (401, "authentication_error")
        assert "x-api-key" in message
    assert (await got(locked, "GET", "/v1/models", **VERSION))[:2] == (401, "authentication_error")
    assert (await refused(locked, asked(model="other"), **{"x-api-key": KEY}))[:2] == (404, "not_found_error")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(
    ("said", "style", "status", "kind"),
    [
        (answer(b"", status="429 Slow down"), "specified", 429, "rate_limit_error"),
        (answer(b"", status="503 Busy"), "specified", 503, "overloaded_error"),
        (answer(b"", status="500 Oh"), "specified", 502, "api_error"),
        (answer(b"", status="400 What"), "specified", 422, "invalid_request_error"),
        (answer(b"", status="400 What"), "openai", 400, "invalid_request_error"),
        (answer(b"", status="401 Who"), "openai", 502, "api_error"),
    ],
)
async def test_a_backend_that_fails_is_told_by_its_kind(said, style, status, kind, stream):
    async with (
        listening(always(said)) as upstream,
        gateway(openai_backend(upstream.url, errors=style)) as url,
    ):
        told = await refused(url, asked(stream=stream))
    assert told[:2] == (status, kind)
    assert "127.0.0.1" not in told[2]


async def test_a_stream_that_breaks_ends_with_an_error():
    said = {"choices": [{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}]}
    script = always(stream_head() + chunked(*sse(said)) + LAST_CHUNK)
    async with listening(script) as upstream, gateway(openai_backend(upstream.url)) as url:
        status, headers, body = await post(url, asked(stream=True), path=PATH)
        assert status == 200
        assert body.endswith(b"<unfinished>")
        *events, error = answering.events(body.removesuffix(b"<unfinished>"), broken=True)
        assert [event["type"] for event in events] == ["message_start", "content_block_start", "content_block_delta"]
        assert failure(json.dumps(error).encode(), headers)[0] == "api_error"
        async with sdk(url) as client:
            with pytest.raises(anthropic.APIStatusError, match="closed the connection"):
                async with client.messages.stream(**asked()) as stream:
                    await stream.get_final_message()


async def test_the_sdk_raises_what_it_has_for_it(url, locked):
    async with sdk(url) as client:
        with pytest.raises(anthropic.NotFoundError) as caught:
            await client.messages.create(**asked(model="none"))
        assert caught.value.request_id.startswith("req_")
        assert caught.value.body["error"]["type"] == "not_found_error"
        with pytest.raises(anthropic.UnprocessableEntityError, match="max_tokens"):
            await client.messages.create(**asked(max_tokens=0))
    async with sdk(locked) as client:
        with pytest.raises(anthropic.AuthenticationError):
            await client.messages.create(**asked())
    async with sdk(locked, api_key=KEY) as client:
        with pytest.raises(anthropic.InternalServerError):
            await client.messages.create(**asked())


async def test_a_failure_in_the_midst_of_a_whole_answer_is_none_of_it():
    def breaking():
        yield Chunk("Hel")
        raise RuntimeError("secret")

    async with gateway(saying(breaking)) as url:
        status, kind, message = await refused(url, asked())
    assert (status, kind) == (502, "api_error")
    assert "secret" not in message


async def test_a_thread_is_refused_in_a_way_that_sdks_understand(url):
    status, _, body = await post(url, asked(thread={"type": "new"}), path=PATH)
    error = json.loads(body)["error"]
    assert (status, error["type"]) == (422, "invalid_request_error")
    assert error["details"] == {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}


async def test_the_path_without_v1_and_any_version_will_do(url):
    async with sdk(url, default_headers={"anthropic-version": "2030-01-01", "anthropic-beta": "a,b"}) as client:
        assert (await client.messages.create(**asked())).content[0].text == "Hi"
    for path in ("/messages", f"{PATH}/", f"{PATH}?beta=true"):
        status, _, body = await post(url, asked(), path=path)
        assert (status, answering.whole(body)["content"][0]["text"]) == (200, "Hi")
    assert (await told(url, stream=True))["content"][0]["text"] == "Hi"
