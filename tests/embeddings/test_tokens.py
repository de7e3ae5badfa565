"""Texts that come as arrays of tokens: made into text by a vocabulary, given on as they are, or refused."""

from base64 import b64encode

import pytest

from dragoman import counting
from tests.embeddings.vectors import embed, http, numbers, points, refused, served, told
from tests.serving import gateway, post
from tests.upstream import json_answer, listening

WORDS = [bytes([byte]) for byte in range(256)] + [b"the", b" cat", "ü".encode()]


@pytest.fixture
def vocabulary(tmp_path):
    file = tmp_path / "tiny.tiktoken"
    file.write_bytes(b"".join(b64encode(word) + b" %d\n" % number for number, word in enumerate(WORDS)))
    return {"tiktoken": "o200k_base", "vocabulary": str(file)}


@pytest.fixture
def nothing_cached(tmp_path, monkeypatch):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    counting.opened.cache_clear()
    yield
    counting.opened.cache_clear()


async def test_tokens_become_the_text_that_they_stand_for(vocabulary):
    async with served(backend={"tokens": vocabulary}) as (url, upstream):
        _, headers, answer = await embed(url, input=[[256, 257], [258], [0xC3]])
        assert upstream.requests[0].json == {"texts": ["the cat", "ü", "\ufffd"]}
        _, _, one = await embed(url, input=[256, 257])
        assert upstream.requests[1].json == {"texts": ["the cat"]}
    assert told(answer) == [numbers("the cat"), numbers("ü"), numbers("?")]
    assert told(one) == [numbers("the cat")]
    assert headers["x-dragoman-emulated"] == "token_inputs"


async def test_tokens_are_counted_as_what_they_are(vocabulary):
    async with served(backend={"tokens": vocabulary}, response={"vectors": "points"}) as (url, _):
        _, _, answer = await embed(url, input=[[256, 257], [258]])
    assert answer["usage"]["prompt_tokens"] == 3


async def test_a_number_that_is_no_token_is_refused(vocabulary):
    async with served(backend={"tokens": vocabulary}) as (url, upstream):
        assert (await refused(url, input=[[256], [99999]]))[:3] == (422, "invalid_value", "input[1]")
        assert (await refused(url, input=[2**31 - 1]))[:3] == (422, "invalid_value", "input")
        assert (await refused(url, input=[2**31]))[:3] == (422, "integer_above_max_value", "input[0]")
        assert not upstream.requests


@pytest.mark.usefixtures("nothing_cached")
async def test_without_a_vocabulary_a_caller_is_told_to_send_text():
    async with served() as (url, upstream):
        status, code, param, message = await refused(url, input=[[1, 2], [3]])
        assert not upstream.requests
    assert (status, code, param) == (422, "unsupported_content", "input[0]")
    assert "Send texts" in message
    assert "check_embedding_ctx_length=False" in message


@pytest.mark.usefixtures("nothing_cached")
async def test_a_backend_that_takes_tokens_is_asked_instead():
    async with listening(points) as upstream:
        config = http(upstream.url)
        takes = http(upstream.url, {"abilities": {"token_inputs": "native"}})["backends"]["b"]
        config["backends"]["takes"] = takes
        config["models"] = {"m": {"backends": ["b", "takes"]}}
        async with gateway(config) as url:
            _, headers, answer = await embed(url, input=[[1, 2, 3], [4]])
        assert upstream.requests[0].json == {"texts": [[1, 2, 3], [4]]}
    assert (headers["x-dragoman-backend"], told(answer)) == ("takes", [numbers("abc"), numbers("a")])


async def test_a_backend_may_be_told_not_to_take_tokens(vocabulary):
    async with served(backend={"tokens": vocabulary, "abilities": {"token_inputs": "reject"}}) as (url, _):
        status, code, param, message = await refused(url, input=[[1], [2]])
    assert (status, code, param) == (422, "unsupported_content", "input[0]")
    assert "cannot read token arrays" in message


async def test_tokens_in_a_conversation_become_text_too(vocabulary):
    async def script(connection, received):
        await connection.send(json_answer({"t": received.json["q"]}))

    async with listening(script) as upstream:
        chat = {"kind": "http", "url": upstream.url, "request": {"q": "{{ last_user }}"}, "response": {"text": "t"}}
        config = {"backends": {"b": {**chat, "tokens": vocabulary}}, "models": {"m": "b"}}
        async with gateway(config) as url:
            parts = [{"type": "tokens", "tokens": [256, 257]}, {"type": "text", "text": "sat"}]
            asked = {"model": "m", "messages": [{"role": "user", "content": parts}]}
            _, headers, body = await post(url, asked)
    assert b'"the cat\\nsat"' in body
    assert headers["x-dragoman-emulated"] == "token_prompts,usage"


async def test_what_a_route_adds_for_conversations_is_no_text(vocabulary):
    async with listening(points) as upstream:
        config = http(upstream.url, {"tokens": vocabulary}, response={"vectors": "points"})
        form = {"type": "json_object"}
        chatty = {"prompt": {"before": "Be kind.", "after": "Be brief."}, "defaults": {"stop": ["x"]}}
        config["models"] = {"m": {"backend": "b", "parameters": {"response_format": form, "n": 2}, **chatty}}
        async with gateway(config) as url:
            _, headers, answer = await embed(url, input=[[256, 257], [258]])
            assert (await refused(url, input=[[256], [99999]]))[2] == "input[1]"
        assert upstream.requests[0].json == {"texts": ["the cat", "ü"]}
    assert answer["usage"]["prompt_tokens"] == 3
    assert headers["x-dragoman-emulated"] == "token_inputs,usage"
