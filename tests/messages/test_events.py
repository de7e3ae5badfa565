"""Whatever a backend says, its events are a valid stream, and fold to the very message that is told whole."""

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dragoman import Chunk
from dragoman.errors import UpstreamBadEvent, UpstreamBadResponse, UpstreamDisconnected
from dragoman.messages.asking import chat, prefill
from dragoman.messages.events import Events
from dragoman.messages.whole import Whole
from dragoman.reading import request_in
from dragoman.wire.messages import MessagesRequest
from tests.messages import answering
from tests.messages.asking import HELLO, asked

TEXTS = st.text('ab {\n"\u2028é👩', max_size=6)
OBJECTS = st.dictionaries(st.text("ab", max_size=2), st.integers(-99, 2**53) | TEXTS, max_size=3).map(json.dumps)
USAGE = st.fixed_dictionaries(
    {"prompt_tokens": st.integers(0, 99), "completion_tokens": st.integers(0, 99)},
    optional={
        "prompt_tokens_details": st.fixed_dictionaries({"cached_tokens": st.integers(0, 9)}),
        "completion_tokens_details": st.fixed_dictionaries({"reasoning_tokens": st.integers(0, 9)}),
    },
)
FINISHES = st.sampled_from(["stop", "length", "tool_calls", "content_filter", "end_turn", "whatever"])


def call(index: int, arguments: str, name: str | None = None) -> Chunk:
    opening = {"id": f"call_{index}", "type": "function"} if name else {}
    function = {"arguments": arguments, **({"name": name} if name else {})}
    return Chunk(tool_calls=[{"index": index, **opening, "function": function}])


@st.composite
def called(draw: st.DrawFn, index: int) -> list[Chunk]:
    """A call that comes in pieces; with none of its arguments, it has no parameters."""
    text = draw(OBJECTS | st.just(""))
    cuts = sorted(draw(st.lists(st.integers(0, len(text)), max_size=3)))
    pieces = [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    return [call(index, pieces[0], "f"), *(call(index, piece) for piece in pieces[1:])]


@st.composite
def shuffled(draw: st.DrawFn) -> list[Chunk]:
    """What a backend says, in any order that leaves each call's own pieces in theirs, and then its end."""
    lanes = [
        [Chunk(text) for text in draw(st.lists(TEXTS, max_size=4))],
        [Chunk(delta={"reasoning_content": text}) for text in draw(st.lists(TEXTS, max_size=3))],
        [Chunk(delta={"refusal": text}) for text in draw(st.lists(TEXTS, max_size=1))],
        *(draw(called(index)) for index in range(draw(st.integers(0, 3)))),
    ]
    said: list[Chunk] = []
    while waiting := [lane for lane in lanes if lane]:
        said.append(draw(st.sampled_from(waiting)).pop(0))
    end = Chunk(finish=draw(FINISHES), usage=draw(st.none() | USAGE))
    beside = draw(st.lists(st.sampled_from([Chunk(index=1, text="other"), Chunk(choice={"logprobs": {}}), Chunk()])))
    return [*beside, *said, end, *draw(st.lists(st.just(Chunk("late"))))]


def told(chunks: list[Chunk], begun: str = "", **more: Any) -> tuple[dict[str, Any], list[dict[str, Any]], bytes]:
    """The message that chunks are whole, and the events that they are."""
    messages = [*HELLO, *([{"role": "assistant", "content": begun}] if begun else [])]
    request = request_in(json.dumps(asked(messages=messages, **more)).encode(), MessagesRequest)
    whole = Whole("msg_1", chat(request), prefill(request))
    events = Events("msg_1", chat(request), prefill(request))
    body = b""
    for chunk in chunks:
        whole.add(replace(chunk))
        body += events.events(replace(chunk))
    body += events.ending()
    return answering.whole(whole.json()), answering.streamed(body), body


@given(shuffled())
@example([call(0, "", "f"), call(1, "", "f"), call(1, "{}"), call(0, '{"a": 1}'), Chunk(finish="stop")])
@example([call(0, '{"a": "', "f"), Chunk("text"), call(0, '"}'), Chunk(finish="stop")])
@example([Chunk(index=1, text="other"), Chunk("a"), Chunk(index=1, text="other"), Chunk(finish="stop")])
def test_a_stream_folds_to_the_whole(chunks):
    whole, events, _ = told(chunks)
    assert answering.said(answering.folded(events)) == answering.said(whole)


@given(shuffled(), st.text('ab {"', min_size=1, max_size=3))
def test_it_does_so_where_the_caller_has_begun_it(chunks, begun):
    whole, events, _ = told(chunks, begun)
    assert answering.said(answering.folded(events)) == answering.said(whole)
    plain, _, _ = told(chunks)
    texts = [answering.said(message)["text"] for message in (whole, plain)]
    assert texts[0] in (texts[1], texts[1].replace(begun, "", 1))


@given(st.lists(TEXTS, max_size=5), st.text('ab {"', min_size=1, max_size=3))
def test_only_a_repetition_of_what_was_begun_is_left_out(pieces, begun):
    text = "".join(pieces)
    _, events, _ = told([*map(Chunk, pieces), Chunk(finish="stop")], begun)
    assert answering.said(answering.folded(events))["text"] == text.removeprefix(begun)


@given(shuffled())
def test_texts_are_told_as_soon_as_they_may(chunks):
    """Nothing of a text waits, unless a call is told that is not complete."""
    request = request_in(json.dumps(asked()).encode(), MessagesRequest)
    events = Events("msg_1", chat(request), "")
    calling = False
    for chunk in chunks:
        came = events.events(replace(chunk))
        calling = calling or bool(chunk.tool_calls)
        if chunk.finish:
            break
        if chunk.text and not calling and not chunk.index:
            assert json.dumps(chunk.text, ensure_ascii=False).encode() in came


JUNK = st.recursive(st.none() | st.integers() | TEXTS, lambda inner: st.lists(inner, max_size=2), max_leaves=3)


@st.composite
def junk(draw: st.DrawFn) -> Iterator[Chunk]:
    call = st.fixed_dictionaries(
        {},
        optional={
            "index": st.integers(-1, 2) | st.none(),
            "id": TEXTS | st.none(),
            "type": st.sampled_from(["function", "custom", None]),
            "function": st.fixed_dictionaries({}, optional={"name": TEXTS, "arguments": OBJECTS | TEXTS | st.none()}),
            "custom": st.fixed_dictionaries({}, optional={"name": TEXTS, "input": TEXTS}),
        },
    )
    return Chunk(
        draw(TEXTS),
        draw(st.none() | FINISHES),
        draw(st.sampled_from([0, 0, 0, 1])),
        draw(st.none() | st.lists(call, max_size=2)),
        draw(st.none() | USAGE | st.dictionaries(TEXTS, JUNK, max_size=2)),
        draw(st.none() | st.fixed_dictionaries({}, optional={"reasoning": JUNK, "refusal": TEXTS, "x": JUNK})),
        draw(st.none() | st.dictionaries(st.sampled_from(["stop_reason", "x"]), JUNK)),
    )


@settings(max_examples=200)
@given(st.lists(junk(), max_size=6))
def test_nothing_else_than_a_stream_or_a_failure_comes_of_anything(chunks):
    with suppress(UpstreamBadEvent, UpstreamBadResponse, UpstreamDisconnected):
        told([*chunks, Chunk(finish="length")])


def test_a_stream_without_an_end_is_not_whole():
    request = request_in(json.dumps(asked()).encode(), MessagesRequest)
    for chunks in ([], [Chunk("Hi")], [call(0, '{"a"', "f")]):
        events = Events("msg_1", chat(request), "")
        for chunk in chunks:
            events.events(chunk)
        with pytest.raises(UpstreamDisconnected):
            events.ending()
