"""The seed's way: `uvicorn main:app` in front of an external API."""

import asyncio
import json
import os
import re
import sys

import aiohttp
import pytest

from tests.contract.kinds import MAIN, seed
from tests.serving import client, post, served
from tests.upstream import always, answer, json_answer, listening

MODELS = (
    b'{"object":"list","data":[{"id":"mock-gpt-model","object":"model","created":0,"owned_by":"mock","permission":[]}]}'
)
ASKED = {"model": "mock-gpt-model", "messages": [{"role": "user", "content": "Hello"}]}
REPLIED = json_answer({"reply": "Hi"})


async def sent(**more):
    """What the external API was sent."""
    async with listening(always(REPLIED)) as external, served(seed(external.url)) as url:
        status, _, _ = await post(url, {**ASKED, **more})
        assert status == 200
        (received,) = external.requests
        assert received.headers["content-type"] == "application/json"
        return received.json


async def replied(*pieces):
    """Status, and the answer's text or the error's code."""
    async with listening(always(*pieces)) as external, served(seed(external.url)) as url:
        status, _, body = await post(url, ASKED)
        told = json.loads(body)
        return status, told["error"]["code"] if "error" in told else told["choices"][0]["message"]["content"]


@pytest.mark.parametrize("path", ["/models", "/v1/models"])
async def test_the_models_are_listed_as_specified(path):
    async with (
        served(seed("http://127.0.0.1:1")) as url,
        aiohttp.ClientSession() as session,
        session.get(url + path) as got,
    ):
        assert got.status == 200
        assert await got.read() == MODELS


async def test_the_external_api_is_sent_the_conversation():
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": None, "tool_calls": []},
        {"role": "user", "content": [{"type": "text", "text": "How"}, {"type": "text", "text": "are you?"}]},
        {"role": "assistant", "content": "Fine."},
    ]
    assert await sent(messages=messages) == {
        "model": "mock-gpt-model",
        "message": "How\nare you?",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hello"},
            {"role": "assistant", "content": ""},
            {"role": "user", "content": "How\nare you?"},
            {"role": "assistant", "content": "Fine."},
        ],
    }


@pytest.mark.parametrize(
    ("given", "passed"),
    [
        ({}, {}),
        ({"temperature": 0.5}, {"temperature": 0.5}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"temperature": None, "stop": None}, {}),
        ({"top_p": 0.9, "seed": 7}, {"top_p": 0.9, "seed": 7}),
        ({"presence_penalty": 1, "frequency_penalty": -1}, {"presence_penalty": 1, "frequency_penalty": -1}),
        ({"stop": ["a", "b"]}, {"stop": ["a", "b"]}),
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 6}, {"max_tokens": 6}),
        ({"max_completion_tokens": 6, "max_tokens": 5}, {"max_tokens": 6}),
        ({"stream": True, "user": "u", "top_k": 5}, {}),
    ],
    ids=str,
)
async def test_the_sampling_parameters_that_were_given_are_passed(given, passed):
    payload = await sent(**given)
    assert {key: payload[key] for key in payload if key not in ("model", "message", "messages")} == passed


@pytest.mark.parametrize(
    ("said", "text"),
    [
        *(({key: "Hi"}, "Hi") for key in ("reply", "response", "message", "answer", "content", "text", "output")),
        ({"output": "last", "reply": "first"}, "first"),
        ({"message": {"role": "assistant"}, "text": "Hi"}, "Hi"),
        ({"reply": None, "answer": "Hi"}, "Hi"),
        ({"reply": ""}, ""),
        ("Hi", "Hi"),
    ],
    ids=str,
)
async def test_the_reply_is_the_first_text_that_is_found(said, text):
    assert await replied(json_answer(said)) == (200, text)


@pytest.mark.parametrize(
    ("body", "type", "result"),
    [
        ("Grüß dich".encode(), "text/plain; charset=utf-8", (200, "Grüß dich")),
        (b'{"reply": "Hi"}', "text/plain", (200, "Hi")),
        (b'{"reply": "Hi"}', "application/problem+json", (200, "Hi")),
        (b"<html>Login</html>", "text/html", (502, "upstream_bad_content_type")),
        (b'{"reply": ', "application/json", (502, "upstream_bad_response")),
        (b'{"id": 1}', "application/json", (502, "upstream_bad_response")),
        (b"[]", "application/json", (502, "upstream_bad_response")),
    ],
    ids=str,
)
async def test_the_reply_is_read_by_its_type(body, type, result):
    assert await replied(answer(body, type=type)) == result


@pytest.mark.parametrize(
    ("status", "result"),
    [
        ("500 Oops", (502, "upstream_error")),
        ("401 Who", (502, "upstream_auth_error")),
        ("429 Slow", (429, "upstream_rate_limited")),
        ("400 No", (422, "upstream_rejected")),
        ("302 There", (502, "upstream_redirect_refused")),
    ],
)
async def test_a_status_that_is_no_success_is_told_apart(status, result):
    assert await replied(json_answer({"reply": "secret"}, status=status)) == result


async def test_an_invalid_payload_is_422_and_an_api_that_is_not_there_500():
    async with served(seed("http://127.0.0.1:1")) as url:
        invalid = await post(url, {"model": "mock-gpt-model"})
        unreachable = await post(url, ASKED)
    assert (invalid[0], json.loads(invalid[2])["error"]["param"]) == (422, "messages")
    assert (unreachable[0], json.loads(unreachable[2])["error"]["code"]) == (500, "upstream_connect_error")


async def test_uvicorn_serves_it_and_raw_requests_are_logged():
    async with listening(always(REPLIED)) as external:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "uvicorn", "main:app", "--host", "127.0.0.1", "--port", "0"),
            cwd=MAIN.parent,
            env={**os.environ, "EXTERNAL_CHAT_URL": external.url},
            stderr=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
        )
        lines = []
        async with asyncio.timeout(20):
            while not (lines and "running on" in lines[-1]):
                lines.append((await process.stderr.readline()).decode())
                assert lines[-1], "".join(lines)
        url = re.search(r"http://127\.0\.0\.1:\d+", lines[-1])[0]
        completion = await client(url).chat.completions.create(**ASKED)
        process.terminate()
        _, rest = await process.communicate()
    assert completion.choices[0].message.content == "Hi"
    (logged,) = [json.loads(line) for line in rest.decode().splitlines() if '"event": "request"' in line]
    assert logged["headers"]["authorization"] == "(hidden)"
    assert json.loads(logged["body"])["messages"] == ASKED["messages"]
    assert b"sk-test" not in rest
