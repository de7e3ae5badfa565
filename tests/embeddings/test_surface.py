"""`POST /v1/embeddings` as callers meet it: with the official SDK, and by plain HTTP."""

import base64
import json
from array import array

import openai
import pytest
from openai.types import CreateEmbeddingResponse

from dragoman.counting.estimate import Estimate
from tests.embeddings.vectors import embed, numbers, points, refused, served, told
from tests.serving import client, post
from tests.upstream import always, json_answer


async def test_the_official_sdk_has_numbers_whatever_it_asks_for():
    async with served() as (url, _), client(url) as sdk:
        usual = await sdk.embeddings.create(model="m", input=["a", "bcd"])
        plain = await sdk.embeddings.create(model="m", input=["a", "bcd"], encoding_format="float")
        coded = await sdk.embeddings.create(model="m", input=["a", "bcd"], encoding_format="base64")
    assert [item.embedding for item in usual.data] == [numbers("a"), numbers("bcd")]
    assert plain.model_dump() == usual.model_dump()
    assert array("f", base64.b64decode(coded.data[1].embedding)).tolist() == numbers("bcd")
    assert (usual.model, usual.object, usual.usage.prompt_tokens, usual.usage.total_tokens) == ("m", "list", 2, 2)


@pytest.mark.parametrize("path", ["/v1/embeddings", "/embeddings", "/v1/embeddings/", "/openai/v1/embeddings"])
async def test_every_path_answers_in_openais_shape(path):
    async with served() as (url, _):
        status, headers, body = await post(url, {"model": "m", "input": "Hello"}, path)
    answer = json.loads(body)
    CreateEmbeddingResponse.model_validate(answer, strict=True)
    assert (status, told(answer)) == (200, [numbers("Hello")])
    assert headers["x-dragoman-backend"] == "b"
    assert headers["x-request-id"].startswith("req_")


async def test_an_azure_client_finds_its_deployment():
    async with served() as (url, _):
        sdk = openai.AsyncAzureOpenAI(azure_endpoint=url, api_key="k", api_version="2024-10-21", max_retries=0)
        async with sdk:
            answer = await sdk.embeddings.create(model="m", input="Hello")
    assert answer.data[0].embedding == numbers("Hello")


@pytest.mark.parametrize(
    ("asked", "code", "param"),
    [
        ({"input": None}, "invalid_type", "input"),
        ({"input": 7}, "invalid_type", "input"),
        ({"input": {}}, "invalid_type", "input"),
        ({"input": ""}, "empty_string", "input"),
        ({"input": []}, "empty_array", "input"),
        ({"input": ["a", ""]}, "empty_string", "input[1]"),
        ({"input": ["a", 7]}, "invalid_type", "input[1]"),
        ({"input": [1, "a"]}, "invalid_type", "input[1]"),
        ({"input": [1, -1]}, "integer_below_min_value", "input[1]"),
        ({"input": [True]}, "invalid_type", "input[0]"),
        ({"input": [[1], []]}, "empty_array", "input[1]"),
        ({"input": [[1], [2, None]]}, "invalid_type", "input[1][1]"),
        ({"input": [{}]}, "invalid_type", "input[0]"),
        ({"input": ["a"] * 2049}, "array_above_max_length", "input"),
        ({"encoding_format": "int8"}, "invalid_value", "encoding_format"),
        ({"dimensions": 0}, "integer_below_min_value", "dimensions"),
        ({"dimensions": "3"}, "invalid_type", "dimensions"),
        ({"dimensions": 4}, "integer_above_max_value", "dimensions"),
        ({"user": 7}, "invalid_type", "user"),
        ({"model": None}, "invalid_type", "model"),
    ],
)
async def test_what_is_wrong_is_named(asked, code, param):
    async with served() as (url, upstream):
        status, told_code, told_param, message = await refused(url, **asked)
        assert (status, told_code, told_param) == (422, code, param)
        assert len(message) < 300
        assert "~" not in message
        assert len(upstream.requests) == (asked == {"dimensions": 4})


async def test_what_is_missing_is_named():
    async with served() as (url, _):
        for body, param in (({"model": "m"}, "input"), ({"input": "a"}, "model")):
            status, _, answer = await post(url, body, "/v1/embeddings")
            error = json.loads(answer)["error"]
            assert (status, error["code"], error["param"]) == (422, "missing_required_parameter", param)
        status, _, answer = await post(url, b'{"model": "m"', "/v1/embeddings")
        assert (status, json.loads(answer)["error"]["code"]) == (422, "invalid_json")


async def test_an_unknown_model_and_another_method_are_told_as_everywhere():
    async with served(errors="openai") as (url, _), client(url) as sdk:
        with pytest.raises(openai.NotFoundError) as unknown:
            await sdk.embeddings.create(model="nobody", input="a")
        with pytest.raises(openai.APIStatusError) as wrong:
            await sdk.get("/embeddings", cast_to=object)
        with pytest.raises(openai.BadRequestError):
            await sdk.embeddings.create(model="m", input="")
    assert unknown.value.code == "model_not_found"
    assert wrong.value.status_code == 405


async def test_whatever_else_a_caller_sends_is_harmless():
    own = {"request": {"texts": "{{ input }}", "kind": "{{ ext.input_type }}"}}
    async with served(**own) as (url, upstream):
        strange = {"stream": True, "n": 5, "messages": 1, "cls": 2, "_fields_set": 3, "input_type": "query"}
        status, headers, answer = await embed(url, user="u", **strange)
        assert (status, told(answer)) == (200, [numbers("Hello")])
        assert upstream.requests[0].json == {"texts": ["Hello"], "kind": "query"}
        assert headers["x-dragoman-ignored"] == "user"


async def test_tokens_are_counted_where_the_backend_counts_none():
    script = always(json_answer({"points": [numbers("a")]}))
    async with served(script) as (url, _):
        _, headers, answer = await embed(url, input="Hello, you!")
    assert answer["usage"] == dict.fromkeys(("prompt_tokens", "total_tokens"), Estimate().count("Hello, you!"))
    assert "usage" not in headers.get("x-dragoman-emulated", "")
    bare = {"response": {"vectors": "points"}}
    async with served(script, **bare) as (url, _):
        _, headers, counted = await embed(url, input="Hello, you!")
    assert counted["usage"] == answer["usage"]
    assert headers["x-dragoman-emulated"] == "usage"


async def test_dimensions_are_cut_and_brought_to_length_one():
    async with served() as (url, _):
        _, headers, answer = await embed(url, input="abcd", dimensions=2)
        assert told(answer) == [pytest.approx([4 / 65**0.5 * 2, 1 / 65**0.5])]
        assert headers["x-dragoman-emulated"] == "dimensions"
        _, _, same = await embed(url, input="abcd", dimensions=3)
        assert told(same) == [numbers("abcd")]


async def test_dimensions_are_the_backends_where_it_has_them():
    own = {"request": {"texts": "{{ input }}", "size": "{{ dimensions }}"}}
    async with served(**own) as (url, upstream):
        _, headers, answer = await embed(url, dimensions=2)
        assert upstream.requests[0].json == {"texts": ["Hello"], "size": 2}
        assert told(answer) == [numbers("Hello")]
        assert "x-dragoman-emulated" not in headers
    async with served(backend={"abilities": {"dimensions": "reject"}}) as (url, _):
        assert (await refused(url, dimensions=2))[:3] == (422, "unsupported_parameter", "dimensions")
    async with served(backend={"abilities": {"dimensions": "ignore"}}) as (url, _):
        _, headers, answer = await embed(url, dimensions=2)
        assert (told(answer), headers["x-dragoman-ignored"]) == ([numbers("Hello")], "dimensions")


async def test_two_thousand_texts_keep_their_order():
    texts = ["x" * (place % 50 + 1) for place in range(2048)]
    async with served(points, batch=100) as (url, upstream):
        _, _, answer = await embed(url, input=texts)
        assert told(answer) == [numbers(text) for text in texts]
        assert len(upstream.requests) == 21
    assert answer["usage"]["prompt_tokens"] == 2048
