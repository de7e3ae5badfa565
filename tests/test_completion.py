"""Whatever chunks a backend gives, the completion keeps OpenAI's rules, and is the same whole and streamed."""

import json
from collections import Counter

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from dragoman import Chunk
from dragoman.completion import Folded, Streamed
from dragoman.errors import UpstreamDisconnected, UpstreamError

FINISHES = {"stop", "length", "tool_calls", "content_filter", "function_call"}
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=5)
WORDS = ["stop", "length", "tool_calls", "content_filter", "function_call", "STOP", "end_turn", "MAX_TOKENS", "eos", ""]


def optional(**fields):
    """Objects with some of the fields."""
    return st.fixed_dictionaries({}, optional=fields)


CALLS = st.lists(
    optional(
        index=st.integers(0, 2),
        id=st.sampled_from(["call_a", "call_b", ""]),
        type=st.just("function"),
        function=optional(name=st.sampled_from(["f", "g"]), arguments=st.sampled_from(["", '{"a"', ":1}", None])),
    ),
    max_size=2,
)
CHUNKS = st.lists(
    st.builds(
        Chunk,
        text=TEXT | st.just(""),
        index=st.integers(0, 1),
        finish=st.none() | st.none() | st.none() | st.sampled_from(WORDS),
        tool_calls=st.none() | CALLS,
        delta=st.none()
        | optional(reasoning_content=TEXT, refusal=TEXT, annotations=st.lists(st.just({"a": 1}), max_size=1)),
        choice=st.none() | optional(logprobs=st.just({"content": [{"token": "t"}], "refusal": None})),
        answer=st.none() | optional(service_tier=st.just("default"), citations=st.just(["x"])),
        usage=st.none() | st.none() | st.just({"prompt_tokens": 2, "completion_tokens": 3}),
    ),
    max_size=8,
)
ENDED = st.tuples(CHUNKS, st.booleans()).map(lambda given: [*given[0], *ending(given[0])])


def ending(chunks):
    """The finish of every choice that began."""
    return [Chunk(finish="stop", index=index) for index in sorted({0, *(chunk.index for chunk in chunks)})]


def whole(chunks):
    completion = Folded("id", 1, "m")
    for chunk in chunks:
        completion.add(chunk)
    return json.loads(completion.json())


def events(chunks, with_usage=False):
    """The events of a stream, without `[DONE]`."""
    completion = Streamed("id", 1, "m", with_usage)
    written = b"".join([*(completion.events(chunk) for chunk in chunks), completion.ending()]).decode()
    *datas, done, after = written.split("\n\n")
    assert (done, after) == ("data: [DONE]", "")
    assert all(data.startswith("data: ") for data in datas)
    return [json.loads(data.removeprefix("data: ")) for data in datas]


def copied(chunks):
    """The same chunks again, for they may be changed on their way."""
    return [
        Chunk(**{name: json.loads(json.dumps(getattr(chunk, name))) for name in Chunk.__slots__}) for chunk in chunks
    ]


def folded(stream):
    """Messages and finish reasons by choice, put together as an SDK does it."""
    choices = {}
    for choice in (choice for event in stream for choice in event["choices"]):
        message = choices.setdefault(choice["index"], {"calls": {}, "logprobs": 0})
        for key, value in choice["delta"].items():
            if key == "tool_calls":
                for call in value:
                    added(message["calls"].setdefault(call["index"], {}), call)
            elif value is not None:
                message[key] = message[key] + value if key in message else value
        message["logprobs"] += len((choice["logprobs"] or {}).get("content") or ())
        message["finish_reason"] = choice["finish_reason"] or message.get("finish_reason")
    return choices


def added(call, delta):
    function = call.setdefault("function", {"name": "", "arguments": ""})
    for key, value in delta.get("function", {}).items():
        function[key] += value
    call.update({key: value for key, value in delta.items() if key != "function"})


def told(completion):
    """What a whole completion says, in the shape of `folded`, ids of calls aside."""
    choices = {}
    for choice in completion["choices"]:
        message = {key: value for key, value in choice["message"].items() if value is not None}
        message["calls"] = [nameless(call) for call in message.pop("tool_calls", [])]
        message["logprobs"] = len((choice["logprobs"] or {}).get("content") or ())
        choices[choice["index"]] = {"content": "", **message, "finish_reason": choice["finish_reason"]}
    return choices


def nameless(call):
    assert call["id"]
    return {key: value for key, value in call.items() if key not in ("id", "index")}


TWICE = [
    {"index": 0, "function": {"name": "f", "arguments": "{"}},
    {"index": 0, "function": {"arguments": "}"}},
]


@given(ENDED)
@example([Chunk(tool_calls=TWICE), Chunk(finish="stop")])
@example([Chunk(text="a", tool_calls=TWICE, finish="length", index=1), Chunk(finish="stop")])
def test_a_stream_folds_to_the_whole_answer(chunks):
    streamed = folded(events(copied(chunks)))
    for message in streamed.values():
        message["calls"] = [nameless(call) for call in message["calls"].values()]
    empty = {"content": "", "refusal": ""}
    assert {index: {**empty, **message} for index, message in streamed.items()} == {
        index: {**empty, **message} for index, message in told(whole(chunks)).items()
    }


@given(ENDED)
@example([Chunk(finish="stop"), Chunk(text="late"), Chunk(finish="length")])
@example([Chunk(text="a", finish="stop"), Chunk(text="b", finish="stop")])
def test_each_choice_of_a_stream_begins_and_ends_once(chunks):
    by_choice = {}
    for event in events(chunks):
        assert (event["id"], event["created"], event["model"], event["object"]) == (
            "id",
            1,
            "m",
            "chat.completion.chunk",
        )
        (choice,) = event["choices"]
        by_choice.setdefault(choice["index"], []).append(choice)
    for choices in by_choice.values():
        roles = [choice["delta"].get("role") for choice in choices]
        finishes = [choice["finish_reason"] for choice in choices]
        assert roles == ["assistant", *[None] * (len(roles) - 1)]
        assert finishes[:-1] == [None] * (len(finishes) - 1)
        assert finishes[-1] in FINISHES
        assert choices[-1]["delta"] == {}
        assert not any(choice["delta"].get("content") == "" for choice in choices[1:])


@given(ENDED)
def test_a_tool_call_is_named_once_and_has_its_index_always(chunks):
    seen = Counter()
    for choice in (choice for event in events(chunks) for choice in event["choices"]):
        for call in choice["delta"].get("tool_calls", ()):
            place = choice["index"], call["index"]
            assert isinstance(call["index"], int)
            assert ({"id", "type"} <= call.keys() and bool(call["function"]["name"])) is (seen[place] == 0)
            assert seen[place] == 0 or "name" not in call.get("function", {})
            seen[place] += 1


@given(ENDED)
def test_calls_make_the_finish_and_the_finish_calls(chunks):
    for choice in whole(chunks)["choices"]:
        calls = choice["message"].get("tool_calls")
        assert calls != []
        assert choice["finish_reason"] in FINISHES
        assert choice["finish_reason"] != "tool_calls" or calls
        assert not calls or choice["finish_reason"] != "stop"
        assert all({"id", "type", "function"} == call.keys() for call in calls or ())


@given(ENDED, st.booleans())
def test_usage_comes_last_where_it_was_asked_for(chunks, asked):
    stream = events(chunks, asked)
    said = any(chunk.usage for chunk in chunks)
    assert all(("usage" in event) is asked for event in stream)
    assert [event["usage"] for event in stream if event.get("usage")] == (
        [{"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5}] if asked and said else []
    )
    assert not asked or not said or stream[-1]["choices"] == []
    assert [event for event in stream[:-1] if not event["choices"]] == []


@given(CHUNKS)
def test_an_answer_without_a_finish_is_never_taken_for_whole(chunks):
    began = {chunk.index for chunk in chunks}
    assume(began - {chunk.index for chunk in chunks if chunk.finish} or not chunks)
    assume(not chunks or any(chunk.text for chunk in chunks if chunk.index not in finished(chunks)))
    with pytest.raises(UpstreamDisconnected):
        whole(copied(chunks))
    with pytest.raises(UpstreamDisconnected):
        events(chunks)


def finished(chunks):
    return {chunk.index for chunk in chunks if chunk.finish}


@given(st.lists(TEXT), st.sampled_from([None, {"a": [1, {"b": None}]}, {}]), st.integers(1, 5))
def test_arguments_that_come_in_pieces_are_whole_in_the_end(texts, value, size):
    written = json.dumps(value)
    cut = [written[start : start + size] for start in range(0, len(written), size)]
    chunks = [Chunk(text=text) for text in texts]
    chunks += [Chunk(tool_calls=[{"index": 0, "id": "call_1", "function": {"name": "f"}}])]
    chunks += [Chunk(tool_calls=[{"index": 0, "id": "call_1", "function": {"arguments": piece}}]) for piece in cut]
    chunks += [Chunk(finish="tool_calls")]
    (call,) = whole(copied(chunks))["choices"][0]["message"]["tool_calls"]
    (streamed,) = folded(events(chunks))[0]["calls"].values()
    assert json.loads(call["function"]["arguments"]) == json.loads(streamed["function"]["arguments"]) == value
    assert call["id"] == streamed["id"] == "call_1"


@pytest.mark.parametrize(
    ("given_", "made"),
    [
        ([{"function": {"name": "f"}}], [("f", "{}")]),
        ([{"function": {"name": "f", "arguments": ""}}], [("f", "{}")]),
        ([{"function": {"name": "f", "arguments": None}}], [("f", "{}")]),
        ([{"function": {"name": "f", "arguments": {"a": 1}}}], [("f", '{"a":1}')]),
        ([{"function": {"name": "f", "arguments": {}}}], [("f", "{}")]),
        (
            [{"function": {"arguments": "{"}}, {"function": {"name": "f"}}, {"function": {"arguments": "}"}}],
            [("f", "{}")],
        ),
        ([{"id": "a", "function": {"name": "f"}}, {"id": "b", "function": {"name": "g"}}], [("f", "{}"), ("g", "{}")]),
        (
            [{"index": 1, "function": {"name": "f"}}, {"index": 0, "function": {"name": "g"}}],
            [("f", "{}"), ("g", "{}")],
        ),
        (
            [{"id": "a", "function": {"name": "f", "arguments": "{"}}, {"id": "a", "function": {"arguments": "}"}}],
            [("f", "{}")],
        ),
        (
            [
                call
                for id, name in (("a", "f"), ("b", "g"))
                for call in ({"id": id, "function": {"name": name}}, {"id": "", "function": {"arguments": f'["{id}"]'}})
            ],
            [("f", '["a"]'), ("g", '["b"]')],
        ),
        ([{"index": 3, "id": "a"}], []),
        ([{"function": None}], []),
    ],
    ids=str,
)
def test_tool_calls_of_all_makes_are_openais(given_, made):
    chunks = [*(Chunk(tool_calls=[call]) for call in given_), Chunk(finish="stop")]
    choice = whole(copied(chunks))["choices"][0]
    calls = choice["message"].get("tool_calls", [])
    streamed = folded(events(chunks))[0]["calls"].values()
    assert [(call["function"]["name"], call["function"]["arguments"]) for call in calls] == made
    assert [(call["function"]["name"], call["function"]["arguments"]) for call in streamed] == made
    assert choice["finish_reason"] == ("tool_calls" if made else "stop")
    assert (choice["message"]["content"] is None) is bool(made)


def test_a_custom_tool_call_keeps_its_input():
    opening = {"index": 0, "id": "call_1", "type": "custom", "custom": {"name": "f", "input": "a"}}
    chunks = [
        Chunk(tool_calls=[opening]),
        Chunk(tool_calls=[{"index": 0, "custom": {"input": "b"}}]),
        Chunk(finish="stop"),
    ]
    (call,) = whole(copied(chunks))["choices"][0]["message"]["tool_calls"]
    assert call == {"id": "call_1", "type": "custom", "custom": {"name": "f", "input": "ab"}}


@pytest.mark.parametrize(
    ("word", "finish"),
    [
        *(
            ("stop", "stop"),
            ("end_turn", "stop"),
            ("EOS", "stop"),
            ("whatever", "stop"),
            ("function_call", "function_call"),
        ),
        *(("MAX_TOKENS", "length"), ("length", "length"), ("SAFETY", "content_filter"), ("tool_use", "stop")),
    ],
)
def test_every_finish_is_one_of_openais(word, finish):
    assert whole([Chunk(text="x", finish=word)])["choices"][0]["finish_reason"] == finish


def test_an_error_is_no_finish():
    for made in (whole, events):
        with pytest.raises(UpstreamError):
            made([Chunk(text="x"), Chunk(finish="error")])


def test_what_a_backend_says_beside_its_answer_is_kept():
    chunks = [
        Chunk(text="a", delta={"reasoning_content": "h"}, answer={"system_fingerprint": "fp", "citations": [1]}),
        Chunk(delta={"reasoning_content": "m"}, choice={"logprobs": {"content": [1], "refusal": None}}),
        Chunk(text="b", choice={"logprobs": {"content": [2], "refusal": None}}),
        Chunk(finish="stop", usage={"prompt_tokens": 1, "completion_tokens": 1, "cost": 3}),
    ]
    completion, stream = whole(copied(chunks)), events(chunks, with_usage=True)
    (choice,) = completion["choices"]
    assert choice["message"] == {"role": "assistant", "content": "ab", "refusal": None, "reasoning_content": "hm"}
    assert choice["logprobs"] == {"content": [1, 2], "refusal": None}
    assert (completion["system_fingerprint"], completion["citations"]) == ("fp", [1])
    assert completion["usage"] == {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2, "cost": 3}
    assert {event["system_fingerprint"] for event in stream} == {"fp"}
    assert [event["citations"] for event in stream if "citations" in event] == [[1]]
    assert stream[-1]["usage"]["cost"] == 3


@pytest.mark.parametrize(
    ("usage", "told"),
    [
        ({"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 99}, (2, 3, 5)),
        ({"prompt_tokens": 2}, (2, 0, 2)),
        ({"completion_tokens": 3}, (0, 3, 3)),
        ({"prompt_tokens": None, "completion_tokens": 3}, (0, 3, 3)),
        ({"prompt_tokens": "2"}, None),
        ({"total_tokens": 5}, None),
        ({}, None),
        (None, None),
    ],
    ids=str,
)
def test_usage_is_three_numbers_that_add_up_or_none(usage, told):
    completion = whole([Chunk(text="x", finish="stop", usage=usage)])
    names = ("prompt_tokens", "completion_tokens", "total_tokens")
    assert (tuple(completion["usage"][name] for name in names) if "usage" in completion else None) == told


def test_nothing_of_ours_is_overwritten_by_what_a_backend_says():
    answer = {"id": "theirs", "object": "theirs", "created": 9, "model": "theirs", "choices": [], "usage": {}}
    chunks = [Chunk(text="x", answer=answer, choice={"finish_reason": "theirs"}), Chunk(finish="stop")]
    completion, stream = whole(copied(chunks)), events(chunks)
    for said in (completion, *stream):
        assert (said["id"], said["created"], said["model"]) == ("id", 1, "m")
        assert [choice["index"] for choice in said["choices"]] == [0]
        assert [choice["finish_reason"] in (None, "stop") for choice in said["choices"]] == [True]
