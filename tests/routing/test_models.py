"""Which backends a model means, and what it changes about a call."""

import asyncio
import json

import aiohttp
import pytest

from dragoman.config import Config
from dragoman.errors import ConfigError
from tests.routing.places import placed, says

ALL = {name: says(name) for name in ("a", "b", "c")}


async def test_a_model_may_be_called_otherwise():
    async with placed(ALL, {"m": "a", "other": "m", "third": {"backend": "other"}}) as place:
        heard = await place.ask("third")
        assert (heard.backend, json.loads(heard.body)["model"]) == ("a", "third")
        assert place.upstreams["a"].requests[0].json["model"] == "m"


async def test_a_wildcard_stands_for_what_matches_it():
    models = {"team-*": {"backend": "a", "model": "llama/*"}, "team-x-*": "b", "m": "c"}
    async with placed(ALL, models) as place:
        assert [(await place.ask(name)).backend for name in ("team-red", "team-x-1", "m")] == ["a", "b", "c"]
        assert place.upstreams["a"].requests[0].json["model"] == "llama/red"
        assert (await place.ask("tea")).status == 404
        async with aiohttp.ClientSession() as session:
            listed = await (await session.get(f"{place.url}/v1/models")).json()
            found = await (await session.get(f"{place.url}/v1/models/team-red")).json()
    assert ([model["id"] for model in listed["data"]], found["id"]) == (["m"], "team-red")


async def test_the_default_model_answers_for_unknown_names():
    async with placed(ALL, {"m": "a"}, default_model="m") as place:
        heard = await place.ask("gpt-9")
        assert (heard.backend, json.loads(heard.body)["model"]) == ("a", "gpt-9")
        assert place.upstreams["a"].requests[0].json["model"] == "m"


IMAGE = [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://x.example/i.png"}}]}]
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
CASES = [
    ({"tokens_over": 100}, {"messages": [{"role": "user", "content": "word " * 300}]}, {}),
    ({"images": True}, {"messages": IMAGE}, {}),
    ({"tools": True}, {"tools": [TOOL], "tool_choice": "none"}, {}),
    ({"stream": True}, {"stream": True}, {}),
    ({"header": {"X-Tier": "gold"}}, {}, {"x-tier": "gold"}),
    ({"header": {"x-tier": ["silver", "g*"]}}, {}, {"x-tier": "gold"}),
    ({"metadata": {"team": "red-*"}}, {"metadata": {"team": "red-1"}}, {}),
    ({"tokens_over": 100, "stream": True}, {"stream": True, "messages": [{"role": "user", "content": "w " * 300}]}, {}),
]


@pytest.mark.parametrize(("when", "request_", "headers"), CASES, ids=[str(case[0]) for case in CASES])
async def test_a_condition_sends_calls_to_their_backend(when, request_, headers):
    models = {"m": {"backends": [{"backend": "a", "when": when, "abilities": {"images": "ignore"}}, "b"]}}
    async with placed(ALL, models) as place:
        assert (await place.ask(headers=headers, **request_)).backend == "a"
        assert (await place.ask()).backend == "b"


async def test_a_key_may_be_a_condition():
    async with placed(ALL, {"m": {"backends": [{"backend": "a", "when": {"key": "any*"}}, "b"]}}) as place:
        assert (await place.ask()).backend == "a"


async def test_tokens_are_split_without_a_gap():
    backends = [{"backend": "a", "when": {"tokens_over": 50}}, {"backend": "b", "when": {"tokens_up_to": 50}}]
    async with placed(ALL, {"m": {"backends": backends}}) as place:
        for count in range(30, 60):
            heard = await place.ask(messages=[{"role": "user", "content": "word " * count}])
            assert heard.status == 200


async def test_a_call_that_no_backend_is_for_is_refused():
    async with placed(ALL, {"m": {"backends": [{"backend": "a", "when": {"images": True}}]}}) as place:
        heard = await place.ask()
    assert (heard.status, heard.code) == (422, "no_backend_for_request")


async def test_a_model_sets_parameters_and_adds_messages():
    model = {
        "backend": "a",
        "parameters": {"temperature": 0.5},
        "defaults": {"max_tokens": 7},
        "prompt": {"before": "Be kind.", "after": "Be brief."},
    }
    async with placed(ALL, {"m": model, "quiet": {"backend": "m", "parameters": {"temperature": None}}}) as place:
        await place.ask(temperature=1)
        await place.ask(max_tokens=3)
        first, second = (received.json for received in place.upstreams["a"].requests)
    assert (first["temperature"], first["limit"], second["limit"]) == (0.5, 7, 3)
    assert "Be kind." in json.dumps(first["all"][0])
    assert "Be brief." in json.dumps(first["all"])


async def test_a_model_may_give_its_backends_less_time():
    async def silent(connection, received):
        await asyncio.sleep(30)

    models = {"m": "a", "quick": {"backends": ["m", "b"], "timeout": {"first": "100ms"}}}
    async with placed({"a": silent, "b": says("b")}, models) as place:
        assert (await place.ask("quick")).backend == "b"


BACKENDS = {name: {"kind": "demo"} for name in ("corp", "spare")}
WRONG = {
    "no backend is named 'crop'; did you mean 'corp'?": {"m": "crop"},
    "backends[1]: no backend is named 'spar'; did you mean 'spare'?": {"m": {"backends": ["corp", "spar"]}},
    "leads back to itself: a → b → a": {"a": "b", "b": "a"},
    "leads back to itself: m → m": {"m": {"backends": ["corp", "m"]}},
    "'corp' stands here twice": {"m": {"backends": ["corp", "corp"]}},
    "weight: input should be greater than 0": {"m": {"backends": [{"backend": "corp", "weight": 0}]}},
    "policy: input should be 'fallback', 'balance', 'hedge' or 'mirror'": {"m": {"backends": ["corp"], "policy": "x"}},
    "needs either `backend`": {"m": {"backends": ["corp"], "backend": "corp"}},
    "models.m: needs either `backend`": {"m": {"owned_by": "x"}},
    "parameters: temperature": {"m": {"backend": "corp", "parameters": {"temperature": "hot"}}},
    "'stream' is the caller's to choose": {"m": {"backend": "corp", "defaults": {"stream": True}}},
    "no failure of a backend has this code": {"m": {"backend": "corp", "retry": {"on": ["oops"]}}},
    "`*` stands for what a wildcard": {"m": {"backend": "corp", "model": "x-*"}},
    "'n' is a model here": {"m": {"backend": "n", "model": "x"}, "n": "corp"},
    "backends[0].wieght: is not a known key; did you mean 'weight'?": {
        "m": {"backends": [{"backend": "corp", "wieght": 1}]}
    },
}


@pytest.mark.parametrize(("told", "models"), WRONG.items(), ids=list(WRONG))
def test_a_route_that_leads_nowhere_is_told(told, models):
    with pytest.raises(ConfigError) as error:
        Config.of({"backends": BACKENDS, "models": models})
    assert told in str(error.value)


def test_a_default_that_is_not_there_is_told():
    with pytest.raises(ConfigError, match="default_model: no model is named 'n'"):
        Config.of({"backends": BACKENDS, "models": {"m": "corp"}, "default_model": "n"})
