"""Log probabilities are told in columns, with where in the text each token begins."""

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.prompts.logprobs import Columns
from tests.completions.answering import folded, post, said
from tests.completions.place import place
from tests.serving import gateway, openai_backend
from tests.upstream import LAST_CHUNK, always, chunked, listening, sse, stream_head

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)


def token(text, logprob=-0.5, top=(), data=None):
    likely = [{"token": each, "logprob": value, "bytes": None} for each, value in top]
    data = list(text.encode()) if data is None else data
    return {"token": text, "logprob": logprob, "bytes": data, "top_logprobs": likely}


GO = token("Go", -0.25, [("Go", -0.25), ("Stop", -1.5), ("No", -3)])
ON = token(" on", -2, [(" up", -1), (" off", -1.75)])


def likely(request):
    logprobs = {"content": [GO, ON], "refusal": None}
    return {"message": {"role": "assistant", "content": "Go on"}, "logprobs": logprobs}


async def test_they_are_asked_for_and_told_in_the_old_shape():
    async with place(likely) as there:
        told = await there.complete("Hello", logprobs=2)
        assert said(told)[0]["logprobs"] == {
            "tokens": ["Go", " on"],
            "token_logprobs": [-0.25, -2.0],
            "top_logprobs": [{"Go": -0.25, "Stop": -1.5}, {" up": -1.0, " off": -1.75, " on": -2.0}],
            "text_offset": [0, 2],
        }
        assert folded(await there.stream("Hello", logprobs=2)) == said(told)
        assert [(each["logprobs"], each["top_logprobs"]) for each in there.asked] == [(True, 2)] * 2


async def test_without_likely_tokens_only_those_that_were_said_are_told():
    async with place(likely) as there:
        [choice] = said(await there.complete("Hello", logprobs=0))
        assert (choice["logprobs"]["top_logprobs"], choice["logprobs"]["tokens"]) == (None, ["Go", " on"])
        assert (there.asked[0]["logprobs"], there.asked[0]["top_logprobs"]) == (True, 0)


async def test_who_does_not_ask_for_them_gets_none():
    async with place(likely) as there:
        told = await there.complete("Hello")
        assert said(told)[0]["logprobs"] is None
        assert folded(await there.stream("Hello")) == said(told)
        assert "logprobs" not in there.asked[0]


async def test_behind_an_echo_they_begin_after_it():
    async with place(likely) as there:
        told = await there.complete(["Hello", "Hello you"], logprobs=1, echo=True, n=2)
        assert [choice["logprobs"]["text_offset"] for choice in said(told)] == [[5, 7], [5, 7], [9, 11], [9, 11]]
        assert folded(await there.stream(["Hello", "Hello you"], logprobs=1, echo=True, n=2)) == said(told)
        for choice in said(told):
            beginnings = choice["logprobs"]["text_offset"]
            assert choice["text"][beginnings[0] : beginnings[1]] == "Go"


async def test_a_stream_tells_them_with_their_words():
    head = {"object": "chat.completion.chunk", "id": "c", "created": 1, "model": "m"}
    choices = [
        {"index": 0, "delta": {"content": each["token"]}, "logprobs": {"content": [each]}, "finish_reason": None}
        for each in (GO, ON)
    ]
    end = {"index": 0, "delta": {}, "finish_reason": "stop"}
    said = sse(*({**head, "choices": [each]} for each in (*choices, end)), "[DONE]")
    script = always(stream_head() + chunked(*said) + LAST_CHUNK)
    async with listening(script) as upstream, gateway(openai_backend(upstream.url)) as url:
        _, _, body = await post(url, {"model": "m", "prompt": "Hello", "stream": True, "logprobs": 0})
    events = [json.loads(block[6:])["choices"][0] for block in body.split(b"\n\n")[:3]]
    assert [(each["text"], each["logprobs"] and each["logprobs"]["text_offset"]) for each in events] == [
        ("Go", [0]),
        (" on", [2]),
        ("", None),
    ]


@given(TEXT, st.data(), st.integers(0, 9))
def test_a_token_begins_where_its_first_character_does_however_bytes_are_cut(text, data, start):
    encoded = text.encode()
    cuts = sorted(data.draw(st.sets(st.integers(0, len(encoded)), max_size=12)) | {0, len(encoded)})
    pieces = [encoded[a:b] for a, b in pairwise(cuts)]
    columns = Columns(0, start)
    begins = [
        columns.of([token(piece.decode(errors="replace"), data=list(piece))])["text_offset"][0] for piece in pieces
    ]
    for begin, before in zip(begins, cuts, strict=False):
        assert begin == start + len(encoded[:before].decode(errors="ignore"))


@pytest.mark.parametrize("data", [None, [], [300], [-1], ["a"], "abc", 7, 10**12, {"a": 1}])
def test_without_usable_bytes_a_token_is_as_long_as_its_text(data):
    first = {**token("ab"), "bytes": data}
    assert Columns(0, 0).of([first, token("c")])["text_offset"] == [0, 2]


ODD = st.recursive(st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=3), st.lists, max_leaves=4)
ODD_TOKEN = st.fixed_dictionaries({}, optional=dict.fromkeys(("token", "logprob", "bytes", "top_logprobs"), ODD))


@given(ODD | st.lists(ODD | ODD_TOKEN))
def test_whatever_a_backend_says_there_are_as_many_in_each_column(content):
    told = Columns(3, 0).of(content)
    assert told is None or len({len(column) for column in told.values()}) == 1
    assert told is None or told["tokens"]


@pytest.mark.parametrize("logprobs", [7, [], {}, {"content": None}, {"content": 3}, {"content": [{}]}, "x"])
async def test_log_probabilities_that_are_none_are_left_out(logprobs):
    async with place(lambda request: {"message": {"content": "x"}, "logprobs": logprobs}) as there:
        [choice] = said(await there.complete("Hello", logprobs=3))
        assert (choice["text"], choice["logprobs"]) == ("x", None)
        assert folded(await there.stream("Hello", logprobs=3)) == [choice]
