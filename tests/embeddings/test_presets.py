"""Known APIs embed as their references have it; those that speak OpenAI are asked as OpenAI is."""

import json

import pytest

from dragoman.preset import names, preset
from tests.embeddings import vectors
from tests.embeddings.vectors import embed, numbers, told
from tests.serving import gateway
from tests.upstream import json_answer, listening

GIVEN = {"cloudflare": {"account": "acc"}, "watsonx": {"project": "p"}, "zhipu": {"id": "i", "secret": "s" * 32}}
TEXTS = ["Hello", "Grüß dich"]
BOTH = [numbers(text) for text in TEXTS]

KNOWN = {
    "ollama": (
        "/api/embed",
        {"model": "m", "input": TEXTS, "dimensions": 3, "options": {}},
        {"model": "m", "embeddings": BOTH, "prompt_eval_count": 77},
    ),
    "gemini": (
        "/v1beta/models/m:batchEmbedContents",
        {
            "requests": [
                {"model": "models/m", "content": {"parts": [{"text": text}]}, "outputDimensionality": 3}
                for text in TEXTS
            ]
        },
        {"embeddings": [{"values": each} for each in BOTH]},
    ),
    "cohere": (
        "/v2/embed",
        {
            "model": "m",
            "texts": TEXTS,
            "input_type": "search_document",
            "embedding_types": ["float"],
            "output_dimension": 3,
        },
        {"id": "x", "embeddings": {"float": BOTH}, "meta": {"billed_units": {"input_tokens": 77}}},
    ),
    "cloudflare": (
        "/accounts/acc/ai/run/m",
        {"text": TEXTS},
        {"result": {"shape": [2, 3], "data": BOTH}, "success": True, "errors": []},
    ),
    "zhipu": (
        "/api/paas/v4/embeddings",
        {"model": "m", "input": TEXTS, "dimensions": 3},
        {
            "data": [{"index": at, "embedding": BOTH[at]} for at in (1, 0)],
            "usage": {"prompt_tokens": 77, "total_tokens": 77},
        },
    ),
    "watsonx": (
        "/ml/v1/text/embeddings?version=2025-02-11",
        {"model_id": "m", "project_id": "p", "inputs": TEXTS},
        {"results": [{"embedding": each} for each in BOTH], "input_token_count": 77},
    ),
}
"""By preset: where it is asked, what, and what is answered."""


def configured(name, url):
    takes = preset(name).takes
    given = {key: "k" for key, parameter in takes.items() if parameter.default is None and not parameter.optional}
    if "token_url" in takes:
        given["token_url"] = f"{url}/token"
    return {"backends": {"b": {"preset": name, "url": url, **given, **GIVEN.get(name, {})}}, "models": {"m": "b"}}


@pytest.mark.parametrize("name", KNOWN)
async def test_a_preset_embeds_as_its_reference_has_it(name):
    target, asked, said = KNOWN[name]

    async def script(connection, received):
        token = {"access_token": "t", "expires_in": 3600, "token_type": "Bearer"}
        await connection.send(json_answer(token if "/token " in received.head else said))

    async with listening(script) as upstream, gateway(configured(name, upstream.url)) as url:
        status, _, answer = await embed(url, input=TEXTS, dimensions=3)
        assert status == 200, answer
        sent = upstream.requests[-1]
    assert sent.head == f"POST {target} HTTP/1.1"
    assert sent.json == asked
    assert told(answer) == BOTH
    assert answer["usage"]["prompt_tokens"] == 77 or "77" not in json.dumps(said)


OPENAIS = [name for name in names() if preset(name).backend["kind"] == "openai"]


@pytest.mark.parametrize("name", OPENAIS)
async def test_a_preset_that_speaks_openai_embeds_like_openai(name):
    async with listening(vectors.openai) as upstream, gateway(configured(name, upstream.url)) as url:
        _, _, answer = await embed(url, input=TEXTS)
        assert upstream.requests[0].head.startswith("POST /")
        assert upstream.requests[0].head.endswith("/embeddings HTTP/1.1")
    assert told(answer) == BOTH


def test_every_preset_is_known_here_or_does_not_embed():
    embedding = {name for name in names() if "embeddings" in preset(name).backend}
    assert embedding == KNOWN.keys()
