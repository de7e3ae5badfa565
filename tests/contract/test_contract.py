"""Every kind of backend, called in every way, over real HTTP."""

import asyncio
import re
import socket

import openai
import pytest
import pytest_asyncio

from tests.contract.callers import STREAMED, WHOLE, asked, async_, async_sdk, async_stream, sdk
from tests.contract.kinds import KINDS
from tests.serving import needs_curl, served
from tests.upstream import listening

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module", params=KINDS, ids=lambda kind: kind.name)
async def kind(request):
    """The kind of backend, with `url` where it is served."""
    async with listening(request.param.script) as upstream, served(request.param.made(upstream.url)) as url:
        yield request.param, url


@pytest_asyncio.fixture(loop_scope="module", params=[each for each in KINDS if each.script], ids=lambda kind: kind.name)
async def lonely(request):
    """A kind of backend whose upstream is not there."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    async with served(request.param.made(f"http://127.0.0.1:{port}")) as url:
        yield request.param, url


CALLED = [
    pytest.param(called, id=called.__name__, marks=[needs_curl] if "curl" in called.__name__ else [])
    for called in (*WHOLE, *STREAMED)
]


@pytest.mark.parametrize("called", CALLED)
async def test_every_caller_hears_the_answer(kind, called):
    kind, url = kind
    heard = await called(url, asked(kind.model))
    assert heard.text == kind.text
    assert heard.finish == "stop"
    assert heard.model == kind.model
    assert re.fullmatch(r"chatcmpl-[0-9A-Za-z]{16,}", heard.id)
    assert re.fullmatch(r"req_[0-9a-f]{32}", heard.request_id)


async def test_a_stream_folds_to_the_whole_answer(kind):
    kind, url = kind
    assert (await async_stream(url, asked(kind.model))).text == (await async_(url, asked(kind.model))).text


async def test_a_stream_comes_in_several_pieces(kind):
    kind, url = kind
    async with sdk(url) as completions:
        stream = await completions.create(**asked(kind.model), stream=True)
        texts = [text async for chunk in stream for choice in chunk.choices if (text := choice.delta.content)]
    assert len(texts) > 1


async def test_answers_at_once_are_told_apart(kind):
    kind, url = kind
    calls = [called(url, asked(kind.model)) for called in (async_, async_stream) for _ in range(5)]
    heard = await asyncio.gather(*calls)
    assert {one.text for one in heard} == {kind.text}
    assert len({one.id for one in heard}) == len({one.request_id for one in heard}) == 10


async def test_the_caller_may_name_the_request(kind):
    kind, url = kind
    async with sdk(url) as completions:
        completion = await completions.create(**asked(kind.model), extra_headers={"x-request-id": "mine-1.2_3"})
    assert completion._request_id == "mine-1.2_3"


@pytest.mark.parametrize(
    "more",
    [
        {"temperature": 0, "top_p": 1, "seed": 7, "stop": ["§"], "max_tokens": 500, "user": "u"},
        {"max_completion_tokens": 500, "n": None, "stop": None, "tools": None},
        {"extra_body": {"top_k": 3, "chat_template_kwargs": {"thinking": False}}},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "Hello, you!"}]}]},
    ],
    ids=["parameters", "nulls", "unknown", "parts"],
)
async def test_whatever_else_is_asked_the_answer_comes(kind, more):
    kind, url = kind
    async with sdk(url) as completions:
        completion = await completions.create(**{**asked(kind.model), **more})
    assert completion.choices[0].message.content == kind.text


async def test_usage_comes_last_and_only_if_asked_for(kind):
    kind, url = kind
    async with sdk(url) as completions:
        asking = asked(kind.model, stream=True)
        silent = [chunk async for chunk in await completions.create(**asking)]
        stream = await completions.create(**asking, stream_options={"include_usage": True})
        telling = [chunk async for chunk in stream]
    assert not any("usage" in chunk.model_fields_set for chunk in silent)
    assert all("usage" in chunk.model_fields_set for chunk in telling)
    assert all(chunk.usage is None for chunk in telling if chunk.choices)
    assert not any(chunk.usage is None for chunk in telling if not chunk.choices)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_an_unknown_model_is_not_found(kind, stream):
    kind, url = kind
    async with sdk(url) as completions:
        with pytest.raises(openai.NotFoundError) as caught:
            await completions.create(**asked(f"{kind.model}-2", stream=stream))
    assert caught.value.code == "model_not_found"
    assert caught.value.type == "invalid_request_error"
    assert caught.value.request_id.startswith("req_")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_an_invalid_payload_is_unprocessable(kind, stream):
    kind, url = kind
    async with sdk(url) as completions:
        with pytest.raises(openai.UnprocessableEntityError) as caught:
            await completions.create(model=kind.model, messages=[], stream=stream)
    assert (caught.value.param, caught.value.code) == ("messages", "empty_array")


async def test_a_backend_that_is_not_there_is_a_500(lonely):
    kind, url = lonely
    for stream in (False, True):
        async with sdk(url) as completions:
            with pytest.raises(openai.InternalServerError) as caught:
                await completions.create(**asked(kind.model, stream=stream))
        assert (caught.value.status_code, caught.value.code) == kind.alone
        assert caught.value.type == "server_error"
        assert caught.value.request_id in caught.value.message
        assert "127.0.0.1" not in str(caught.value.body)


async def test_the_model_is_listed(kind):
    kind, url = kind
    async with async_sdk(url) as client:
        listed = [model.id async for model in client.models.list()]
        one = await client.models.retrieve(kind.model)
        with pytest.raises(openai.NotFoundError):
            await client.models.retrieve("nobody")
    assert listed == [kind.model]
    assert (one.id, one.object) == (kind.model, "model")


async def test_the_paths_without_v1_answer_too(kind):
    kind, url = kind
    async with async_sdk(url) as client:
        completion = await client.with_options(base_url=url).chat.completions.create(**asked(kind.model))
    assert completion.choices[0].message.content == kind.text
