"""What an API answered, and the paths that are found in it."""

import json

import pytest
import yaml

from dragoman.adapt.adaptation import adapted
from dragoman.adapt.answer import nearest
from dragoman.adapt.asked import CannotAdapt
from dragoman.paths import found

CURL = 'curl https://api.acme.com/chat --json \'{"message": "Why is that so?", "session_id": ""}\''
SAID = "Because it was never changed."


def made(sample, type=None, curl=CURL):
    text = sample if isinstance(sample, bytes) else (sample if isinstance(sample, str) else json.dumps(sample)).encode()
    given = adapted(curl, text, type)
    return yaml.safe_load(given.yaml)["backends"][given.name]


def response(sample):
    return made(sample)["response"]


def stream(sample, **options):
    return made(sample, **options)["stream"]


def sse(*events, names=()):
    lines = [f"event: {name}\n" for name in names] or [""] * len(events)
    texts = (event if isinstance(event, str) else json.dumps(event) for event in events)
    return "".join(f"{line}data: {text}\n\n" for line, text in zip(lines, texts, strict=True))


TEXTS = {
    "by-name": (
        {"reply": "No.", "disclaimer": "What is said here may be wrong; look it up before you act on it."},
        "reply",
    ),
    "by-words": ({"status": "success", "message": "Request processed", "data": {"answer": "4"}}, "data.answer"),
    "longest": ({"alpha": "no_words_here", "beta": SAID, "gamma": "Fine then"}, "beta"),
    "not-the-question": ({"text": "Why is that so?", "zeta": SAID}, "zeta"),
    "not-the-sources": ({"answer": "No.", "sources": [{"content": SAID * 9}]}, "answer"),
    "not-the-thoughts": ({"reasoning": SAID * 9, "content": "No."}, "content"),
    "odd-keys": ({"my reply": {"the-text": SAID}}, '"my reply"."the-text"'),
    "first-of-choices": ({"choices": [{"text": SAID}, {"text": "Or for another reason."}]}, "choices[0].text"),
    "one-block": ({"content": [{"type": "text", "text": SAID}]}, "content[0].text"),
    "behind-thoughts": (
        {"content": [{"type": "thinking", "thinking": "Let me see what is known."}, {"type": "text", "text": SAID}]},
        "content[?type=='text'].text | [0]",
    ),
    "parts": ({"parts": [{"text": "Because it was "}, {"text": "never changed."}]}, "join('', parts[].text)"),
    "messages": ([{"text": SAID}, {"text": "Is it?"}], 'join(`"\\n\\n"`, [].text)'),
    "last-of-messages": (
        {"messages": [{"role": "user", "content": "Oh?"}, {"role": "assistant", "content": SAID}]},
        "messages[-1].content",
    ),
    "second": ({"items": [{"a": 1}, {"text": SAID}]}, "items[].text | [0]"),
    "pieces": ({"output": ["Because it", " was never", " changed."]}, "join('', output)"),
    "in-lists": ({"result": [["x", 1], [SAID, 2]]}, 'join(`"\\n\\n"`, result[][0])'),
    "a-text": (SAID, "@"),
}


@pytest.mark.parametrize(("sample", "path"), TEXTS.values(), ids=TEXTS)
def test_the_text_is_found(sample, path):
    text = json.dumps(sample)
    assert made(text)["response"]["text"] == path
    assert found(path)(sample) in adapted(CURL, text.encode()).test.replace("\\n", "\n")


@pytest.mark.parametrize(
    ("beside", "key", "path"),
    [
        ({"a": {"stopReason": "end_turn"}}, "finish", "a.stopReason"),
        ({"done": True}, "finish", None),
        (
            {"usage": {"input_tokens": 3, "output_tokens": 4}},
            "usage",
            {"prompt": "usage.input_tokens", "completion": "usage.output_tokens"},
        ),
        ({"tokens_evaluated": 3}, "usage", {"prompt": "tokens_evaluated"}),
        ({"usage": {"total_tokens": 4}}, "usage", None),
        ({"error": None}, "error", "error"),
        ({"code": 0, "msg": "ok"}, "error", "[@][?code && code != `0`].msg | [0]"),
        ({"code": "0", "message": "ok"}, "error", "[@][?code && code != '0'].message | [0]"),
        ({"code": 200, "msg": "ok"}, "error", None),
        ({"thinking": "Let me see what is known."}, "reasoning", "thinking"),
        ({"meta": {"sessionId": "s-1"}}, "session", "meta.sessionId"),
        ({"sessionId": 7}, "session", None),
    ],
)
def test_what_stands_beside_the_text_is_found(beside, key, path):
    assert response({"reply": SAID, **beside}).get(key) == path


def test_a_code_that_is_not_zero_is_an_error():
    find = found(response({"reply": SAID, "code": 0, "msg": "ok"})["error"])
    assert [find(one) for one in ({"code": 0, "msg": "ok"}, {"reply": "x"}, {"code": 7, "msg": "no"})] == [
        None,
        None,
        "no",
    ]


def test_plain_text_is_the_answer_itself():
    assert response(b"\xef\xbb\xbfBecause.\n") == {"format": "text"}


DELTAS = ({"delta": "Because it"}, {"delta": " was never"}, {"delta": " changed."})
SNAPSHOTS = ({"text": "Because"}, {"text": "Because it was"}, {"text": SAID})
NAMED = ({"data": "Because"}, {"data": " so."}, {"data": "all went well"})
TYPED = [{"type": name, **event} for name, event in zip(("token", "token", "end"), NAMED, strict=True)]
STREAMS = {
    "deltas": (sse(*DELTAS), {"framing": "sse", "text": "delta"}),
    "done": (sse(*DELTAS, "[DONE]"), {"framing": "sse", "text": "delta"}),
    "returns": (sse(*DELTAS).replace("\n", "\r\n"), {"framing": "sse", "text": "delta"}),
    "comments": (": hi\n\n" + sse(*DELTAS), {"framing": "sse", "text": "delta"}),
    "snapshots": (sse(*SNAPSHOTS), {"framing": "sse", "mode": "snapshot", "text": "text"}),
    "lines": ("\n".join(map(json.dumps, DELTAS)), {"framing": "ndjson", "text": "delta"}),
    "texts": (sse("Because", " so."), {"framing": "sse", "format": "text"}),
    "json-texts": (sse('"Because"', '" so."'), {"framing": "sse", "text": "@"}),
    "named": (
        sse(*NAMED, names=("token", "token", "end")),
        {"framing": "sse", "events": {"token": "text", "end": "finish", "error": "error"}, "text": "data"},
    ),
    "named-texts": (
        sse("Because", " so.", "bye", names=("token", "token", "done")),
        {"framing": "sse", "format": "text", "events": {"token": "text", "done": "finish", "error": "error"}},
    ),
    "unnamed-and-named": (
        sse("Because", " so.") + sse("ok", names=("done",)),
        {"framing": "sse", "format": "text", "events": {"message": "text", "done": "finish", "error": "error"}},
    ),
    "typed": (
        sse(*TYPED),
        {
            "framing": "sse",
            "event": "type",
            "events": {"token": "text", "end": "finish", "error": "error"},
            "text": "data",
        },
    ),
    "finish": (
        sse(*DELTAS, {"delta": "", "finish_reason": "length"}),
        {"framing": "sse", "text": "delta", "finish": "finish_reason"},
    ),
    "reason-first": (
        sse(
            {"text": "Because", "done": False},
            {"text": " so.", "done": False},
            {"text": "", "done": True, "done_reason": "stop"},
        ),
        {"framing": "sse", "text": "text", "finish": "done_reason"},
    ),
    "end": (
        sse({"text": "Because", "is_end": False}, {"text": " so.", "is_end": True}),
        {"framing": "sse", "text": "text", "finish": "is_end"},
    ),
    "not-yet": (
        sse({"text": "Because", "stop_reason": "not_finished"}, {"text": " so.", "stop_reason": "max_tokens"}),
        {
            "framing": "sse",
            "text": "text",
            "finish": {"path": "stop_reason", "map": {"stop": "stop", "length": "length", "max_tokens": "length"}},
        },
    ),
    "never": (
        sse({"text": "Because", "stop_reason": "x"}, {"text": " so.", "stop_reason": "x"}),
        {"framing": "sse", "text": "text"},
    ),
    "usage": (
        sse({"message": {"usage": {"input_tokens": 3, "output_tokens": 1}}}, *DELTAS, {"usage": {"output_tokens": 4}}),
        {
            "framing": "sse",
            "text": "delta",
            "usage": {"prompt": "message.usage.input_tokens", "completion": "usage.output_tokens"},
        },
    ),
    "repeated-at-the-end": (sse(*DELTAS, {"answer": SAID}), {"framing": "sse", "text": "delta"}),
    "constant": (
        sse(*({"label": "The same words each time", **event} for event in DELTAS)),
        {"framing": "sse", "text": "delta"},
    ),
    "thoughts": (
        sse({"thinking": "Let me see what"}, {"thinking": " is known about it, which is a lot."}, *DELTAS),
        {"framing": "sse", "text": "delta", "reasoning": "thinking"},
    ),
}


@pytest.mark.parametrize(("sample", "options"), STREAMS.values(), ids=STREAMS)
def test_a_stream_is_read_as_it_was_said(sample, options):
    assert stream(sample) == options


def test_a_list_is_a_stream_only_where_one_was_asked_for():
    sample = json.dumps(DELTAS)
    asked = 'curl https://api.acme.com/chat:stream --json \'{"message": "Why is that so?"}\''
    assert stream(sample, curl=asked) == {"framing": "json-array", "text": "delta"}
    assert "stream" not in made(sample)


def test_a_head_that_curl_showed_is_left_out():
    assert response('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{"reply": "So."}')["text"] == "reply"


@pytest.mark.parametrize(
    ("sample", "type", "really"),
    [
        ('{"reply": "So."}', "text/html; charset=utf-8", "application/json"),
        ('{"reply": "So."}', "application/json", None),
        ("So.", "application/octet-stream", "text/plain"),
        (sse(*DELTAS), "text/plain", "text/event-stream"),
        (sse(*DELTAS), "text/event-stream", None),
    ],
)
def test_an_answer_that_came_under_another_type_is_taken_for_what_it_is(sample, type, really):
    assert made(sample, type).get("assume_content_type") == really


@pytest.mark.parametrize(
    ("sample", "told"),
    [
        ("", "The sample is empty"),
        ("data: [DONE]\n\n", "The sample is a stream without any event"),
        ("<!DOCTYPE html><html>Log in</html>", "The sample is a web page"),
        ('{"reply": "So', "The sample begins as JSON but is none"),
        ({"error": {"message": "Wrong key"}}, "The sample is an error: “Wrong key”"),
        ({"status": 401, "message": "Who are you?"}, "The sample is an error: “Who are you?”"),
        ({"detail": "Not found"}, "The sample is an error: “Not found”"),
        ({"id": "x", "status": "starting", "output": None}, "The sample is not an answer yet"),
        ({"id": "x1", "count": 3}, "The sample has no text that could be an answer"),
        (sse({"id": 1}, {"id": 2}), "The sample's events have no text"),
        (b"x" * (10 * 2**20 + 1), "The sample has more than 10 MiB"),
    ],
)
def test_a_sample_that_shows_no_answer_is_refused_with_what_to_do(sample, told):
    with pytest.raises(CannotAdapt) as caught:
        made(sample)
    assert str(caught.value).startswith(told)


def test_the_nearest_paths_are_those_that_share_most_names():
    value = {"result": {"answer": {"text": SAID}, "title": "A title of some length"}, "message": "It went well"}
    near = nearest(value, "result.answer.content")
    assert near[0] == ("result.answer.text", SAID)
    assert {path for path, _ in near} == {"result.answer.text", "result.title", "message"}
    assert nearest(value, "choices[0].message.content")[0][0] == "message"
    assert nearest({"n": 1}, "text") == []


def test_a_long_text_is_shown_by_its_beginning():
    ((path, text),) = nearest({"text": "word " * 100}, "reply")
    assert (path, len(text), text[-1]) == ("text", 60, "…")
