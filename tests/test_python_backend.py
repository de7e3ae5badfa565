"""A Python function as a backend: what it takes, gives, raises, and how long it may take."""

import asyncio
import json
import socket
import ssl
import threading
import time

import openai
import pytest
import requests

from dragoman import Chunk, Config, ConfigError, Failure, Refused
from dragoman.errors import UpstreamRateLimited
from tests.serving import QUESTION, client, gateway, post

CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
SECRET = "s3cret-detail"


def config(function, **options):
    return {"backends": {"b": {"kind": "python", "target": function, **options}}, "models": {"m": "b"}}


async def asked(function, options=None, **more):
    """The completion that a function gives."""
    async with gateway(config(function, **(options or {}))) as url:
        return await client(url).chat.completions.create(**{**QUESTION, **more})


async def said(function, **more):
    return (await asked(function, **more)).choices[0].message.content


async def told(function, options=None, **more):
    """Status, headers and error of a function's failure."""
    async with gateway(config(function, **(options or {}))) as url:
        status, headers, body = await post(url, {**QUESTION, **more})
        return status, headers, json.loads(body)["error"]


async def streamed(function, options=None):
    """What a stream said before it broke, and the error's code."""
    async with gateway(config(function, **(options or {}))) as url:
        completions, texts = client(url).chat.completions, []

        async def heard():
            async for chunk in await completions.create(**QUESTION, stream=True):
                texts.append(chunk.choices[0].delta.content or "")  # noqa: PERF401

        with pytest.raises(openai.APIError) as caught:
            await heard()
        return "".join(texts), caught.value.code


def takes_nothing():
    return "m Hello"


def takes_all(call, messages, request):
    assert call.request is request
    assert request.messages is messages
    return f"{request.model} {messages[0]['content']}"


def takes_what_it_likes(*args, request, other="m", **kwargs):
    return f"{other} {request.messages[-1]['content']}"


class Method:
    def bound(self, messages):
        return f"m {messages[0]['content']}"

    async def __call__(self, messages):
        return self.bound(messages)


@pytest.mark.parametrize(
    "function",
    [takes_nothing, takes_all, takes_what_it_likes, Method().bound, Method()],
    ids=["nothing", "all", "defaults", "method", "object"],
)
async def test_a_function_takes_what_it_names(function):
    assert await said(function) == "m Hello"


def text(messages):
    return "Hi you"


async def async_text(messages):
    return "Hi you"


def generator(messages):
    yield "Hi"
    yield " you"


async def async_generator(messages):
    yield "Hi"
    yield " you"


def dicts(messages):
    yield {"role": "assistant", "content": "Hi"}
    yield {"content": [{"type": "text", "text": " you"}]}


def chunks(messages):
    return iter([Chunk(text="Hi"), Chunk(text=" you", finish="stop"), Chunk(text=" and more")])


async def mixed(messages):
    yield "Hi"
    yield {"content": " "}
    yield Chunk(text="you")
    yield {"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def late_generator(messages):
    return generator(messages)


async def late_async_generator(messages):
    return async_generator(messages)


def message(messages):
    return {"role": "assistant", "content": "Hi you"}


def one_chunk(messages):
    return Chunk(text="Hi you")


def completion(messages):
    choice = {"index": 0, "message": {"role": "assistant", "content": "Hi you"}, "finish_reason": "stop"}
    return {"id": "theirs", "object": "chat.completion", "created": 1, "model": "theirs", "choices": [choice]}


GIVING = [
    *(text, async_text, generator, async_generator, dicts, chunks, mixed, late_generator, late_async_generator),
    *(message, one_chunk, completion),
]


@pytest.mark.parametrize("function", GIVING, ids=lambda function: function.__name__)
async def test_whatever_shape_it_gives_the_answer_is_the_same(function):
    async with gateway(config(function)) as url:
        completions = client(url).chat.completions
        whole = (await completions.create(**QUESTION)).choices[0]
        stream = [chunk async for chunk in await completions.create(**QUESTION, stream=True)]
    assert (whole.message.content, whole.finish_reason) == ("Hi you", "stop")
    assert "".join(chunk.choices[0].delta.content or "" for chunk in stream) == "Hi you"
    assert [chunk.choices[0].finish_reason for chunk in stream][-1] == "stop"
    assert not any(chunk.choices[0].finish_reason for chunk in stream[:-1])


async def test_what_is_yielded_is_streamed_as_it_comes():
    async def function(messages):
        yield "first"
        await asyncio.wait_for(heard.wait(), 5)
        yield "second"

    heard = asyncio.Event()
    async with gateway(config(function)) as url:
        async for chunk in await client(url).chat.completions.create(**QUESTION, stream=True):
            if chunk.choices[0].delta.content == "first":
                heard.set()
    assert heard.is_set()


async def test_a_dict_says_tool_calls_usage_and_finish():
    def function():
        counts = {"prompt_tokens": 3, "completion_tokens": 4}
        return {"content": None, "tool_calls": [CALL], "usage": counts, "finish_reason": "tool_calls", "thinking": "hm"}

    completion = await asked(function)
    choice = completion.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert [call.model_dump(exclude_unset=True) for call in choice.message.tool_calls] == [CALL]
    assert choice.message.thinking == "hm"
    assert (completion.usage.prompt_tokens, completion.usage.total_tokens) == (3, 7)


async def test_a_whole_completion_passes_with_all_it_says():
    def function(request):
        choices = [
            {"index": place, "message": {"content": word}, "finish_reason": finish, "logprobs": {"content": []}}
            for place, (word, finish) in enumerate([("one", "stop"), ("two", "length")])
        ]
        usage = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "completion_tokens_details": {}}
        return {"id": "x", "model": "other", "choices": choices, "usage": usage, "system_fingerprint": "fp"}

    completion = await asked(function)
    assert [(c.message.content, c.finish_reason) for c in completion.choices] == [("one", "stop"), ("two", "length")]
    assert completion.choices[0].logprobs.content == []
    assert (completion.model, completion.system_fingerprint) == ("m", "fp")
    assert completion.usage.total_tokens == 3


@pytest.mark.parametrize("words", [{}, {"finish_reason": "length"}, {"finish_reason": "end_turn"}], ids=str)
async def test_the_finish_is_always_one_of_openais(words):
    completion = await asked(lambda: {"content": "x", **words})
    assert completion.choices[0].finish_reason == {"length": "length"}.get(words.get("finish_reason"), "stop")


@pytest.mark.parametrize("text", ["", " ", "\n", "\x00", "é" * 100_000], ids=["empty", "space", "break", "nul", "long"])
async def test_any_text_is_an_answer(text):
    assert await said(lambda: text) == text


ODD = [None, 7, b"bytes", ["a"], object(), {"choices": []}, {"choices": 3}]


@pytest.mark.parametrize("value", ODD, ids=lambda value: type(value).__name__)
async def test_what_is_no_answer_is_a_bad_response(value):
    status, _, error = await told(lambda: value)
    assert (status, error["code"]) == (502, "upstream_bad_response")


async def test_a_lone_surrogate_does_not_break_the_answer():
    assert await said(lambda: "a\ud800b") == "a\ufffdb"


async def test_sync_functions_do_not_wait_for_each_other():
    def function():
        meeting.wait(timeout=5)
        return threading.current_thread().name

    meeting = threading.Barrier(2)
    async with gateway(config(function)) as url:
        heard = await asyncio.gather(*(post(url, QUESTION) for _ in range(2)))
    names = [json.loads(body)["choices"][0]["message"]["content"] for _, _, body in heard]
    assert len(set(names)) == 2


@pytest.mark.parametrize("yields", [False, True], ids=["returning", "yielding"])
async def test_a_sync_function_does_not_block_the_server(yields):
    def returning():
        released.wait(5)
        return "done"

    def yielding():
        yield returning()

    released = threading.Event()
    async with gateway(config(yielding if yields else returning)) as url:
        slow = asyncio.create_task(post(url, QUESTION))
        await asyncio.sleep(0.05)
        assert await client(url).models.list()
        released.set()
        assert (await slow)[0] == 200


def leaking(error):
    def raising():
        raise error

    return raising


def wrapped(outer, inner):
    def raising():
        try:
            raise inner
        except Exception as caught:
            raise outer from caught

    return raising


def refused_by_requests():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    requests.get(f"http://127.0.0.1:{port}/{SECRET}", timeout=1)


def late_for_requests():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        requests.get(f"http://127.0.0.1:{silent.getsockname()[1]}/{SECRET}", timeout=0.05)


FAILING = {
    "value": (leaking(ValueError(SECRET)), 502, "upstream_error"),
    "key": (leaking(KeyError(SECRET)), 502, "upstream_error"),
    "own-file": (leaking(FileNotFoundError(2, SECRET)), 502, "upstream_error"),
    "os": (leaking(OSError(SECRET)), 500, "upstream_connect_error"),
    "refused": (leaking(ConnectionRefusedError(SECRET)), 500, "upstream_connect_error"),
    "requests": (refused_by_requests, 500, "upstream_connect_error"),
    "requests-alone": (leaking(requests.ConnectionError(SECRET)), 500, "upstream_connect_error"),
    "requests-timeout": (late_for_requests, 504, "upstream_timeout"),
    "requests-timeout-alone": (leaking(requests.Timeout(SECRET)), 504, "upstream_timeout"),
    "wrapped": (wrapped(RuntimeError(SECRET), ConnectionError(SECRET)), 500, "upstream_connect_error"),
    "name": (leaking(socket.gaierror(-2, SECRET)), 500, "upstream_dns_error"),
    "tls": (leaking(ssl.SSLError(1, SECRET)), 500, "upstream_tls_error"),
    "timeout": (leaking(TimeoutError(SECRET)), 504, "upstream_timeout"),
    "stop": (leaking(StopIteration(SECRET)), 502, "upstream_error"),
    "async-stop": (leaking(StopAsyncIteration(SECRET)), 502, "upstream_error"),
    "cancelled": (leaking(asyncio.CancelledError(SECRET)), 502, "upstream_error"),
    "exit": (leaking(SystemExit(SECRET)), 502, "upstream_error"),
}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("function", "status", "code"), FAILING.values(), ids=FAILING)
async def test_what_it_raises_is_told_by_kind_and_never_by_message(function, status, code, stream):
    got, headers, error = await asyncio.wait_for(told(function, stream=stream), 2)
    assert (got, error["code"], error["type"], error["param"]) == (status, code, "server_error", None)
    assert SECRET not in json.dumps(error)
    assert headers["x-request-id"] in error["message"]


@pytest.mark.parametrize("kind", ["sync", "async", "generator", "async generator"])
async def test_every_shape_of_function_may_fail(kind):
    async def coroutine():
        raise ValueError(SECRET)

    def generator():
        raise ValueError(SECRET)
        yield

    async def async_generator():
        raise ValueError(SECRET)
        yield

    made = {"async": coroutine, "generator": generator, "async generator": async_generator}
    status, _, error = await told(made.get(kind, leaking(ValueError(SECRET))))
    assert (status, error["code"]) == (502, "upstream_error")


async def test_errors_as_openai_has_them_are_502():
    async with gateway({**config(leaking(ConnectionError())), "errors": "openai"}) as url:
        assert (await post(url, QUESTION))[0] == 502


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (Refused("Not you."), 403, "refused"),
        (Refused("Not you.", code="mine", param="user"), 403, "mine"),
        (UpstreamRateLimited(headers={"retry-after": "3"}), 429, "upstream_rate_limited"),
        (Failure("Sorry."), 500, None),
    ],
    ids=["refused", "code", "rate", "failure"],
)
async def test_a_failure_passes_as_it_is(failure, status, code):
    got, headers, error = await told(leaking(failure))
    assert (got, error["code"], error["param"]) == (status, code, failure.param)
    assert error["message"].startswith(failure.message)
    assert failure.headers.items() <= headers.items()


async def test_a_stream_that_fails_midway_is_told_and_left_unfinished():
    async def function():
        yield "Hi"
        raise ValueError(SECRET)

    assert await streamed(function) == ("Hi", "upstream_error")


async def slow_to_begin():
    await asyncio.sleep(2)
    return "late"


async def slow_to_yield():
    await asyncio.sleep(2)
    yield "late"


def sync_and_slow():
    time.sleep(0.3)
    return "late"


def sync_slow_to_yield():
    time.sleep(0.3)
    yield "late"


@pytest.mark.parametrize(
    "function",
    [slow_to_begin, slow_to_yield, sync_and_slow, sync_slow_to_yield],
    ids=lambda function: function.__name__,
)
@pytest.mark.parametrize(
    ("timeout", "code"), [({"first": "50ms"}, "upstream_timeout"), ({"total": "50ms"}, "upstream_deadline")], ids=str
)
async def test_a_function_that_does_not_begin_in_time_is_a_504(function, timeout, code):
    status, headers, error = await told(function, {"timeout": timeout})
    assert (status, error["code"]) == (504, code)
    assert (headers.get("x-should-retry") == "false") is (code == "upstream_timeout")


async def silent_midway():
    yield "Hi"
    await asyncio.sleep(2)


def sync_silent_midway():
    yield "Hi"
    time.sleep(0.3)
    yield "late"


async def endless():
    while True:
        yield "."
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("function", "timeout", "code"),
    [
        (silent_midway, {"idle": "50ms"}, "upstream_idle_timeout"),
        (sync_silent_midway, {"idle": "50ms"}, "upstream_idle_timeout"),
        (endless, {"total": "100ms"}, "upstream_deadline"),
    ],
    ids=["idle", "sync-idle", "total"],
)
async def test_a_stream_that_stops_or_never_ends_is_ended(function, timeout, code):
    text, got = await streamed(function, {"timeout": timeout})
    assert got == code
    assert text


async def test_first_is_for_the_first_piece_only():
    async def function():
        for letter in "abc":
            yield letter
            await asyncio.sleep(0.08)

    assert (await asked(function, {"timeout": {"first": "50ms"}})).choices[0].message.content == "abc"


async def test_one_call_more_than_the_concurrency_is_busy():
    async def function():
        await asyncio.wait_for(released.wait(), 5)
        return "done"

    released = asyncio.Event()
    async with gateway(config(function, concurrency=2)) as url:
        open = [asyncio.create_task(post(url, QUESTION)) for _ in range(2)]
        await asyncio.sleep(0.1)
        status, headers, body = await post(url, QUESTION)
        released.set()
        assert [(await task)[0] for task in open] == [200, 200]
        assert (await post(url, QUESTION))[0] == 200
    assert (status, headers["retry-after"], json.loads(body)["error"]["code"]) == (503, "1", "upstream_busy")


async def test_what_is_opened_on_the_call_is_closed_after_it():
    async def function(call):
        call.open.callback(order.append, "closed")
        order.append("opened")
        yield "Hi"
        order.append("said")

    order = []
    await asked(function)
    assert order == ["opened", "said", "closed"]


@pytest.mark.parametrize("lazy", [generator, async_generator], ids=["sync", "async"])
async def test_a_generator_is_closed_when_its_time_is_over(lazy):
    async def asynchronous():
        try:
            yield "Hi"
            await asyncio.sleep(2)
        finally:
            closed.set()

    def synchronous():
        try:
            yield "Hi"
            time.sleep(0.1)
            yield "late"
        finally:
            closed.set()

    closed = threading.Event()
    function = synchronous if lazy is generator else asynchronous
    await streamed(function, {"timeout": {"idle": "50ms"}})
    assert await asyncio.to_thread(closed.wait, 2)


WRONG = {
    "no_such_module:f": "cannot be imported: No module named 'no_such_module'",
    "json:nothing": "cannot be imported: cannot import name 'nothing' from 'json'",
    "json:__doc__": "is not a function",
    "shutil:copyfile": "takes 'src', but a function may take request, messages, call",
    "": "cannot be imported",
}


@pytest.mark.parametrize("target", WRONG)
def test_a_wrong_target_is_found_when_the_configuration_is_read(target, tmp_path):
    file = tmp_path / "c.yaml"
    file.write_text(f"backends:\n  b:\n    kind: python\n    target: '{target}'\nmodels: {{m: b}}\n")
    with pytest.raises(ConfigError) as caught:
        Config.read(file)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"{file}:4: backends.b.target: ")
    assert WRONG[target] in line
