"""The models list in Anthropic's words, for whoever sends `anthropic-version`."""

from datetime import UTC, datetime

import aiohttp
import pytest
import pytest_asyncio
from anthropic.types import ModelInfo
from hypothesis import given
from hypothesis import strategies as st

from dragoman import Gateway
from dragoman.messages.models import page
from tests.messages.asking import sdk
from tests.serving import gateway

pytestmark = pytest.mark.asyncio(loop_scope="module")

NAMES = [f"m{number}" for number in range(45)]
MADE = 1_700_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url():
    models = {name: {"backend": "b", "created": MADE} for name in NAMES}
    models["m0"]["about"] = {"name": "Zero", "context_length": 8192, "max_output": 512}
    backend = {"kind": "python", "target": lambda: "Hi"}
    async with gateway(Gateway({"backends": {"b": backend}, "models": models})) as url:
        yield url


async def got(url, query="", **headers):
    asking = {"anthropic-version": "2023-06-01", **headers}
    async with aiohttp.ClientSession() as session, session.get(f"{url}/v1/models{query}", headers=asking) as answer:
        assert answer.headers["request-id"]
        return await answer.json()


async def test_a_page_is_told_in_their_words(url):
    told = await got(url, "?limit=2")
    assert told == {
        "data": [
            {
                "type": "model",
                "id": "m0",
                "display_name": "Zero",
                "created_at": "2023-11-14T22:13:20Z",
                "lifecycle": "active",
                "max_input_tokens": 8192,
                "max_tokens": 512,
            },
            {
                "type": "model",
                "id": "m1",
                "display_name": "m1",
                "created_at": "2023-11-14T22:13:20Z",
                "lifecycle": "active",
            },
        ],
        "has_more": True,
        "first_id": "m0",
        "last_id": "m1",
    }


async def test_the_sdk_lists_them_all_page_by_page(url):
    async with sdk(url) as client:
        listed = [model async for model in client.models.list()]
        first = await client.models.list(limit=30)
        one = await client.models.retrieve("m7")
    assert [model.id for model in listed] == NAMES
    assert (len(first.data), first.has_next_page()) == (30, True)
    assert (one.id, one.created_at) == ("m7", datetime.fromtimestamp(MADE, UTC))
    ModelInfo.model_validate_json(one.to_json(), strict=True)


async def test_others_get_openais_list(url):
    async with aiohttp.ClientSession() as session, session.get(f"{url}/v1/models") as answer:
        told = await answer.json()
    assert told["object"] == "list"
    assert len(told["data"]) == len(NAMES)


@given(
    st.integers(0, 12).map(lambda size: [{"id": f"m{number}", "created": 0} for number in range(size)]),
    st.integers(1, 5),
)
async def test_pages_come_to_the_whole_list_in_both_directions(models, limit):
    ids = [model["id"] for model in models]
    on, query = [], {"limit": str(limit)}
    while True:
        told = page(models, query)
        on += [model["id"] for model in told["data"]]
        if not told["has_more"]:
            break
        query = {"limit": str(limit), "after_id": told["last_id"]}
    assert on == ids
    back, before = [], ids[-1] if ids else None
    while before:
        told = page(models, {"limit": str(limit), "before_id": before})
        assert len(told["data"]) <= limit
        back = [model["id"] for model in told["data"]] + back
        before = told["first_id"] if told["has_more"] else None
    assert back == ids[:-1]


@pytest.mark.parametrize("query", ["?limit=0", "?limit=1001", "?limit=x", "?limit=", "?after_id=none", "?before_id="])
async def test_what_is_wrong_with_a_query_is_said(url, query):
    told = await got(url, query)
    assert told["error"]["type"] == "invalid_request_error"
    assert query[1:].partition("=")[0] in told["error"]["message"]
