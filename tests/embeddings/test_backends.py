"""Embeddings by every other kind of backend: openai, python, replay, demo, and routes over several."""

import base64
import json

import pytest

from dragoman import Config, ConfigError, Gateway
from tests.embeddings import vectors
from tests.embeddings.vectors import embed, http, numbers, points, refused, told
from tests.serving import client, gateway, openai_backend, post
from tests.upstream import always, json_answer, listening


async def test_an_openai_upstream_is_asked_for_base64_and_read_in_any_order():
    async with listening(vectors.openai) as upstream:
        async with gateway(openai_backend(f"{upstream.url}/v1", key="sk-up", model="theirs")) as url:
            asked = {"input": ["a", "bc"], "dimensions": 3, "user": "ada", "input_type": "query"}
            _, headers, answer = await embed(url, **asked)
        [received] = upstream.requests
    assert received.head == "POST /v1/embeddings HTTP/1.1"
    assert received.headers["authorization"] == "Bearer sk-up"
    assert received.json == {**asked, "model": "theirs", "encoding_format": "base64"}
    assert (told(answer), answer["model"]) == ([numbers("a"), numbers("bc")], "m")
    assert answer["usage"] == {"prompt_tokens": 7, "total_tokens": 7}
    assert "x-dragoman-emulated" not in headers


@pytest.mark.parametrize("sent", [[1, 2, 3], [[1, 2, 3], [4]]])
async def test_an_openai_upstream_is_given_token_arrays_as_they_are(sent):
    async with listening(vectors.openai) as upstream, gateway(openai_backend(upstream.url)) as url:
        _, _, answer = await embed(url, input=sent)
        arrays = sent if isinstance(sent[0], list) else [sent]
        assert upstream.requests[0].json["input"] == arrays
    assert told(answer) == [numbers(each) for each in arrays]


async def test_an_upstream_that_takes_few_texts_is_asked_several_times():
    options = {"embeddings": {"batch": 2, "parallel": 2}}
    async with listening(vectors.openai) as upstream, gateway(openai_backend(upstream.url, **options)) as url:
        texts = ["x" * length for length in range(1, 6)]
        _, _, answer = await embed(url, input=texts)
        asked = [received.json["input"] for received in upstream.requests]
    assert sorted(asked) == [texts[0:2], texts[2:4], texts[4:]]
    assert told(answer) == [numbers(text) for text in texts]
    assert answer["usage"]["prompt_tokens"] == 21


async def test_an_upstream_that_only_tells_numbers_and_knows_other_words_is_understood():
    options = {"parameters": {"encoding_format": None, "dimensions": "output_dimension"}}
    async with listening(vectors.openai) as upstream, gateway(openai_backend(upstream.url, **options)) as url:
        _, _, answer = await embed(url, dimensions=3, encoding_format="base64")
        assert upstream.requests[0].json == {"model": "m", "input": ["Hello"], "output_dimension": 3}
    coded = answer["data"][0]["embedding"]
    assert len(base64.b64decode(coded)) == 12


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (json_answer({"error": {"message": "No."}}, status="404 No"), 422, "upstream_rejected"),
        (json_answer({"error": {"message": "No."}}), 502, "upstream_error"),
        (json_answer({"data": []}), 502, "upstream_bad_response"),
        (json_answer({"data": [1]}), 502, "upstream_bad_response"),
        (json_answer({"data": [{"index": 0, "embedding": ["1"]}]}), 502, "upstream_bad_response"),
        (json_answer([]), 502, "upstream_bad_response"),
    ],
)
async def test_an_openai_upstream_that_fails_is_told_of(said, status, code):
    async with listening(always(said)) as upstream, gateway(openai_backend(upstream.url)) as url:
        assert (await refused(url))[:2] == (status, code)


def function(name, **options):
    return {
        "backends": {"b": {"kind": "python", "embeddings": f"tests.embeddings.functions:{name}", **options}},
        "models": {"m": "b"},
    }


@pytest.mark.parametrize("name", ["plain", "awaited", "library", "packed", "yielded"])
async def test_a_function_embeds(name):
    async with gateway(function(name)) as url:
        _, headers, answer = await embed(url, input=["a", "bc"])
    assert told(answer) == [numbers("a"), numbers("bc")]
    assert headers["x-dragoman-emulated"] == "usage"


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [
        ("too_few", 502, "upstream_bad_response"),
        ("nothing", 502, "upstream_bad_response"),
        ("strange", 502, "upstream_bad_response"),
        ("broken", 502, "upstream_error"),
        ("unreachable", 500, "upstream_connect_error"),
        ("slow", 504, "upstream_timeout"),
    ],
)
async def test_a_function_that_fails_is_told_of(name, status, code):
    async with gateway(function(name, timeout={"first": "100ms"})) as url:
        told_status, told_code, _, message = await refused(url)
    assert (told_status, told_code) == (status, code)
    assert "fire" not in message


def test_a_function_takes_what_there_is():
    with pytest.raises(ConfigError, match="takes 'more', but a function may take texts, request, call"):
        Config.of(function("greedy"))
    with pytest.raises(ConfigError, match="needs `target`"):
        Config.of({"backends": {"b": {"kind": "python"}}, "models": {"m": "b"}})


async def test_what_was_recorded_is_played_again(tmp_path):
    async with listening(points) as upstream:
        config = http(upstream.url)
        async with gateway(Gateway(config, record=tmp_path)) as url:
            first = await embed(url, input=["a", "bc"])
    played = {"kind": "replay", "files": str(tmp_path), "backend": config["backends"]["b"]}
    async with gateway({"backends": {"b": played}, "models": {"m": "b"}}) as url:
        again = await embed(url, input=["a", "bc"])
    assert told(again[2]) == told(first[2]) == [numbers("a"), numbers("bc")]


NEAR = [
    ("The cat sleeps on the sofa.", "A cat is sleeping on a sofa", "The stock market fell sharply today"),
    ("How do I reset my password?", "I forgot my password, how can I reset it?", "What is the weather like in Paris?"),
    ("Bake the bread for an hour", "Baking bread takes one hour", "The train leaves at nine"),
    ("Python is a programming language", "I write programs in Python", "She plays the violin"),
    ("The invoice has not been paid", "Your invoice is unpaid", "Giraffes eat leaves from tall trees"),
    ("The bicycle has two wheels", "A bike's wheels", "Interest rates rise"),
    ("Der Hund läuft im Park", "Ein Hund im Park", "Die Rechnung ist überfällig"),
    ("Book a flight to Tokyo", "flights to tokyo", "cheap running shoes"),
    ("The doctor prescribed antibiotics", "Antibiotics from a doctor", "The goalkeeper saved a penalty"),
    ("Install the package with pip", "pip installs packages", "Roses need a lot of sun"),
    ("The river flooded the village", "Flooding in the river village", "A new phone was announced"),
    ("Our meeting is on Monday", "Monday's meeting", "Volcanoes erupt lava"),
]


def likeness(one, other):
    return sum(a * b for a, b in zip(one, other, strict=True))


async def test_the_demo_puts_near_to_each_other_what_is_alike():
    texts = [text for triple in NEAR for text in triple]
    async with gateway(Gateway()) as url, client(url) as sdk:
        answer = await sdk.embeddings.create(model="mock-gpt-model", input=texts)
        again = await sdk.embeddings.create(model="mock-gpt-model", input=texts[:1])
        short = await sdk.embeddings.create(model="mock-gpt-model", input=texts, dimensions=64)
        least = await sdk.embeddings.create(model="mock-gpt-model", input=texts, dimensions=4)
    for told_of in (answer, short):
        placed = [item.embedding for item in told_of.data]
        for place in range(0, len(placed), 3):
            here, near, far = placed[place : place + 3]
            assert likeness(here, here) == pytest.approx(1, abs=1e-4)
            assert likeness(here, near) > likeness(here, far) + 0.1, texts[place]
    assert again.data[0].embedding == answer.data[0].embedding
    assert all(any(item.embedding) for item in least.data)
    assert answer.usage.prompt_tokens == sum(len(text.split()) for text in texts)


async def test_the_demos_own_protocol_has_never_heard_of_openai():
    async with gateway(Gateway()) as url:
        status, _, body = await post(url, {"texts": ["Hello", "…"]}, "/demo/embedding")
        assert (status, json.loads(body).keys()) == (200, {"points", "count"})
        assert [len(each) for each in json.loads(body)["points"]] == [256, 256]
        for wrong in ({}, {"texts": "Hello"}, {"texts": [1]}, b"{"):
            status, _, body = await post(url, wrong, "/demo/embedding")
            assert (status, json.loads(body).keys()) == (400, {"trouble"})


async def test_a_route_goes_on_to_a_backend_that_can():
    async with listening(points) as upstream:
        config = http(upstream.url)
        config["backends"]["chat"] = {"kind": "http", "url": upstream.url, "response": {"text": "t"}}
        config["models"] = {"m": {"backends": ["chat", "b"]}, "chat": "chat"}
        async with gateway(config) as url:
            _, headers, answer = await embed(url)
            assert (told(answer), headers["x-dragoman-backend"]) == ([numbers("Hello")], "b")
            status, code, param, message = await refused(url, model="chat")
    assert (status, code, param) == (422, "unsupported_model", "model")
    assert message == "This model cannot embed texts: its backend, 'chat', is not able to. Ask another model."


async def test_a_route_goes_on_when_a_batch_fails():
    async def failing(connection, received):
        bad = received.json["text"] == "bc"
        await connection.send(json_answer({}, status="500 No") if bad else json_answer({"point": [1.0]}))

    async with listening(failing) as first, listening(points) as second:
        one = {"request": {"text": "{{ text }}"}, "response": {"vector": "point"}}
        config = http(first.url, **one)
        config["backends"]["spare"] = http(second.url)["backends"]["b"]
        config["models"] = {"m": {"backends": ["b", "spare"]}}
        async with gateway(config) as url:
            _, headers, answer = await embed(url, input=["a", "bc"])
    assert (told(answer), headers["x-dragoman-backend"]) == ([numbers("a"), numbers("bc")], "spare")


async def test_hooks_and_conditions_see_texts_as_they_see_messages():
    async with listening(points) as upstream:
        config = http(upstream.url)
        config["backends"]["long"] = http(f"{upstream.url}/long")["backends"]["b"]
        when = {"tokens_over": 20}
        config["models"] = {
            "m": {"backends": [{"backend": "long", "when": when}, "b"], "prompt": {"before": "Be kind"}}
        }
        made = Gateway(config)

        @made.before
        async def hide(call):
            said = [{**each, "content": each["content"].replace("secret", "***")} for each in call.request.messages]
            return call.asking(messages=said)

        async with gateway(made) as url:
            _, headers, answer = await embed(url, input=["a secret", "b"])
            assert headers["x-dragoman-backend"] == "b"
            _, headers, _ = await embed(url, input="word " * 40)
            assert headers["x-dragoman-backend"] == "long"
        assert upstream.requests[0].json == {"texts": ["a ***", "b"]}
    assert len(answer["data"]) == 2


@pytest.mark.parametrize(("options", "status"), [({}, 200), ({"max_answer": "10MiB"}, 502)])
async def test_many_long_embeddings_fit_unless_a_bound_is_set(options, status):
    numbers = base64.b64encode(bytes(4 * 3072)).decode()
    said = json_answer({"data": [{"index": place, "embedding": numbers} for place in range(1000)]})

    async with listening(always(said)) as upstream, gateway(openai_backend(upstream.url, **options)) as url:
        asked = {"model": "m", "input": ["a"] * 1000, "encoding_format": "base64"}
        told_status, _, body = await post(url, asked, "/v1/embeddings")
    assert told_status == status
    assert (len(body) > 15 * 2**20) == (status == 200)
