"""However the answers to several prompts come, each text is at its place, and a stream comes to what a whole is."""

import asyncio
import json
from contextlib import AsyncExitStack
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import Chunk
from dragoman.call import ANYONE, Call
from dragoman.errors import UpstreamBusy, UpstreamDisconnected
from dragoman.prompts.asking import AT_ONCE, prompted
from dragoman.surfaces.completions import Completions
from tests.completions.answering import folded, said, streamed, whole

PIECES = st.lists(st.text(max_size=3), max_size=4)
FINISHES = st.sampled_from(["stop", "length", "content_filter", "eos", "tool_calls"])
CHOICES = st.lists(st.tuples(PIECES, FINISHES), min_size=1, max_size=3)
"""What one prompt is answered with: the pieces of each choice, and how it ends."""


async def question(prompts, **more):
    body = json.dumps({"model": "m", "prompt": prompts, **more}).encode()
    return await Completions().asked(body, SimpleNamespace(model=None), ANYONE)


def place_of(call):
    return int(call.request.messages[0]["content"])


def says(answers, turns):
    """A handler that answers the prompt `2` with the third of the answers, piece by piece, after some turns each."""

    async def handler(call):
        choices = answers[place_of(call)]
        waiting = [(index, [*pieces]) for index, (pieces, _) in enumerate(choices)]
        while waiting:
            for _ in range(turns(place_of(call))):
                await asyncio.sleep(0)
            index, pieces = waiting.pop(0)
            if pieces:
                yield Chunk(pieces.pop(0), index=index)
                waiting.append((index, pieces))
            else:
                yield Chunk(index=index, finish=choices[index][1])
        yield Chunk(usage={"prompt_tokens": 1, "completion_tokens": 2})

    return handler


async def heard(handler, asked):
    """All that is said to a question, one prompt beside the other."""
    async with AsyncExitStack() as opened:
        return [chunk async for chunk in prompted(handler)(Call(asked.request, ANYONE, opened))]


def told(asked, chunks):
    """A stream's events."""
    stream = asked.streamed()
    return b"".join(map(stream.events, chunks)) + stream.ending()


def folding(asked, chunks):
    whole = asked.folded()
    for chunk in chunks:
        whole.add(chunk)
    return whole.json()


@given(st.data(), st.lists(CHOICES, min_size=1, max_size=12), st.booleans())
def test_every_text_is_at_its_place_whole_and_streamed(data, answers, echo):
    n = max(map(len, answers))
    answers = [(choices * n)[:n] for choices in answers]
    prompts = [str(place) for place in range(len(answers))]

    async def run():
        given = {"n": n, "echo": echo, "stream_options": {"include_usage": True}}
        asked = await question(prompts, **given)
        pauses = data.draw(st.lists(st.integers(0, 4), min_size=len(prompts), max_size=len(prompts)))
        chunks = await heard(says(answers, pauses.__getitem__), asked)
        events = streamed(told(asked, [Chunk(**fields(chunk)) for chunk in chunks]), True)
        return whole(folding(asked, chunks)), events

    completion, events = asyncio.run(run())
    texts = [
        (place if echo else "") + "".join(pieces)
        for place, choices in zip(prompts, answers, strict=True)
        for pieces, _ in choices
    ]
    assert [(choice["index"], choice["text"]) for choice in said(completion)] == list(enumerate(texts))
    assert folded(events) == said(completion)
    usage = {"prompt_tokens": len(prompts), "completion_tokens": 2 * len(prompts), "total_tokens": 3 * len(prompts)}
    assert completion["usage"] == events[-1]["usage"] == usage


def fields(chunk):
    return {name: getattr(chunk, name) for name in Chunk.__slots__}


async def test_no_more_than_so_many_are_asked_at_once_and_one_is_closed_before_the_next():
    open_now, most = 0, 0

    def left():
        nonlocal open_now
        open_now -= 1

    async def handler(call):
        nonlocal open_now, most
        call.open.callback(left)
        open_now += 1
        most = max(most, open_now)
        await asyncio.sleep(0.001)
        yield Chunk("x", finish="stop")

    asked = await question([str(place) for place in range(40)])
    chunks = await heard(handler, asked)
    assert len(whole(folding(asked, chunks))["choices"]) == 40
    assert (open_now, most) == (0, AT_ONCE)


async def test_one_that_fails_ends_the_others_and_whoever_waits_is_never_asked():
    begun, ended = [], []

    async def handler(call):
        begun.append(place_of(call))
        try:
            await asyncio.sleep(0 if place_of(call) == 3 else 60)
            raise UpstreamBusy()
            yield
        finally:
            ended.append(place_of(call))

    with pytest.raises(UpstreamBusy):
        await heard(handler, await question([str(place) for place in range(40)]))
    assert (sorted(begun)[:AT_ONCE], sorted(ended)) == (list(range(AT_ONCE)), sorted(begun))
    assert len(begun) <= AT_ONCE + 1


async def test_a_caller_who_leaves_ends_all():
    ended = []

    async def handler(call):
        call.open.callback(ended.append, place_of(call))
        yield Chunk("x")
        await asyncio.sleep(60)

    asked = await question(["0", "1", "2"])
    async with AsyncExitStack() as opened:
        async for _ in prompted(handler)(Call(asked.request, ANYONE, opened)):
            break
        await asyncio.sleep(0)
    assert sorted(ended) == [0, 1, 2]


@pytest.mark.parametrize("silent", ["0", "1"])
async def test_a_prompt_that_is_not_answered_is_no_complete_answer(silent):
    async def handler(call):
        if call.request.messages[0]["content"] != silent:
            yield Chunk("x", finish="stop")

    asked = await question(["0", "1"], n=2)
    chunks = await heard(handler, asked)
    for tell in (told, folding):
        with pytest.raises(UpstreamDisconnected):
            tell(asked, [Chunk(**fields(chunk)) for chunk in chunks])


async def test_an_answer_without_an_end_is_not_complete():
    asked = await question("0")
    for tell in (told, folding):
        with pytest.raises(UpstreamDisconnected):
            tell(asked, [Chunk("x")])


async def test_nothing_is_said_after_the_end():
    asked = await question("0")
    chunks = [Chunk("a"), Chunk("b", finish="stop"), Chunk("c"), Chunk(choice={"x": 1}), Chunk(finish="length")]
    events = streamed(told(asked, chunks))
    assert folded(events) == [{"index": 0, "text": "ab", "logprobs": None, "finish_reason": "stop"}]
