"""Embeddings from any API: the request made from templates, in batches, and the answer read by paths."""

import asyncio

import pytest

from dragoman import Config, ConfigError
from tests.embeddings.vectors import embed, http, numbers, points, refused, served, told
from tests.serving import gateway, post
from tests.upstream import always, answer, json_answer, listening

ONE = {"request": {"text": "{{ text }}"}, "response": {"vector": "point", "usage": {"total": "count"}}}


@pytest.mark.parametrize(
    ("options", "sizes"),
    [
        ({}, [5]),
        ({"batch": 2}, [1, 2, 2]),
        ({"batch": 1}, [1] * 5),
        ({"request": ["{{ text }}"], "response": {"vectors": "points"}}, [1] * 5),
    ],
    ids=["all", "two", "one", "text"],
)
async def test_a_request_takes_as_many_texts_as_it_may(options, sizes):
    async def script(connection, received):
        texts = received.json if isinstance(received.json, list) else received.json["texts"]
        await connection.send(json_answer({"points": list(map(numbers, texts)), "count": len(texts)}))

    async with served(script, **options) as (url, upstream):
        _, _, answered = await embed(url, input=list("abcde"))
        asked = (each.json if isinstance(each.json, list) else each.json["texts"] for each in upstream.requests)
        assert sorted(map(len, asked)) == sizes
    assert told(answered) == [numbers("a")] * 5


async def test_one_text_at_a_time_is_asked_several_at_once_but_not_too_many():
    running, most = 0, 0

    async def script(connection, received):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.01)
        running -= 1
        await points(connection, received)

    async with served(script, **ONE, parallel=3) as (url, upstream):
        texts = ["x" * length for length in range(1, 13)]
        _, _, answered = await embed(url, input=texts)
        assert told(answered) == [numbers(text) for text in texts]
        assert (len(upstream.requests), most) == (12, 3)
    assert answered["usage"]["prompt_tokens"] == 12


async def test_one_batch_that_fails_fails_all_and_ends_the_others():
    closed = asyncio.Event()

    async def script(connection, received):
        if received.json["text"] == "bad":
            await connection.send(json_answer({"error": "no"}, status="429 Too Many"))
            return
        await connection.gone()
        closed.set()

    async with served(script, **ONE) as (url, _):
        assert (await refused(url, input=["good", "bad"]))[:2] == (429, "upstream_rate_limited")
        await asyncio.wait_for(closed.wait(), 2)


async def test_templates_speak_of_the_request_and_headers_are_the_backends():
    own = {
        "url": "{base}/v/{{ model }}/embed",
        "headers": {"x-user": "{{ user }}"},
        "query": {"size": "{{ dimensions }}"},
        "request": {"inputs": {"$for": "text in input", "$make": {"t": "{{ text }}"}}, "more": "{{ ext.more }}"},
        "response": {"vectors": "points[].v", "usage": {"prompt": "n"}},
    }

    async def script(connection, received):
        vectors = [{"v": numbers(each["t"])} for each in received.json["inputs"]]
        await connection.send(json_answer({"points": vectors, "n": 9}))

    async with listening(script) as upstream:
        own["url"] = own["url"].replace("{base}", upstream.url)
        more = {"headers": {"x-fixed": "1", "x-asked": "{{ ext.asked }}"}, "auth": {"kind": "bearer", "token": "tok"}}
        async with gateway(http(upstream.url, more, **own)) as url:
            _, _, answered = await embed(url, input=["a", "bc"], dimensions=3, user="ada", more=[1], asked="yes")
        [received] = upstream.requests
        assert received.head == "POST /v/m/embed?size=3 HTTP/1.1"
        assert received.json == {"inputs": [{"t": "a"}, {"t": "bc"}], "more": [1]}
        there = {name: received.headers.get(name) for name in ("x-user", "x-fixed", "x-asked", "authorization")}
    assert there == {"x-user": "ada", "x-fixed": "1", "x-asked": "yes", "authorization": "Bearer tok"}
    assert (told(answered), answered["usage"]["total_tokens"]) == ([numbers("a"), numbers("bc")], 9)


async def test_one_backend_chats_and_embeds_with_one_login():
    async def script(connection, received):
        assert received.headers["x-key"] == "k"
        await (points(connection, received) if "/embed" in received.head else connection.send(json_answer({"t": "Hi"})))

    async with listening(script) as upstream:
        config = http(upstream.url, {"auth": {"kind": "header", "name": "x-key", "value": "k"}})
        config["backends"]["b"] |= {"url": f"{upstream.url}/chat", "request": {"q": "{{ last_user }}"}}
        config["backends"]["b"]["response"] = {"text": "t"}
        async with gateway(config) as url:
            assert told((await embed(url))[2]) == [numbers("Hello")]
            status, _, body = await post(url, {"model": "m", "messages": [{"role": "user", "content": "Hello"}]})
    assert status == 200
    assert b'"Hi"' in body


async def test_what_only_embeds_does_not_chat():
    async with served() as (url, upstream):
        status, _, body = await post(url, {"model": "m", "messages": [{"role": "user", "content": "Hello"}]})
        assert not upstream.requests
    assert status == 422
    assert b"This model cannot chat: its backend, 'b', is not able to. Ask another model." in body


LONG = [[0.5] * 65_537]


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"points": [[1.0], [1.0]]}, "upstream_bad_response"),
        ({"points": []}, "upstream_bad_response"),
        ({"points": {"0": [1.0]}}, "upstream_bad_response"),
        ({"other": 1}, "upstream_bad_response"),
        ([1], "upstream_bad_response"),
        ({"points": [[]]}, "upstream_bad_response"),
        ({"points": [[1.0, None]]}, "upstream_bad_response"),
        ({"points": [[1.0, "2"]]}, "upstream_bad_response"),
        ({"points": [[1.0, True]]}, "upstream_bad_response"),
        ({"points": [[1e300]]}, "upstream_bad_response"),
        ({"points": ["%%%"]}, "upstream_bad_response"),
        ({"points": ["AAA="]}, "upstream_bad_response"),
        ({"points": ["AADAfw=="]}, "upstream_bad_response"),  # not a number, in base64
        ({"points": LONG}, "upstream_bad_response"),
        ({"trouble": "No!"}, "upstream_error"),
    ],
)
async def test_an_answer_that_makes_no_sense_is_a_failure(said, code):
    paths = {"vectors": "points", "error": "trouble"}
    async with served(always(json_answer(said)), response=paths) as (url, _):
        status, told_code, param, message = await refused(url)
    assert (status, told_code, param) == (502, code, None)
    assert "No!" not in message


@pytest.mark.parametrize(
    ("said", "status", "code"),
    [
        (answer(b'{"points": [[1', type="application/json"), 502, "upstream_bad_response"),
        (answer(b'{"points": [[NaN]]}'), 502, "upstream_bad_response"),
        (answer(b"\xff", type="text/html"), 502, "upstream_bad_response"),
        (json_answer({"points": [[0.5] * 3000]}), 502, "upstream_too_large"),
        (json_answer({}, status="401 No"), 502, "upstream_auth_error"),
        (json_answer({}, status="400 No"), 422, "upstream_rejected"),
        (json_answer({}, "retry-after: 7", status="503 No"), 503, "upstream_error"),
        (json_answer({}, status="302 No"), 502, "upstream_redirect_refused"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\n{", 502, "upstream_disconnected"),
    ],
)
async def test_a_backend_that_fails_is_told_of_as_everywhere(said, status, code):
    async def script(connection, received):
        await connection.send(said)
        connection.writer.close()

    async with served(script, backend={"max_answer": "10KiB"}) as (url, upstream):
        assert (await refused(url))[:2] == (status, code)
    async with gateway(http(upstream.url)) as url:  # nobody listens there any more
        assert (await refused(url))[:2] == (500, "upstream_connect_error")


async def test_what_the_backend_says_of_an_error_may_be_shown():
    paths = {"vectors": "points", "error": {"path": "trouble", "status": "code", "show": True}}
    said = json_answer({"trouble": "Too long a text.", "code": 413}, status="500 No")
    async with served(always(said), response=paths) as (url, _):
        status, code, _, message = await refused(url)
    assert (status, code) == (422, "upstream_rejected")
    assert message.startswith("Too long a text.")


@pytest.mark.parametrize(
    ("about", "problem"),
    [
        ({"respons": 1}, "embeddings.respons: is not a known key; did you mean 'response'?"),
        ({"response": {}}, "needs either `vectors`"),
        ({"response": {"vectors": "a", "vector": "b"}}, "needs either `vectors`"),
        ({"response": {"vectors": "a["}}, "is not a JMESPath"),
        ({"request": {"t": "{{ inputs }}"}}, "speaks of 'inputs', which is not defined; did you mean 'input'?"),
        ({"request": {"t": "{{ last_user }}"}}, "speaks of 'last_user'"),
        ({"request": {"t": "Hello"}}, "neither speaks of `input`"),
        ({"request": {"t": "{{ text }}"}, "batch": 5}, "leave `batch` out, or speak of `input`"),
        ({"response": {"vector": "a"}, "batch": 5}, "`response.vector` is one embedding"),
        ({"method": "GET"}, "a GET has no body"),
        ({"url": "https://elsewhere.example/x"}, "must be at the backend's own origin"),
        ({"batch": 0}, "greater than or equal to 1"),
        ({"parallel": 65}, "less than or equal to 64"),
    ],
)
def test_a_mapping_that_cannot_work_is_refused_at_the_start(about, problem):
    config = http("http://b.example", **about)
    config["backends"]["b"]["url"] = "http://b.example/chat"
    with pytest.raises(ConfigError) as error:
        Config.of(config)
    assert problem in str(error.value)


def test_a_backend_needs_something_that_it_can_do_and_a_place():
    with pytest.raises(ConfigError, match="needs `response`"):
        Config.of({"backends": {"b": {"kind": "http", "url": "http://b.example"}}, "models": {"m": "b"}})
    with pytest.raises(ConfigError, match="url: is missing"):
        Config.of({"backends": {"b": {"kind": "http", "response": {"text": "t"}}}, "models": {"m": "b"}})
    for ability in ("embeddings", "chat", "moderations"):
        for treatment in ("emulate", "ignore"):
            with pytest.raises(ConfigError, match=f"`{ability}: {treatment}` is not possible"):
                Config.of(http("http://b.example", backend={"abilities": {ability: treatment}}))


async def test_what_is_called_native_without_a_mapping_is_refused_when_it_is_asked():
    config = http("http://127.0.0.1:9", backend={"abilities": {"chat": "native"}})
    async with gateway(config) as url:
        status, _, body = await post(url, {"model": "m", "messages": [{"role": "user", "content": "Hello"}]})
    assert status == 422
    assert b"unsupported_model" in body


async def test_a_websocket_backend_embeds_by_http():
    async with listening(points) as upstream:
        config = http(upstream.url)
        config["backends"]["b"] |= {
            "url": upstream.url.replace("http", "ws"),
            "request": {"q": "{{ last_user }}"},
            "stream": {"framing": "websocket", "text": "t"},
        }
        async with gateway(config) as url:
            assert told((await embed(url))[2]) == [numbers("Hello")]
