"""Several choices for a backend that gives one."""

import asyncio

import pytest

from dragoman import Chunk
from dragoman.emulation.choices import chosen
from dragoman.errors import InvalidRequest, UpstreamBusy, UpstreamConnectError
from tests.emulation.saying import Saying, call, chunks, heard

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "completion_tokens_details": {"reasoning_tokens": 1}}


def test_each_choice_is_a_call_of_its_own_and_usage_is_added_up():
    saying = Saying(["one"], ["two", Chunk(finish="length", usage=USAGE)], ["three", Chunk(usage=USAGE)])
    answer = heard(chosen(8)(saying), n=3)
    assert [choice["message"]["content"] for choice in answer["choices"]] == ["one", "two", "three"]
    assert [choice["finish_reason"] for choice in answer["choices"]] == ["stop", "length", "stop"]
    assert answer["usage"] == {
        "prompt_tokens": 10,
        "completion_tokens": 4,
        "total_tokens": 14,
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    assert [request.n for request in saying.asked] == [None] * 3
    assert saying.closed == 3


def test_a_seed_does_not_make_all_choices_the_same():
    saying = Saying(["x"])
    heard(chosen(8)(saying), n=3, seed=7)
    assert [request.seed for request in saying.asked] == [7, 8, 9]


async def test_choices_come_at_once_and_not_one_after_the_other():
    together = asyncio.Barrier(3)

    async def handler(call):
        await asyncio.wait_for(together.wait(), 5)
        for piece in "ab":
            yield Chunk(piece)
        yield Chunk(finish="stop")

    told = await chunks(chosen(8)(handler), call(n=3, stream=True))
    assert {chunk.index for chunk in told} == {0, 1, 2}


async def test_one_that_fails_fails_the_call_and_ends_the_others():
    ended = asyncio.Event()

    async def handler(call):
        if call.request.seed == 1:
            raise UpstreamBusy()
        try:
            await asyncio.sleep(60)
            yield Chunk(finish="stop")
        finally:
            ended.set()

    with pytest.raises(UpstreamBusy):
        await chunks(chosen(8)(handler), call(n=2, seed=0))
    await asyncio.wait_for(ended.wait(), 5)


async def test_a_failure_after_the_first_words_is_told_too():
    async def handler(call):
        yield Chunk("a")
        raise UpstreamConnectError()

    asked, told = call(n=2, stream=True), []
    with pytest.raises(UpstreamConnectError):
        async with asked.open:
            told.extend([chunk async for chunk in chosen(8)(handler)(asked)])


def test_more_than_the_limit_are_refused_by_name():
    with pytest.raises(InvalidRequest) as refused:
        heard(chosen(4)(Saying(["x"])), n=5)
    assert (refused.value.param, refused.value.code) == ("n", "integer_above_max_value")
    assert "<= 4" in refused.value.message


async def test_a_caller_who_is_slow_holds_the_choices_back():
    said = 0

    async def handler(call):
        nonlocal said
        for _ in range(1000):
            said += 1
            yield Chunk("a")
        yield Chunk(finish="stop")

    asked = call(n=2, stream=True)
    async with asked.open:
        told = chosen(8)(handler)(asked)
        await anext(told)
        for _ in range(500):
            await asyncio.sleep(0)
        assert said < 200
        await told.aclose()
