"""Upstreams that nearly speak as OpenAI does: their words are put right, and what cannot be is refused."""

import json
from typing import Any

import pytest

from tests.faults import (
    EVENTS,
    FOLDED,
    OPENAI,
    OPENAI_SSE,
    RAW,
    Way,
    answered,
    assert_nothing_leaks,
    delta,
    heard,
    saying,
    taking,
)
from tests.upstream import answer, json_answer, sse

FINISHES = {
    "stop": "stop",
    "STOP": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "eos": "stop",
    "length": "length",
    "max_tokens": "length",
    "MAX_TOKENS": "length",
    "SAFETY": "content_filter",
    "content_filter": "content_filter",
    "tool_calls": "stop",
    "tool_use": "stop",
}


@pytest.mark.parametrize("word", FINISHES)
async def test_a_finish_reason_in_foreign_words_is_told_in_those_of_openai(word: str):
    at = taking(lambda way: [answer(way.body("Hello").replace(b'"stop"', json.dumps(word).encode()), type=way.type)])
    for told in await heard(at, (*EVENTS, *FOLDED, OPENAI)):
        assert (told.way.name, *answered(told)) == (told.way.name, "Hello", FINISHES[word])


SILENT_CHUNKS: dict[str, list[Any]] = {
    "no-choices-first": [{"choices": [], "prompt_filter_results": [{"prompt_index": 0}]}],
    "choices-are-null": [{"choices": None}],
    "no-choices-at-all": [{"object": "ping"}],
    "no-delta": [{"choices": [{"index": 0}]}],
    "delta-is-null": [{"choices": [{"index": 0, "delta": None, "finish_reason": None}]}],
    "no-index": [{"choices": [{"delta": {"role": "assistant"}}]}],
    "empty-finish": [delta("", finish="")],
    "content-is-null": [delta(role="assistant", content=None)],
    "role-in-every-chunk": [delta("", role="assistant"), delta("", role="assistant")],
    "usage-in-every-chunk": [{**delta(""), "usage": {"prompt_tokens": 1, "completion_tokens": 1}}],
    "usage-of-another-shape": [{**delta(""), "usage": [RAW]}],
}


@pytest.mark.parametrize("first", SILENT_CHUNKS.values(), ids=SILENT_CHUNKS)
async def test_a_chunk_that_says_nothing_changes_nothing(first: list[Any]):
    at = saying(answer(b"".join(sse(*first)) + OPENAI_SSE.body("Hello"), type=OPENAI_SSE.type))
    [told] = await heard(at, [OPENAI_SSE])
    assert answered(told) == ("Hello", "stop")
    deltas = [choice["delta"] for chunk in told.chunks for choice in chunk["choices"]]
    assert [delta["role"] for delta in deltas if "role" in delta] == ["assistant"]
    assert_nothing_leaks(told)


def saying_so(said: Any) -> dict[str, Any]:
    """One choice that says this, in a stream or not."""
    return {"choices": [{"index": 0, "delta": said, "message": said, "finish_reason": "stop"}]}


NO_CHOICES: dict[str, Any] = {"number": 5, "text": RAW, "texts": [RAW], "object": {"0": RAW}}


@pytest.mark.parametrize("way", [OPENAI, OPENAI_SSE], ids=str)
@pytest.mark.parametrize("choices", NO_CHOICES.values(), ids=NO_CHOICES)
async def test_choices_that_are_none_are_the_fault_of_the_upstream(choices: Any, way: Way):
    [told] = await heard(taking(lambda way: [answer(way.framed({"choices": choices}), type=way.type)]), [way])
    assert (told.status, json.loads(told.body)["error"]["code"][:13]) == (502, "upstream_bad_")
    assert_nothing_leaks(told)


NO_MESSAGE: dict[str, Any] = {
    "text": RAW,
    "list": [RAW],
    "content-is-an-object": {"content": {"0": RAW}},
    "calls-are-a-text": {"tool_calls": RAW},
    "calls-are-texts": {"tool_calls": [RAW]},
    "function-is-a-text": {"tool_calls": [{"function": RAW}]},
}


@pytest.mark.parametrize("way", [OPENAI, OPENAI_SSE], ids=str)
@pytest.mark.parametrize("said", NO_MESSAGE.values(), ids=NO_MESSAGE)
async def test_a_message_that_is_none_is_the_fault_of_the_upstream(said: Any, way: Way):
    [told] = await heard(taking(lambda way: [answer(way.framed(saying_so(said)), type=way.type)]), [way])
    assert told.status == 502 or b"<unfinished>" in told.body
    assert b'"code":"upstream_bad_' in told.body
    assert_nothing_leaks(told)


@pytest.mark.parametrize("way", [OPENAI, OPENAI_SSE], ids=str)
async def test_a_tool_call_without_a_name_is_none(way: Way):
    said = {"tool_calls": [{"id": "a", "function": {"arguments": ""}}]}
    [told] = await heard(taking(lambda way: [answer(way.framed(saying_so(said)), type=way.type)]), [way])
    text, finish = answered(told)
    assert (text or "", finish) == ("", "stop")
    assert b"tool_calls" not in told.body


# Tool calls


def called(*calls: dict[str, Any]) -> dict[str, Any]:
    return delta(tool_calls=list(calls))


def function(**said: Any) -> dict[str, Any]:
    return {"function": said}


ONE = [("f", '{"x":1}')]

CALLS: dict[str, tuple[list[Any], list[tuple[str, str]]]] = {
    "no-index": (
        [
            called({"id": "a", **function(name="f", arguments="")}),
            called(function(arguments='{"x"')),
            called(function(arguments=":1}")),
        ],
        ONE,
    ),
    "two-without-index": (
        [
            called({"id": "a", **function(name="f", arguments='{"x":1}')}),
            called({"id": "b", **function(name="g", arguments="{")}),
            called(function(arguments="}")),
        ],
        [*ONE, ("g", "{}")],
    ),
    "repeated-name": (
        [
            called({"index": 0, "id": "a", "type": "function", **function(name="f", arguments='{"x"')}),
            called({"index": 0, "id": "a", "type": "function", **function(name="f", arguments=":1}")}),
        ],
        ONE,
    ),
    "empty-arguments": ([called({"index": 0, "id": "a", **function(name="f", arguments="")})], [("f", "{}")]),
    "no-arguments": ([called({"index": 0, "id": "a", **function(name="f")})], [("f", "{}")]),
    "arguments-as-an-object": ([called({"index": 0, "id": "a", **function(name="f", arguments={"x": 1})})], ONE),
    "no-id": ([called({"index": 0, **function(name="f", arguments='{"x":1}')})], ONE),
    "late-name": (
        [called({"index": 0, "id": "a"}), called({"index": 0, **function(name="f", arguments='{"x":1}')})],
        ONE,
    ),
}


@pytest.mark.parametrize(("chunks", "expected"), CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("word", ["stop", "tool_calls"])
async def test_tool_calls_are_told_as_openai_tells_them(chunks: list[Any], expected: list[tuple[str, str]], word: str):
    events = sse(*chunks, delta(finish=word), "[DONE]")
    [told] = await heard(saying(answer(b"".join(events), type=OPENAI_SSE.type)), [OPENAI_SSE])
    assert answered(told) == ("", "tool_calls")
    deltas = [call for chunk in told.chunks for call in chunk["choices"][0]["delta"].get("tool_calls", ())]
    calls = [[call for call in deltas if call["index"] == index] for index in range(len(expected))]
    assert sum(map(len, calls)) == len(deltas)
    assert [(joined(call, "name"), joined(call, "arguments")) for call in calls] == expected
    for first, *more in calls:
        assert (first["type"], bool(first["id"])) == ("function", True)
        assert not [one for one in more if {"id", "type"} & one.keys()]


def joined(deltas: list[dict[str, Any]], key: str) -> str:
    return "".join(one["function"].get(key, "") for one in deltas)


WHOLE_ARGUMENTS = [("", "{}"), (None, "{}"), ({"x": 1}, '{"x":1}'), ('{"x":1}', '{"x":1}')]


@pytest.mark.parametrize(("arguments", "expected"), WHOLE_ARGUMENTS)
async def test_a_whole_answer_with_calls_finishes_with_tool_calls(arguments: Any, expected: str):
    said = {"role": "assistant", "content": None, "tool_calls": [function(name="f", arguments=arguments)]}
    [told] = await heard(saying(json_answer(saying_so(said))), [OPENAI])
    assert answered(told) == (None, "tool_calls")
    [call] = json.loads(told.body)["choices"][0]["message"]["tool_calls"]
    assert (call["type"], call["function"]) == ("function", {"name": "f", "arguments": expected})
    assert call["id"]
