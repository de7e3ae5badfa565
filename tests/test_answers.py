"""What callers read: completions and streams exactly as OpenAI writes them."""

import json
from typing import Any

import pytest

from tests.answering import folded, said, streamed, whole
from tests.http11 import answer_to, asking
from tests.serving import QUESTION, gateway, http_backend, openai_backend
from tests.upstream import LAST_CHUNK, Connection, Received, Script, chunked, json_answer, listening, sse, stream_head

STREAMED = {**QUESTION, "stream": True}
WITH_USAGE = {**STREAMED, "stream_options": {"include_usage": True}}
USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 4,
    "total_tokens": 7,
    "prompt_tokens_details": {"cached_tokens": 1},
    "completion_tokens_details": {"reasoning_tokens": 2},
}


def piece(delta: dict[str, Any], finish: str | None = None, index: int = 0, **beside: Any) -> dict[str, Any]:
    return {"choices": [{"index": index, "delta": delta, "finish_reason": finish, **beside}]}


def calls(*deltas: dict[str, Any]) -> dict[str, Any]:
    return piece({"tool_calls": list(deltas)})


def opening(index: int, name: str, arguments: str = "") -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"index": index, "id": f"call_{index}", "type": "function", "function": function}


def arguments(index: int, text: str) -> dict[str, Any]:
    return {"index": index, "function": {"arguments": text}}


def called(index: int, name: str, arguments: str) -> dict[str, Any]:
    return {"id": f"call_{index}", "type": "function", "function": {"name": name, "arguments": arguments}}


def token(text: str) -> dict[str, Any]:
    alternative = {"token": text, "logprob": -0.1, "bytes": list(text.encode())}
    return {**alternative, "top_logprobs": [alternative]}


ROLE = piece({"role": "assistant", "content": ""})
STOP = piece({}, "stop")
Choice = dict[str, Any]


def choice(finish: str = "stop", index: int = 0, beside: Choice | None = None, **message: Any) -> Choice:
    return {"index": index, "message": message, "finish_reason": finish, **(beside or {})}


CASES: dict[str, tuple[list[Choice], list[dict[str, Any]], dict[str, Any]]] = {
    "text": ([choice(content="Hi there")], [ROLE, piece({"content": "Hi"}), piece({"content": " there"}), STOP], {}),
    "no text": ([choice(content="")], [ROLE, STOP], {}),
    "signs": (
        [choice(content='\u2028\x00"\\\n🦊 data: [DONE]\n\n')],
        [ROLE, piece({"content": '\u2028\x00"\\'}), piece({"content": "\n🦊 data: [DONE]\n\n"}), STOP],
        {},
    ),
    "cut off": ([choice("length", content="Hi")], [ROLE, piece({"content": "Hi"}), piece({}, "length")], {}),
    "a finish beside the last text": (
        [choice(content="Hi")],
        [piece({"role": "assistant", "content": "Hi"}, "stop")],
        {},
    ),
    "a tool call": (
        [choice("tool_calls", content=None, tool_calls=[called(0, "f", '{"a":1}')])],
        [
            piece({"role": "assistant", "content": None, "tool_calls": [opening(0, "f")]}),
            *(calls(arguments(0, text)) for text in ('{"a"', ":1", "}")),
            piece({}, "tool_calls"),
        ],
        {},
    ),
    "text and two tool calls": (
        [choice("tool_calls", content="So.", tool_calls=[called(0, "f", '{"a":1}'), called(1, "g", "{}")])],
        [
            *(ROLE, piece({"content": "So."}), calls(opening(0, "f")), calls(arguments(0, '{"a":'))),
            *(calls(arguments(0, "1}")), calls(opening(1, "g")), piece({}, "tool_calls")),
        ],
        {},
    ),
    "interleaved tool calls": (
        [choice("tool_calls", content=None, tool_calls=[called(0, "f", '{"a":1}'), called(1, "g", '{"b":2}')])],
        [
            calls(opening(0, "f"), opening(1, "g")),
            *(calls(arguments(0, '{"a"'), arguments(1, '{"b"')), calls(arguments(1, ":2}"), arguments(0, ":1}"))),
            piece({}, "tool_calls"),
        ],
        {},
    ),
    "a function call": (
        [choice("function_call", content=None, function_call={"name": "f", "arguments": '{"a":1}'})],
        [
            piece({"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}}),
            *(piece({"function_call": {"arguments": text}}) for text in ('{"a":', "1}")),
            piece({}, "function_call"),
        ],
        {},
    ),
    "a refusal": (
        [choice(content=None, refusal="I cannot.")],
        [piece({"role": "assistant", "content": None}), piece({"refusal": "I "}), piece({"refusal": "cannot."}), STOP],
        {},
    ),
    "reasoning": (
        [choice(content="4", reasoning_content="2+2")],
        [ROLE, piece({"reasoning_content": "2+"}), piece({"reasoning_content": "2"}), piece({"content": "4"}), STOP],
        {},
    ),
    "logprobs": (
        [choice(content="Hi there", beside={"logprobs": {"content": [token("Hi"), token(" there")], "refusal": None}})],
        [
            ROLE,
            *(
                piece({"content": text}, logprobs={"content": [token(text)], "refusal": None})
                for text in ("Hi", " there")
            ),
            STOP,
        ],
        {},
    ),
    "two choices": (
        [choice(content="one"), choice("length", 1, content="two")],
        [
            *(piece({"role": "assistant", "content": ""}, index=index) for index in (0, 1)),
            *(piece({"content": text}, index=index) for index, text in ((1, "t"), (0, "o"), (0, "ne"), (1, "wo"))),
            *(piece({}, finish, index) for index, finish in ((1, "length"), (0, "stop"))),
        ],
        {},
    ),
    "facts about it all": (
        [choice(content="Hi")],
        [ROLE, piece({"content": "Hi"}), STOP],
        {"service_tier": "default", "system_fingerprint": "fp_1"},
    ),
}


def upstream_of(choices: list[Choice], pieces: list[dict[str, Any]], facts: dict[str, Any]) -> Script:
    """An OpenAI-like upstream that says this, whole or streamed as it is asked."""

    async def script(connection: Connection, received: Received) -> None:
        top = {"id": "up-1", "created": 1, "model": "up", **facts}
        if received.json.get("stream"):
            chunks = [{"object": "chat.completion.chunk", **top, **piece} for piece in pieces]
            told = sse(*chunks, {**top, "choices": [], "usage": USAGE}, "[DONE]")
            await connection.send(stream_head() + chunked(*told) + LAST_CHUNK)
        else:
            messages = [{**choice, "message": {"role": "assistant", **choice["message"]}} for choice in choices]
            await connection.send(
                json_answer({"object": "chat.completion", **top, "choices": messages, "usage": USAGE})
            )

    return script


@pytest.mark.parametrize("case", CASES)
async def test_what_an_openai_upstream_says_is_told_whole_and_streamed_alike(case: str):
    choices, _, facts = CASES[case]
    async with listening(upstream_of(*CASES[case])) as upstream, gateway(openai_backend(upstream.url)) as url:
        completion = whole((await answer_to(url, asking(QUESTION))).body)
        without = streamed((await answer_to(url, asking(STREAMED))).body)
        chunks = streamed((await answer_to(url, asking(WITH_USAGE))).body, with_usage=True)
    for told, expected in zip(completion["choices"], choices, strict=True):
        message = {"role": "assistant", "content": None, "refusal": None, **expected["message"]}
        assert told == {"logprobs": None, **expected, "message": message}
    assert completion["usage"] == chunks[-1]["usage"] == USAGE
    assert {key: completion[key] for key in facts} == facts
    assert all(chunk.items() >= facts.items() for chunk in chunks[1:])
    assert len(chunks) == len(without) + 1
    assert folded(chunks) == said(completion)


async def test_unknown_fields_pass_at_every_level():
    said = {"role": "assistant", "content": "Hi", "of_message": [1]}
    answer = {
        "choices": [{"index": 0, "message": said, "finish_reason": "stop", "of_choice": {"a": None}}],
        "of_all": 1,
    }
    pieces = [
        {"choices": [], "prompt_filter_results": [{"prompt_index": 0}]},
        {**piece({"content": "Hi", "of_delta": [1]}, of_choice={"a": 1}), "of_chunk": 1},
        {**piece({}, "stop", content_filter_results={}), "of_last": 2},
    ]

    async def script(connection: Connection, received: Received) -> None:
        stream = stream_head() + chunked(*sse(*pieces, "[DONE]")) + LAST_CHUNK
        await connection.send(stream if received.json.get("stream") else json_answer(answer))

    async with listening(script) as upstream, gateway(openai_backend(upstream.url)) as url:
        told = whole((await answer_to(url, asking(QUESTION))).body)
        chunks = streamed((await answer_to(url, asking(STREAMED))).body)
    assert told["of_all"] == 1
    assert told["choices"][0]["of_choice"] == {"a": None}
    assert told["choices"][0]["message"]["of_message"] == [1]
    text = json.dumps(chunks)
    for name in ("prompt_filter_results", "of_delta", "of_choice", "of_chunk", "content_filter_results", "of_last"):
        assert text.count(f'"{name}"') == 1, name


FINISHES = {
    **dict.fromkeys(("stop", "eos", "end_turn", "STOP", "stop_sequence", "tool_calls", "a word of next year"), "stop"),
    **dict.fromkeys(("length", "max_tokens", "MAX_TOKENS"), "length"),
    **dict.fromkeys(("content_filter", "SAFETY", "RECITATION"), "content_filter"),
}


@pytest.mark.parametrize(("theirs", "ours"), FINISHES.items())
async def test_an_answer_ends_for_one_of_five_reasons(theirs: str, ours: str):
    script = upstream_of([choice(theirs, content="Hi")], [ROLE, piece({"content": "Hi"}), piece({}, theirs)], {})
    async with listening(script) as upstream, gateway(openai_backend(upstream.url)) as url:
        completion = whole((await answer_to(url, asking(QUESTION))).body)
        chunks = streamed((await answer_to(url, asking(STREAMED))).body)
    assert completion["choices"][0]["finish_reason"] == chunks[-1]["choices"][0]["finish_reason"] == ours


@pytest.mark.parametrize("theirs", ["stop", "tool_calls", "tool_use", "end_turn"])
async def test_an_answer_with_tool_calls_ends_with_tool_calls(theirs: str):
    message = {"content": None, "tool_calls": [called(0, "f", "{}")]}
    script = upstream_of([choice(theirs, **message)], [calls(opening(0, "f", "{}")), piece({}, theirs)], {})
    async with listening(script) as upstream, gateway(openai_backend(upstream.url)) as url:
        completion = whole((await answer_to(url, asking(QUESTION))).body)
        chunks = streamed((await answer_to(url, asking(STREAMED))).body)
    assert completion["choices"][0]["finish_reason"] == chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"


HTTP = {
    "response": {"text": "reply", "finish": "why", "usage": {"prompt": "n.in", "completion": "n.out"}},
    "stream": {"framing": "sse", "text": "t", "request": {"live": True}},
}
COUNTS = {"why": "max_tokens", "n": {"in": 3, "out": 4}}


async def plain(connection: Connection, received: Received) -> None:
    """A chat API that has never heard of OpenAI."""
    if received.json.get("live"):
        told = sse({"t": "Hi"}, {"t": ""}, {"t": " there"}, {"t": "", **COUNTS})
        await connection.send(stream_head() + chunked(*told) + LAST_CHUNK)
    else:
        await connection.send(json_answer({"reply": "Hi there", **COUNTS}))


@pytest.mark.parametrize("cut", [False, True], ids=["streaming", "cut into a stream"])
async def test_what_an_http_backend_says_is_told_whole_and_streamed_alike(cut: bool):
    options = {**HTTP, "stream": {}} if cut else HTTP
    async with listening(plain) as upstream, gateway(http_backend(upstream.url, **options)) as url:
        completion = whole((await answer_to(url, asking(QUESTION))).body)
        chunks = streamed((await answer_to(url, asking(WITH_USAGE))).body, with_usage=True)
        streamed((await answer_to(url, asking(STREAMED))).body)
    assert completion["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi there", "refusal": None},
            "logprobs": None,
            "finish_reason": "length",
        }
    ]
    assert completion["usage"] == {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    assert [chunk["choices"][0]["delta"].get("content") for chunk in chunks[:-1]] == ["", "Hi", " there", None]
    assert folded(chunks) == said(completion)


async def test_usage_that_nobody_asked_for_is_not_told():
    pieces = [{**piece({"content": "Hi"}), "usage": USAGE}, {**STOP, "usage": USAGE}]
    async with listening(upstream_of([], pieces, {})) as upstream, gateway(openai_backend(upstream.url)) as url:
        assert b"usage" not in (await answer_to(url, asking(STREAMED))).body
        chunks = streamed((await answer_to(url, asking(WITH_USAGE))).body, with_usage=True)
        assert [chunk["usage"] for chunk in chunks] == [None] * (len(chunks) - 1) + [USAGE]
