"""Whatever a backend says, its events are in order, and tell what the whole answer tells."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import Chunk
from dragoman.errors import TooManyRequests, Unable, UpstreamDisconnected
from dragoman.ids import unique
from dragoman.responses.answer import Folded, Frame, Streamed
from dragoman.responses.tools import Offered
from dragoman.wire.responses import ResponseRequest
from tests.responses.answering import events, said, streamed, whole

NAMESPACE = {
    "type": "namespace",
    "name": "sea",
    "description": "At sea.",
    "tools": [{"type": "function", "name": "dive"}],
}
REQUEST = ResponseRequest(input="Hello", tools=[NAMESPACE])
OFFERED = Offered(REQUEST.tools)
WORDS = st.sampled_from(["", "a", " b", "\n", "é", "👨‍👩‍👧", '"', "\\", "\u2028", "word "])
LOGPROBS = {"content": [{"token": "a", "logprob": -0.5, "bytes": None, "top_logprobs": []}], "refusal": None}


def frame():
    return Frame(unique("resp_"), "m", REQUEST, True)


def told(chunks):
    """The events of chunks, as bytes."""
    stream = Streamed(frame(), OFFERED)
    return b"".join([*map(stream.events, chunks), stream.ending()])


def answered(chunks):
    """The whole answer, as bytes."""
    answer = Folded(frame(), OFFERED)
    for chunk in chunks:
        answer.add(chunk)
    return answer.json()


def call(index, text, name=None, custom=False):
    kind, field = ("custom", "input") if custom else ("function", "arguments")
    opening = {"id": f"call_{index}", "type": kind} if name else {}
    return Chunk(tool_calls=[{"index": index, **opening, kind: {**({"name": name} if name else {}), field: text}}])


@st.composite
def calls(draw):
    """The chunks of some calls, told one after the other or all at once."""
    told = []
    for index in range(draw(st.integers(0, 3))):
        custom = draw(st.booleans())
        pieces = draw(st.lists(WORDS, max_size=4)) if custom else ['{"a"', ":", "1}"][: draw(st.sampled_from([0, 3]))]
        first = call(index, "", draw(st.sampled_from(["f", "sea__dive"])), custom)
        told.append([first, *(call(index, piece, custom=custom) for piece in pieces)])
    if draw(st.booleans()):
        return [chunk for each in told for chunk in each]
    longest = max(map(len, told), default=0)
    return [each[step] for step in range(longest) for each in told if step < len(each)]


OTHERS = st.one_of(
    WORDS.map(Chunk),
    WORDS.map(lambda text: Chunk(delta={"reasoning_content": text})),
    WORDS.map(lambda text: Chunk(text, delta={"reasoning": "hm"})),
    WORDS.map(lambda text: Chunk(delta={"refusal": text})),
    st.just(Chunk("a", choice={"logprobs": LOGPROBS})),
    st.just(Chunk("of another choice", index=1)),
    st.just(Chunk(delta={"annotations": [{"type": "url_citation", "url_citation": {"url": "https://a.example"}}]})),
    st.just(Chunk(answer={"service_tier": "flex"})),
    st.just(Chunk(usage={"prompt_tokens": 3, "completion_tokens": 4})),
)


@st.composite
def answers(draw):
    """The chunks of an answer: calls between what else is said."""
    said = draw(calls())
    for chunk in draw(st.lists(OTHERS, max_size=12)):
        said.insert(draw(st.integers(0, len(said))), chunk)
    finish = Chunk(finish=draw(st.sampled_from(["stop", "length", "tool_calls", "content_filter", "end_turn"])))
    return [*said, finish, *draw(st.lists(OTHERS, max_size=2))]


@given(answers())
def test_events_are_in_order_and_fold_to_the_whole_answer(chunks):
    in_pieces, at_once = streamed(told(chunks)), whole(answered(chunks))
    assert said(in_pieces) == said(at_once)
    assert all(in_pieces[key] == at_once[key] for key in ("status", "incomplete_details", "usage", "service_tier"))


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), st.lists(st.integers(0, 40)))
def test_any_slicing_of_a_text_tells_the_same(text, cuts):
    places = sorted({min(cut, len(text)) for cut in (0, *cuts, len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]
    sliced = streamed(told([*map(Chunk, pieces), Chunk(finish="stop")]))
    assert said(sliced) == said(whole(answered([Chunk(text, finish="stop")])))


def test_events_of_a_text_are_those_of_openai():
    kinds = [event["type"] for event in events(told([Chunk("One"), Chunk(" two"), Chunk(finish="stop")]))]
    assert kinds == [
        *("response.created", "response.in_progress", "response.output_item.added", "response.content_part.added"),
        *("response.output_text.delta", "response.output_text.delta", "response.output_text.done"),
        *("response.content_part.done", "response.output_item.done", "response.completed"),
    ]


def test_thoughts_a_text_and_a_call_are_items_one_after_the_other():
    chunks = [Chunk(delta={"reasoning_content": "Hm."}), Chunk("Well."), call(0, "", "f"), call(0, "{}")]
    kinds = [event["type"] for event in events(told([*chunks, Chunk(finish="tool_calls")]))]
    assert kinds[2:-1] == [
        *("response.output_item.added", "response.reasoning_summary_part.added"),
        *("response.reasoning_summary_text.delta", "response.reasoning_summary_text.done"),
        *("response.reasoning_summary_part.done", "response.output_item.done"),
        *("response.output_item.added", "response.content_part.added", "response.output_text.delta"),
        *("response.output_text.done", "response.content_part.done", "response.output_item.done"),
        *("response.output_item.added", "response.function_call_arguments.delta"),
        *("response.function_call_arguments.done", "response.output_item.done"),
    ]


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter"), ("stop", None)]
)
def test_an_answer_that_was_cut_is_incomplete(finish, reason):
    response = streamed(told([Chunk("On"), Chunk(finish=finish)]))
    assert response["incomplete_details"] == (reason and {"reason": reason})
    assert response["output"][0]["status"] == response["status"] == ("incomplete" if reason else "completed")


def test_a_refusal_is_a_part_of_its_message():
    (message,) = whole(answered([Chunk("Hm. "), Chunk(delta={"refusal": "No."}), Chunk(finish="stop")]))["output"]
    assert [part["type"] for part in message["content"]] == ["output_text", "refusal"]


def test_an_answer_that_says_nothing_is_an_empty_message():
    (message,) = streamed(told([Chunk(finish="stop")]))["output"]
    assert message["content"] == [{"type": "output_text", "text": "", "annotations": [], "logprobs": []}]


def test_a_call_without_arguments_has_an_empty_object():
    (item,) = streamed(told([call(0, "", "f"), Chunk(finish="stop")]))["output"]
    assert (item["type"], item["arguments"]) == ("function_call", "{}")


def test_a_tool_of_a_namespace_is_told_by_its_own_name():
    (item,) = streamed(told([call(0, "{}", "sea__dive"), Chunk(finish="stop")]))["output"]
    assert (item["namespace"], item["name"]) == ("sea", "dive")


def test_what_a_text_cites_is_told_before_it_ends():
    source = {"type": "url_citation", "url_citation": {"url": "https://a.example", "title": None}}
    chunks = [Chunk("So it is."), Chunk(delta={"annotations": [source, "junk", {"type": "x"}]}, finish="stop")]
    (message,) = streamed(told(chunks))["output"]
    flat = {"type": "url_citation", "url": "https://a.example", "title": "", "start_index": 0, "end_index": 0}
    assert message["content"][0]["annotations"] == [flat]
    assert said(whole(answered(chunks)))[0]["content"] == message["content"]


def test_log_probabilities_are_told_with_their_bytes():
    (message,) = streamed(told([Chunk("a", choice={"logprobs": LOGPROBS}), Chunk(finish="stop")]))["output"]
    assert message["content"][0]["logprobs"] == [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}]


def test_details_of_the_usage_have_their_places():
    usage = {
        "prompt_tokens": 9,
        "completion_tokens": 5,
        "prompt_tokens_details": {"cached_tokens": 4},
        "completion_tokens_details": {"reasoning_tokens": 2, "audio_tokens": None},
    }
    assert whole(answered([Chunk("a", finish="stop", usage=usage)]))["usage"] == {
        "input_tokens": 9,
        "output_tokens": 5,
        "total_tokens": 14,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 0},
        "output_tokens_details": {"reasoning_tokens": 2},
    }


@pytest.mark.parametrize("make", [told, answered])
def test_an_answer_without_an_end_is_no_answer(make):
    with pytest.raises(UpstreamDisconnected):
        make([Chunk("On")])


FAILURES = st.sampled_from(
    [
        (UpstreamDisconnected(), "server_error"),
        (TooManyRequests(), "rate_limit_exceeded"),
        (Unable("Ask without it."), "invalid_prompt"),
    ]
)


@given(FAILURES, answers())
def test_a_failure_ends_the_events_with_what_was_said_so_far(failed, chunks):
    failure, code = failed
    stream = Streamed(frame(), OFFERED)
    body = b"".join(map(stream.events, chunks[:-1])) + stream.broken(failure, "req_1")
    response = streamed(body)
    assert response["status"] == "failed"
    assert response["error"] == {"code": code, "message": failure.told("req_1")}
    assert len(response["output"]) == len({event["output_index"] for event in events(body) if "output_index" in event})


def test_a_lone_surrogate_does_not_break_the_events():
    response = streamed(told([Chunk("a"), Chunk("\ud800"), Chunk(finish="stop")]))
    assert json.dumps(response["output"]).count("ufffd") == 1
