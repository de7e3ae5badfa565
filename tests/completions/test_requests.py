"""What cannot be asked is refused by its name, and nobody is asked in vain."""

import asyncio

import pytest

from tests.completions.answering import post
from tests.completions.place import place
from tests.serving import gateway, http_backend

INVALID = [
    ({"model": None}, "model", "invalid_type"),
    ({"prompt": 7}, "prompt", "invalid_type"),
    ({"prompt": {}}, "prompt", "invalid_type"),
    ({"prompt": []}, "prompt", "empty_array"),
    ({"prompt": [[]]}, "prompt[0]", "empty_array"),
    ({"prompt": [None]}, "prompt[0]", "invalid_type"),
    ({"prompt": ["a", 1]}, "prompt[1]", "invalid_type"),
    ({"prompt": [1, "a"]}, "prompt[1]", "invalid_type"),
    ({"prompt": [1, -1]}, "prompt[1]", "integer_below_min_value"),
    ({"prompt": [True]}, "prompt[0]", "invalid_type"),
    ({"prompt": [[1], [1.5]]}, "prompt[1][0]", "invalid_type"),
    ({"prompt": ["a"] * 129}, "prompt", "array_above_max_length"),
    ({"prompt": [[1]] * 129}, "prompt", "array_above_max_length"),
    ({"prompt": ["a"] * 128, "n": 9}, "n", "integer_above_max_value"),
    ({"n": 0}, "n", "integer_below_min_value"),
    ({"n": 129}, "n", "integer_above_max_value"),
    ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    ({"logprobs": 6}, "logprobs", "integer_above_max_value"),
    ({"logprobs": True}, "logprobs", "invalid_type"),
    ({"echo": "yes"}, "echo", "invalid_type"),
    ({"suffix": 7}, "suffix", "invalid_type"),
    ({"stop": ["a"] * 5}, "stop", "array_above_max_length"),
    ({"temperature": 3}, "temperature", "decimal_above_max_value"),
    ({"logit_bias": {"1": 101}}, "logit_bias.…", "integer_above_max_value"),
    ({"best_of": 2}, "best_of", "unsupported_parameter"),
    ({"best_of": 4, "n": 3}, "best_of", "unsupported_parameter"),
    ({"best_of": 0}, "best_of", "integer_below_min_value"),
    ({"prompt": [1, 2], "echo": True}, "echo", "unsupported_parameter"),
    ({"prompt": "a" * 140_000, "echo": True, "n": 128}, "echo", "string_above_max_length"),
    ({"prompt": ["a"] * 128, "suffix": "b" * 140_000}, "suffix", "string_above_max_length"),
]


@pytest.mark.parametrize("stream", [False, True])
async def test_what_is_wrong_is_named(stream):
    async with place() as there:
        for change, param, code in INVALID:
            status, error = await there.refused(**change, stream=stream)
            assert (status, error["param"], error["code"]) == (422, param, code), f"{change}"[:200]
            assert error["type"] == "invalid_request_error"
        assert there.asked == []


@pytest.mark.parametrize("given", [{"best_of": 1}, {"best_of": 2, "n": 2}, {"best_of": 1, "n": 2}, {"best_of": None}])
async def test_the_best_of_all_that_are_told_is_no_choice(given):
    async with place() as there:
        assert len((await there.complete("Hello", **given))["choices"]) == given.get("n", 1)
        assert "best_of" not in there.asked[0]


async def test_an_unknown_model_is_refused_as_for_chat():
    async with place() as there:
        for prompt in ("Hello", ["Hello", "you"]):
            status, error = await there.refused(model="nobody", prompt=prompt)
            assert (status, error["code"]) == (404, "model_not_found")


async def test_what_a_backend_cannot_do_is_refused_in_the_words_of_completions():
    async with gateway(http_backend("http://127.0.0.1:1")) as url:
        status, _, body = await post(url, {"model": "m", "prompt": ["a", "b"], "logprobs": 1})
    assert (status, b'"param":"logprobs"' in body) == (422, True)


async def test_a_prompt_that_fails_fails_all_with_what_it_failed_with():
    def says(request):
        content = request["messages"][0]["content"]
        return {"message": {"content": content}, "finish_reason": "error" if content == "bad" else "stop"}

    async with place(says) as there:
        status, error = await there.refused(prompt=["good", "bad", "good"])
        assert (status, error["code"]) == (502, "upstream_error")
        status, _, body = await post(there.url, {"model": "m", "prompt": ["good", "bad"], "stream": True})
        assert (status, b"[DONE]" in body) in ((200, False), (502, False))
        assert b'"upstream_error"' in body


async def test_the_time_that_a_caller_gives_is_for_all_prompts_together():
    async with place(timeout={"total": 30}) as there:
        script = there.upstream.script

        async def slow(connection, received):
            await asyncio.sleep(0.2)
            await script(connection, received)

        there.upstream.script = slow
        ask = {"model": "m", "prompt": ["a"] * 40}
        status, _, body = await post(there.url, ask, **{"x-dragoman-timeout": "0.5s"})
        assert (status, b'"deadline_exceeded"' in body) == (504, True)
        assert 8 <= len(there.asked) < 40
