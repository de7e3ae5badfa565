"""Completions are told as OpenAI tells them, whatever chat model answers."""

import json

import pytest

from tests.completions.answering import folded, post, said, texts, whole
from tests.completions.place import place
from tests.serving import client, gateway, http_backend, openai_backend
from tests.upstream import LAST_CHUNK, always, chunked, json_answer, listening, sse, stream_head

USAGE = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def finishing(reason, **message):
    return lambda request: {"message": {"role": "assistant", "content": "x", **message}, "finish_reason": reason}


async def test_a_prompt_is_one_message_and_its_answer_a_text():
    async with place() as there:
        told = await there.complete("Hello")
        assert said(told) == [{"index": 0, "text": "HELLO", "logprobs": None, "finish_reason": "stop"}]
        assert (told["model"], told["usage"]) == ("m", USAGE)
        [asked] = there.asked
        assert asked["messages"] == [{"role": "user", "content": "Hello"}]
        assert (asked["max_tokens"], asked.get("prompt")) == (16, None)


async def test_without_a_prompt_a_text_is_begun():
    async with place() as there:
        _, _, body = await post(there.url, {"model": "m"})
        assert texts(whole(body)) == ["<|ENDOFTEXT|>"]
        assert texts(await there.complete(None)) == ["<|ENDOFTEXT|>"]


async def test_all_parameters_arrive_and_what_is_not_known_too():
    given = {
        "temperature": 0, "top_p": 0.5, "n": 1, "stop": ["a", "b"], "presence_penalty": 1, "frequency_penalty": -1.5,
        "logit_bias": {"50256": -100}, "seed": 7, "user": "alice", "max_tokens": 9, "top_k": 40,
    }  # fmt: skip
    unchecked = {"tools": "any", "messages": 7, "max_completion_tokens": "many", "response_format": []}
    async with place() as there:
        await there.complete("Hello", **given, **unchecked, suffix=None, echo=None, logprobs=None, best_of=None)
        [asked] = there.asked
        assert asked == {**given, "model": "m", "messages": [{"role": "user", "content": "Hello"}]}


async def test_several_prompts_are_asked_by_themselves_and_numbered_through():
    async with place() as there:
        told = await there.complete(["one", "two", "three"], n=2)
        assert texts(told) == ["ONE", "ONE", "TWO", "TWO", "THREE", "THREE"]
        assert [choice["index"] for choice in told["choices"]] == list(range(6))
        assert told["usage"] == {"prompt_tokens": 9, "completion_tokens": 6, "total_tokens": 15}
        assert sorted(each["messages"][0]["content"] for each in there.asked) == ["one", "three", "two"]
        events = await there.stream(["one", "two", "three"], n=2)
        assert folded(events) == said(told)


async def test_a_stream_tells_its_usage_where_it_is_asked_for():
    async with place() as there:
        events = await there.stream(["one", "two"], stream_options={"include_usage": True})
        assert events[-1]["usage"] == {"prompt_tokens": 6, "completion_tokens": 4, "total_tokens": 10}
        assert all("usage" not in event for event in await there.stream(["one", "two"]))


@pytest.mark.parametrize(
    ("reason", "told"),
    [("stop", "stop"), ("length", "length"), ("content_filter", "content_filter"), ("end_turn", "stop")],
)
async def test_an_answer_ends_for_one_of_three_reasons(reason, told):
    async with place(finishing(reason)) as there:
        assert (await there.complete("Hello"))["choices"][0]["finish_reason"] == told


async def test_tools_that_a_model_calls_unasked_are_left_out():
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    async with place(finishing("tool_calls", tool_calls=[call])) as there:
        choice = {"index": 0, "text": "x", "logprobs": None, "finish_reason": "stop"}
        assert said(await there.complete("Hello")) == [choice]
        assert folded(await there.stream("Hello")) == [choice]


async def test_words_of_refusal_are_text():
    async with place(finishing("stop", content=None, refusal="I would rather not.")) as there:
        assert texts(await there.complete("Hello")) == ["I would rather not."]
        assert folded(await there.stream("Hello"))[0]["text"] == "I would rather not."


@pytest.mark.parametrize("n", [1, 2])
async def test_an_echo_says_each_prompt_first(n):
    async with place() as there:
        told = await there.complete(["one", "two"], echo=True, n=n)
        assert texts(told) == ["oneONE"] * n + ["twoTWO"] * n
        assert folded(await there.stream(["one", "two"], echo=True, n=n)) == said(told)
        assert texts(await there.complete("one", echo=True, n=n)) == ["oneONE"] * n


async def test_before_a_suffix_a_model_is_told_to_fill_the_gap():
    async with place(finishing("stop")) as there:
        for suffix in (" the end.", None, ""):
            told = await there.complete("Once upon a time", suffix=suffix, echo=True)
            assert texts(told) == ["Once upon a timex"]
        [asked], *plain = [each["messages"] for each in there.asked]
        assert asked["role"] == "user"
        assert asked["content"].startswith("Write the text that belongs between the two texts below.")
        before, after = asked["content"].split("Once upon a time")
        assert before.endswith("The text before it:\n\n")
        assert after == "\n\nThe text after it:\n\n the end."
        assert [each["content"] for [each] in plain] == ["Once upon a time"] * 2


async def test_an_upstreams_own_facts_are_kept():
    async with place(lambda request: {"message": {"content": "x"}, "content_filter_results": {"hate": 1}}) as there:
        [choice] = (await there.complete("Hello"))["choices"]
        assert choice["content_filter_results"] == {"hate": 1}
        events = await there.stream("Hello")
        assert [event["choices"][0].get("content_filter_results") for event in events] == [{"hate": 1}, None]


async def test_the_fingerprint_of_a_stream_is_told():
    fields = {"object": "chat.completion.chunk", "id": "c", "created": 1, "model": "m", "system_fingerprint": "fp_1"}
    chunks = [{"index": 0, "delta": {"content": text}, "finish_reason": None} for text in ("", "a", "b")]
    last = {"index": 0, "delta": {}, "finish_reason": "stop"}
    said = sse(*({**fields, "choices": [each]} for each in (*chunks, last)), "[DONE]")
    script = always(stream_head() + chunked(*said) + LAST_CHUNK)
    async with listening(script) as upstream, gateway(openai_backend(upstream.url)) as url:
        _, _, body = await post(url, {"model": "m", "prompt": "Hello", "stream": True})
    assert body.count(b'"system_fingerprint":"fp_1"') == 1
    assert b'"text":"a"' in body


async def test_a_backend_without_abilities_completes_with_what_is_made_for_it():
    script = always(json_answer({"reply": "one two three STOP four"}))
    async with listening(script) as upstream, gateway(http_backend(upstream.url)) as url:
        ask = {"model": "m", "prompt": ["a", "b"], "n": 2, "stop": " STOP"}
        status, headers, body = await post(url, ask)
        assert (status, texts(whole(body))) == (200, ["one two three"] * 4)
        assert headers["x-dragoman-emulated"] == "max_tokens,n,stop,usage"
        _, _, body = await post(url, {"model": "m", "prompt": "a", "max_tokens": 1})
        assert whole(body)["choices"][0]["finish_reason"] == "length"


async def test_the_official_client_completes():
    async with place() as there, client(there.url) as sdk:
        told = await sdk.completions.create(model="m", prompt=["one", "two"], echo=True)
        assert [choice.text for choice in told.choices] == ["oneONE", "twoTWO"]
        assert told.usage.total_tokens == 10
        stream = await sdk.completions.create(
            model="m", prompt="one", stream=True, stream_options={"include_usage": True}
        )
        *events, last = [event async for event in stream]
        assert "".join(event.choices[0].text for event in events) == "ONE"
        assert (last.choices, last.usage.total_tokens) == ([], 5)


async def test_the_deployment_of_an_azure_path_is_the_model():
    async with place() as there:
        body = {"prompt": "Hello", "model": "another"}
        path = "/openai/deployments/m/completions?api-version=2024-10-21"
        status, _, told = await post(there.url, body, path, **{"api-key": "k"})
        assert (status, whole(told)["model"]) == (200, "m")


async def test_a_path_without_v1_leads_there_too():
    async with place() as there:
        status, _, told = await post(there.url, {"model": "m", "prompt": "Hello"}, "/completions")
        assert (status, texts(whole(told))) == (200, ["HELLO"])
        status, _, told = await post(there.url, b"[", "/completions")
        assert (status, json.loads(told)["error"]["code"]) == (422, "invalid_json")
