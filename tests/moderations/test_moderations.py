"""`POST /v1/moderations`: OpenAI's words for what is wrong, from whatever a backend says."""

import json

import openai
import pytest
from openai.types import ModerationCreateResponse

from dragoman import Config, ConfigError
from dragoman.wire.moderations import CATEGORIES
from tests.embeddings.vectors import http as embedding
from tests.meter.desk import desk, key
from tests.serving import client, gateway, openai_backend, post
from tests.upstream import Connection, Received, always, json_answer, listening

RUDE = {"bad": True, "why": {"harassment": 0.9, "insult": 0.75, "hate": 0.1}}
ONE = {"request": {"text": "{{ text }}"}, "response": {"flagged": "bad", "scores": "why"}}
SEEN = [
    {"type": "text", "text": "See"},
    {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}},
]


async def judging(connection: Connection, received: Received) -> None:
    """Whoever writes `rude` is."""
    asked = received.json
    texts = asked["texts"] if "texts" in asked else [asked["text"]]
    results = [RUDE if "rude" in text else {"bad": False, "why": {}} for text in texts]
    await connection.send(json_answer({"results": results} if "texts" in asked else results[0]))


def moderating(base, **about):
    about = {"url": f"{base}/judge", **ONE, **about}
    return {"backends": {"b": {"kind": "http", "moderations": about}}, "models": {"m": "b"}}


async def moderated(url, **asked):
    status, headers, body = await post(url, {"input": "Hello", **asked}, "/v1/moderations")
    return status, headers, json.loads(body)


async def results(script, *texts, **about):
    async with listening(script) as upstream, gateway(moderating(upstream.url, **about)) as url:
        status, _, answer = await moderated(url, input=list(texts))
        assert status == 200, answer
    ModerationCreateResponse.model_validate(answer, strict=True)
    for result in answer["results"]:
        for told in ("categories", "category_scores", "category_applied_input_types"):
            assert set(CATEGORIES) <= result[told].keys() == result["categories"].keys()
    return answer["results"]


async def test_the_official_sdk_reads_what_was_found():
    async with listening(judging) as upstream, gateway(moderating(upstream.url)) as url, client(url) as sdk:
        answer = await sdk.moderations.create(input=["a rude one", "a kind one"])
        named = await sdk.moderations.create(model="m", input="a rude one")
    rude, kind = answer.results
    assert (answer.model, answer.id.startswith("modr-")) == ("m", True)
    assert (rude.flagged, rude.categories.harassment, rude.categories.hate) == (True, True, False)
    assert (rude.category_scores.harassment, rude.category_scores.violence) == (0.9, 0.0)
    assert rude.category_applied_input_types.harassment == ["text"]
    assert (kind.flagged, kind.categories.harassment_threatening) == (False, False)
    assert named.results == [rude]


@pytest.mark.parametrize(
    ("said", "paths", "flagged", "categories", "scores"),
    [
        ({"bad": True}, {"flagged": "bad"}, True, set(), {}),
        ({"bad": 0}, {"flagged": "bad"}, False, set(), {}),
        ({"is": {"hate": True, "sexual": False}}, {"categories": "is"}, True, {"hate"}, {"hate": 1.0}),
        ({"is": ["violence", "sexual"]}, {"categories": "is"}, True, {"violence", "sexual"}, {"sexual": 1.0}),
        ({"is": []}, {"categories": "is"}, False, set(), {"violence": 0.0}),
        ({"s": {"hate": 0.5, "sexual": 0.4}}, {"scores": "s"}, True, {"hate"}, {"hate": 0.5, "sexual": 0.4}),
        ({"is": {"hate": False}, "s": {"hate": 0.9}}, {"categories": "is", "scores": "s"}, False, set(), {"hate": 0.9}),
        (
            {"s": {"insult": 0.9, "harassment": 0.2}},
            {"scores": "s", "map": {"insult": "harassment"}},
            True,
            {"harassment"},
            {"harassment": 0.9},
        ),
        ({"s": {"spam": 1}}, {"scores": "s"}, True, {"spam"}, {"spam": 1.0}),
    ],
)
async def test_whatever_a_backend_says_becomes_openais_words(said, paths, flagged, categories, scores):
    [result] = await results(always(json_answer(said)), "Hello", response=paths)
    assert result["flagged"] is flagged
    assert {name for name, there in result["categories"].items() if there} == categories
    assert {name: result["category_scores"][name] for name in scores} == scores


async def test_texts_are_judged_one_by_one_or_together():
    texts = ["kind", "rude", "kind", "rude!"]
    alone = await results(judging, *texts)
    paths = {"results": "results", "flagged": "bad", "scores": "why"}
    together = await results(judging, *texts, request={"texts": "{{ input }}"}, response=paths)
    assert [each["flagged"] for each in alone] == [False, True, False, True]
    assert together == alone


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({}, "upstream_bad_response"),
        ([], "upstream_bad_response"),
        ({"bad": "yes"}, "upstream_bad_response"),
        ({"why": [1]}, "upstream_bad_response"),
        ({"why": {"hate": "much"}}, "upstream_bad_response"),
        ({"why": {"hate": True}}, "upstream_bad_response"),
        ({"why": {str(place): 0.1 for place in range(201)}}, "upstream_bad_response"),
    ],
)
async def test_an_answer_that_says_nothing_is_a_failure(said, code):
    async with listening(always(json_answer(said))) as upstream, gateway(moderating(upstream.url)) as url:
        status, _, answer = await moderated(url)
    assert (status, answer["error"]["code"]) == (502, code)


@pytest.mark.parametrize(
    ("asked", "code", "param"),
    [
        ({"input": ""}, "empty_string", "input"),
        ({"input": []}, "empty_array", "input"),
        ({"input": 7}, "invalid_type", "input"),
        ({"input": ["a", 7]}, "invalid_type", "input[1]"),
        ({"input": [{"type": "text"}]}, "missing_required_parameter", "input[0].text"),
        ({"input": [{"type": "video"}]}, "invalid_value", "input[0].type"),
        ({"input": [SEEN[0], {"type": "image_url", "image_url": {}}]}, "missing_required_parameter", None),
        ({"input": SEEN}, "unsupported_content", "input"),
        ({"model": 7}, "invalid_type", "model"),
    ],
)
async def test_what_is_wrong_with_a_request_is_named(asked, code, param):
    async with listening(judging) as upstream, gateway(moderating(upstream.url)) as url:
        status, _, answer = await moderated(url, **asked)
        assert not upstream.requests
    assert (status, answer["error"]["code"]) == (422, code)
    assert answer["error"]["param"] == (param or "input[1].image_url.url")


async def test_a_backend_that_sees_is_shown_images():
    about = {"request": {"text": "{{ text }}", "images": "{{ images }}"}}
    async with listening(judging) as upstream, gateway(moderating(upstream.url, **about)) as url:
        status, _, answer = await moderated(url, input=[SEEN[1], {"type": "text", "text": "so rude"}])
        assert upstream.requests[0].json["images"][0]["data"] == "AA=="
    [result] = answer["results"]
    assert (status, result["flagged"]) == (200, True)
    applied = result["category_applied_input_types"]
    assert (applied["violence"], applied["harassment"]) == (["text", "image"], ["text"])


async def test_an_openai_upstream_is_asked_in_its_own_words():
    found = {"flagged": True, "categories": {"hate": True, "new": True}, "category_scores": {"hate": 0.7, "new": 0.6}}
    found["category_applied_input_types"] = {"hate": ["text"]}
    said = {"id": "modr-theirs", "model": "theirs", "results": [found]}
    async with listening(always(json_answer(said))) as upstream, gateway(openai_backend(f"{upstream.url}/v1")) as url:
        for sent in ("Hello", SEEN):
            status, _, answer = await moderated(url, input=sent, model="m")
            assert status == 200
            assert upstream.requests[-1].json == {"model": "m", "input": sent}
        assert upstream.requests[0].head == "POST /v1/moderations HTTP/1.1"
        assert (await moderated(url, input=["a", "b"]))[0] == 502  # one result for two texts
    [result] = answer["results"]
    assert (result["categories"]["new"], result["category_scores"]["hate"]) == (True, 0.7)


def judge(texts):
    return [{"flagged": "rude" in text, "categories": ["harassment"] if "rude" in text else []} for text in texts]


def grumble(texts):
    return ["rude" for _ in texts]


@pytest.mark.parametrize(("name", "status"), [("judge", 200), ("grumble", 502)])
async def test_a_function_judges(name, status):
    function = f"tests.moderations.test_moderations:{name}"
    config = {"backends": {"b": {"kind": "python", "moderations": function}}, "models": {"m": "b"}}
    async with gateway(config) as url:
        told, _, answer = await moderated(url, input=["rude", "kind"])
    assert told == status
    if told == 200:
        assert [result["categories"]["harassment"] for result in answer["results"]] == [True, False]


async def test_where_nobody_can_moderate_a_caller_is_told_so():
    async with gateway(embedding("http://127.0.0.1:9")) as url, client(url) as sdk:
        for asked in ({}, {"model": "m"}):
            with pytest.raises(openai.NotFoundError) as caught:
                await sdk.moderations.create(input="Hello", **asked)
            assert caught.value.message.count("None of this server's models can moderate.")


async def test_without_a_model_the_usual_one_or_the_first_that_can_is_asked():
    async with listening(judging) as upstream:
        config = moderating(upstream.url)
        config["backends"]["c"] = embedding(upstream.url)["backends"]["b"]
        config["models"] = {"vectors": "c", "any/*": "b", "guard": "b"}
        async with gateway(config) as url:
            assert (await moderated(url))[2]["model"] == "guard"
            status, _, answer = await moderated(url, model="vectors")
            assert (status, answer["error"]["code"], answer["error"]["param"]) == (422, "unsupported_model", "model")
            assert (await moderated(url, model="nobody"))[0] == 404
        config["models"]["omni-*"] = "b"
        async with gateway(config) as url:
            assert (await moderated(url))[2]["model"] == "omni-moderation-latest"


async def test_the_first_that_can_is_one_that_the_key_may_use(tmp_path):
    keys = {"alice": key("alice", models=["other"]), "bob": key("bob", models=["nothing"])}
    backend = {"response": None, "request": None, "moderations": ONE}
    async with desk(keys, tmp_path, judging, backend=backend) as at:
        asked = {"input": "so rude"}
        status, _, body = await post(at.url, asked, "/v1/moderations", authorization="Bearer secret-alice")
        assert (status, json.loads(body)["model"]) == (200, "other")
        status, _, body = await post(at.url, asked, "/v1/moderations", authorization="Bearer secret-bob")
        assert (status, json.loads(body)["error"]["code"]) == (403, "model_not_allowed")
        [row] = await at.rows(1)
    assert (row["surface"], row["model"], row["status"]) == ("moderations", "other", 200)
    assert (row["prompt_tokens"], row["completion_tokens"]) == (2, 0)


@pytest.mark.parametrize(
    ("about", "problem"),
    [
        ({"response": {}}, "needs `flagged`, `categories` or `scores`"),
        ({"request": {"t": "{{ input }}"}}, "several texts in a request need `response.results`"),
        ({"url": "http://elsewhere.example"}, "must be at the backend's own origin"),
        ({"response": {"flag": "x"}}, "did you mean 'flagged'?"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused_at_the_start(about, problem):
    config = moderating("http://b.example", **{"batch": 5} if "input" in str(about) else {}, **about)
    config["backends"]["b"]["url"] = "http://b.example"
    with pytest.raises(ConfigError) as error:
        Config.of(config)
    assert problem in str(error.value)
