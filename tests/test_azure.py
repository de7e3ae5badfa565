"""Azure's paths, as its own client asks by them."""

import json

import aiohttp
import openai
import pytest
import pytest_asyncio

from tests.serving import QUESTION, TRUSTED, gateway, http_backend
from tests.upstream import Connection, Received, Upstream, json_answer, listening

pytestmark = pytest.mark.asyncio(loop_scope="module")

ASKED = [{"role": "user", "content": "Hello"}]
NAMES = ("m", "org/name", "gpt-4.1 mini", "chat/completions")


async def echo(connection: Connection, received: Received) -> None:
    await connection.send(json_answer({"reply": received.json["q"]}))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream():
    async with listening(echo) as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(upstream: Upstream):
    config = http_backend(upstream.url, request={"q": "{{ model }}: {{ last_user }}"})
    async with gateway({**config, "models": dict.fromkeys(NAMES, "b")}) as url:
        yield url


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def locked(upstream: Upstream):
    config = http_backend(upstream.url)
    async with gateway({**config, "keys": {"k": {"secret": "sk-the-right-one"}}}) as url:
        yield url


def azure(url: str, **options):
    given = {"api_key": "sk-test", "api_version": "2024-10-21", "max_retries": 0, **options}
    return openai.AsyncAzureOpenAI(
        azure_endpoint=url, http_client=openai.DefaultAsyncHttpxClient(verify=TRUSTED), **given
    )


@pytest.mark.parametrize("name", NAMES)
async def test_azures_client_works_with_only_its_endpoint_changed(url, name):
    async with azure(url) as client:
        completion = await client.chat.completions.create(model=name, messages=ASKED)
        stream = await client.chat.completions.create(model=name, messages=ASKED, stream=True)
        pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
    assert completion.model == name
    assert completion.choices[0].message.content == f"{name}: Hello" == "".join(pieces)
    assert completion._request_id.startswith("req_")


@pytest.mark.parametrize("version", ["2022-12-01", "2024-10-21", "2099-01-01-preview", "v1", ""])
async def test_any_api_version_will_do(url, version):
    async with azure(url, api_version=version or "-") as client:
        options = {} if version else {"extra_query": {"api-version": ""}}
        assert (await client.chat.completions.create(model="m", messages=ASKED, **options)).model == "m"


async def test_a_deployment_wins_over_the_bodys_model(url):
    for body in ({**QUESTION, "model": "another"}, {"messages": ASKED}, {**QUESTION, "model": None}):
        told = await posted(url, "/openai/deployments/m/chat/completions", body)
        assert (told[0], told[1].get("model")) == (200, "m")


async def test_azures_paths_without_deployments_are_openais(url):
    config = {"http_client": openai.DefaultAsyncHttpxClient(verify=TRUSTED), "api_key": "sk-test", "max_retries": 0}
    async with openai.AsyncOpenAI(base_url=f"{url}/openai/v1/", **config) as client:
        assert (await client.chat.completions.create(model="m", messages=ASKED)).model == "m"
        assert {model.id async for model in client.models.list()} == set(NAMES)
        assert (await client.models.retrieve("org/name")).id == "org/name"
    async with azure(url) as client:
        assert {model.id async for model in client.models.list()} == set(NAMES)


async def test_a_key_comes_in_azures_header_or_as_a_token(locked):
    async with azure(locked, api_key="sk-the-right-one") as client:
        assert (await client.chat.completions.create(model="m", messages=ASKED)).model == "m"
    async with azure(locked, api_key=None, azure_ad_token="sk-the-right-one") as client:
        assert (await client.chat.completions.create(model="m", messages=ASKED)).model == "m"
    async with azure(locked, api_key="sk-another") as client:
        with pytest.raises(openai.AuthenticationError):
            await client.chat.completions.create(model="m", messages=ASKED)


async def test_a_deployment_that_is_not_there_is_a_model_that_is_not_there(url):
    async with azure(url) as client:
        with pytest.raises(openai.NotFoundError) as caught:
            await client.chat.completions.create(model="nobody", messages=ASKED)
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/openai/deployments/m/images/generations", 404),
        ("POST", "/openai/deployments/m", 404),
        ("POST", "/openai/deployments//chat/completions", 404),
        ("POST", "/openai/", 404),
        ("POST", "/openai", 404),
        ("POST", "/openai/v1/v1/chat/completions", 404),
        ("GET", "/openai/deployments/m/chat/completions", 405),
        ("POST", "/openai/deployments/m/chat/completions/", 422),
        ("POST", "/openai/chat/completions", 422),
    ],
)
async def test_what_is_not_there_is_told_by_the_path_that_was_asked(url, method, path, status):
    got, told = await posted(url, path, {}, method)
    assert got == status
    assert told["error"].keys() == {"message", "type", "param", "code"}
    assert status == 422 or f"{method} " in told["error"]["message"]
    assert status != 404 or path in told["error"]["message"]


async def posted(url, path, body, method="POST"):
    async with aiohttp.ClientSession() as session, session.request(method, url + path, json=body) as got:
        return got.status, json.loads(await got.read())
