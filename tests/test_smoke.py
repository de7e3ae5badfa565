import json

from tests.serving import QUESTION, client, gateway, http_backend, post
from tests.upstream import LAST_CHUNK, always, chunked, json_answer, listening, sse, stream_head


async def test_answers_from_a_json_api():
    async with (
        listening(always(json_answer({"reply": "Hi there"}))) as upstream,
        gateway(http_backend(upstream.url)) as url,
    ):
        status, headers, body = await post(url, QUESTION)
        assert status == 200
        assert headers["x-dragoman-backend"] == "b"
        assert json.loads(body)["choices"][0]["message"]["content"] == "Hi there"
        assert upstream.requests[0].json == {"q": "Hello"}


async def test_streams_from_an_sse_api():
    events = sse({"t": "Hi"}, {"t": " there"}, "[DONE]")
    script = always(stream_head() + chunked(*events) + LAST_CHUNK)
    config = {"stream": {"framing": "sse", "text": "t"}}
    async with listening(script) as upstream, gateway(http_backend(upstream.url, **config)) as url:
        stream = await client(url).chat.completions.create(**QUESTION, stream=True)
        chunks = [chunk async for chunk in stream]
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "Hi there"
        assert chunks[-1].choices[0].finish_reason == "stop"
