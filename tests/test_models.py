"""The models list: what is there, what a key may use of it, and what interfaces read about it."""

import openai
import pytest

from dragoman import Config, ConfigError
from tests.serving import client, gateway

BACKEND = {"kind": "http", "url": "http://127.0.0.1:9", "request": {"q": "{{ last_user }}"}, "response": {"text": "r"}}
SEEING = {**BACKEND, "request": {"m": "{{ messages }}", "t": "{{ tools }}", "stop": "{{ stop }}"}}
PLAIN = {"id", "object", "created", "owned_by", "permission"}


def config(**models):
    return {"backends": {"b": BACKEND, "seeing": SEEING}, "models": models}


async def listed(given, **options):
    async with gateway(given) as url:
        return {model.id: model.to_dict() async for model in client(url, **options).models.list()}


async def test_a_model_is_told_as_openai_does_and_nothing_more_unless_its_configuration_says_so():
    told = await listed(config(m={"backend": "b", "owned_by": "us", "created": 7}))
    assert told == {"m": {"id": "m", "object": "model", "created": 7, "owned_by": "us", "permission": []}}


async def test_what_interfaces_read_is_told_where_it_is_configured():
    about = {"name": "The corporate one", "description": "Knows us.", "context_length": 8192, "max_output": 1024}
    told = (await listed(config(m={"backend": "seeing", "about": about})))["m"]
    assert (told["name"], told["description"]) == ("The corporate one", "Knows us.")
    assert (told["context_length"], told["max_model_len"], told["max_completion_tokens"]) == (8192, 8192, 1024)
    assert told["architecture"]["input_modalities"] == ["text", "image", "audio", "file"]
    assert {"tools", "tool_choice", "stop", "max_tokens", "response_format"} <= set(told["supported_parameters"])


async def test_what_a_model_can_do_follows_from_its_backends():
    rejecting = {"backend": "b", "about": {}, "abilities": {"tools": "reject"}}
    several = {"backends": ["b", "seeing"], "about": {}}
    told = await listed(config(m=rejecting, n=several))
    assert told["m"].keys() - PLAIN == {"supported_parameters", "architecture", "abilities"}
    assert "tools" not in told["m"]["supported_parameters"]
    assert not {"tools", "images", "logprobs"} & set(told["m"]["abilities"])
    assert told["m"]["architecture"]["input_modalities"] == ["text"]
    assert {"tools", "images"} <= set(told["n"]["abilities"])


async def test_an_id_may_have_slashes_and_a_wildcard_is_found_but_not_listed():
    given = config(**{"org/m": "b", "local/*": {"backend": "b", "model": "*", "about": {"context_length": 5}}})
    async with gateway(given) as url:
        models = client(url).models
        assert [model.id async for model in models.list()] == ["org/m"]
        assert (await models.retrieve("org/m")).id == "org/m"
        assert (await models.retrieve("local/any/one")).to_dict()["context_length"] == 5
        with pytest.raises(openai.NotFoundError) as caught:
            await models.retrieve("org")
    assert (caught.value.param, caught.value.code) == ("model", "model_not_found")


async def test_a_key_sees_what_it_may_use():
    keys = {"k": {"secret": "sk-one-of-the-keys", "models": ["m"]}}
    given = {**config(m="b", n="b"), "keys": keys}
    assert list(await listed(given, api_key="sk-one-of-the-keys")) == ["m"]


@pytest.mark.parametrize("about", [{"context_length": 0}, {"max_output": "many"}, {"size": 1}, {"name": ""}])
def test_what_cannot_be_told_is_refused_at_the_start(about):
    with pytest.raises(ConfigError, match=r"models\.m\.about"):
        Config.of(config(m={"backend": "b", "about": about}))


@pytest.mark.parametrize("path", ["images/generations", "audio/speech", "files", "batches", "assistants", "realtime"])
async def test_what_is_not_served_of_openais_api_is_404_and_says_what_is(path):
    async with gateway(config(m="b")) as url:
        with pytest.raises(openai.NotFoundError) as caught:
            await client(url).post(f"/{path}", cast_to=object, body={})
    assert f"POST /v1/{path}" in caught.value.message
    assert "/v1/chat/completions" in caught.value.message
    assert "/v1/models" in caught.value.message
    assert (caught.value.type, caught.value.code) == ("invalid_request_error", None)
