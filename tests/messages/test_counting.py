"""How many tokens a message would have."""

import pytest
import pytest_asyncio

from dragoman import Gateway
from tests.messages import answering
from tests.messages.asking import ADD, HELLO, PATH, asked, refused, sdk
from tests.serving import gateway, post

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = f"{PATH}/count_tokens"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url():
    """The URL of a gateway whose model is never to be asked, and that allows one call a minute."""

    def asked() -> str:
        raise AssertionError("nobody is asked")

    backend = {"kind": "python", "target": asked}
    models = {"m": {"backend": "b", "limits": {"rpm": 1}}}
    async with gateway(Gateway({"backends": {"b": backend}, "models": models})) as url:
        yield url


@pytest.fixture
def count(url):
    async def count(**more):
        status, headers, body = await post(url, {"model": "m", "messages": HELLO, **more}, path=COUNT)
        assert status == 200, body
        assert headers["request-id"]
        return answering.counted(body)

    return count


async def test_more_is_more(count):
    hello = await count()
    assert 0 < hello < await count(system="Be kind.") < await count(system="Be kind.", tools=[ADD])
    assert await count(messages=[{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]) == hello


async def test_an_image_counts(count):
    source = {"type": "url", "url": "https://a.example/b.png"}
    assert await count(messages=[{"role": "user", "content": [{"type": "image", "source": source}]}]) > 500


async def test_it_is_what_a_message_is_said_to_be_asked_with(count):
    backend = {"kind": "python", "target": lambda: "Hi"}
    async with gateway(Gateway({"backends": {"b": backend}, "models": {"m": "b"}})) as url:
        _, _, body = await post(url, asked(), path=PATH)
    assert answering.whole(body)["usage"]["input_tokens"] == await count()


async def test_neither_a_limit_nor_a_stream_is_of_any_matter(count):
    assert await count(max_tokens=10, stream=True) == await count(max_tokens=None, stream=False) == await count()


async def test_the_sdk_counts(url):
    async with sdk(url) as client:
        counted = await client.messages.count_tokens(model="m", messages=HELLO, tools=[ADD], system="Be kind.")
    assert counted.input_tokens > 10


async def test_what_is_wrong_is_said(url):
    assert (await refused(url, {"model": "m"}, path=COUNT))[:2] == (422, "invalid_request_error")
    assert (await refused(url, {"model": "none", "messages": HELLO}, path=COUNT))[:2] == (404, "not_found_error")
