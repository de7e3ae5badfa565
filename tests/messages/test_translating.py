"""Whatever is asked becomes a chat that is valid, or a refusal that says why."""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman import ChatRequest
from dragoman.errors import InvalidRequest
from dragoman.messages.asking import chat, unused
from dragoman.reading import request_in
from dragoman.wire.messages import CountTokensRequest, MessagesRequest
from tests.messages.asking import ADD, asked

WORDS = st.text("ab \n{é👩", max_size=5)
NULL = st.none()


def block(type: str, **fields: Any) -> Any:
    return st.fixed_dictionaries({"type": st.just(type), **fields}, optional={"cache_control": NULL | st.just({})})


SOURCES = st.sampled_from(
    [
        {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="},
        {"type": "url", "url": "https://a.example/b"},
    ]
)
TEXT = block("text", text=WORDS)
IMAGE = block("image", source=SOURCES)
PLAIN = st.builds(lambda text: {"type": "text", "media_type": "text/plain", "data": text}, WORDS)
CONTENT = st.builds(lambda blocks: {"type": "content", "content": blocks}, st.lists(TEXT | IMAGE, max_size=2) | WORDS)
DOCUMENT = block("document", source=SOURCES | PLAIN | CONTENT, title=NULL | WORDS, context=NULL | WORDS)
SEARCH = block("search_result", title=WORDS, source=WORDS, content=st.lists(TEXT, max_size=2))
THOUGHT = block("thinking", thinking=WORDS, signature=st.sampled_from(["dragoman", "other"]))
OTHER = block("of_tomorrow", text=st.integers() | WORDS) | block("redacted_thinking", data=WORDS)
USE = block("tool_use", id=st.sampled_from(["t1", "t2"]), name=st.just("add"), input=st.dictionaries(WORDS, WORDS))
RESULT = block(
    "tool_result",
    tool_use_id=st.sampled_from(["t1", "t2"]),
    content=NULL | WORDS | st.lists(TEXT | IMAGE | DOCUMENT | SEARCH | OTHER, max_size=3),
    is_error=NULL | st.booleans(),
)
MESSAGES = st.fixed_dictionaries(
    {
        "role": st.sampled_from(["user", "assistant", "system"]),
        "content": WORDS | st.lists(TEXT | IMAGE | DOCUMENT | SEARCH | THOUGHT | OTHER | USE | RESULT, max_size=4),
    }
)
CHOICES = st.fixed_dictionaries(
    {"type": st.sampled_from(["auto", "any", "none", "tool"]), "name": st.sampled_from(["add", "bash", "sub"])},
    optional={"disable_parallel_tool_use": NULL | st.booleans()},
)
TOOLS = st.lists(
    st.sampled_from([ADD, {**ADD, "name": "sub", "type": "custom"}, {"type": "bash_20250124", "name": "bash"}])
)
REQUESTS = st.fixed_dictionaries(
    {"model": st.just("m"), "max_tokens": st.integers(1, 9), "messages": st.lists(MESSAGES, min_size=1, max_size=4)},
    optional={
        "system": NULL | WORDS | st.lists(TEXT, max_size=2),
        "stop_sequences": NULL | st.lists(WORDS, max_size=3),
        "temperature": NULL | st.sampled_from([0, 0.5, 1]),
        "top_k": NULL | st.integers(0, 9),
        "tools": NULL | TOOLS,
        "tool_choice": NULL | CHOICES,
        "stream": NULL | st.booleans(),
        "metadata": NULL | st.just({"user_id": "u"}),
        "output_config": NULL | st.just({"effort": "low", "format": {"type": "json_schema", "schema": {}}}),
    },
)


def made(body: dict[str, Any]) -> ChatRequest:
    return chat(request_in(json.dumps(body).encode(), MessagesRequest))


@given(REQUESTS)
def test_what_is_asked_is_a_valid_chat(body):
    with suppress(InvalidRequest):
        asking = made(body).given()
        assert ChatRequest.model_validate(asking).given() == asking


@given(REQUESTS)
def test_nothing_is_refused_but_results_of_no_call_and_tools_that_are_not_there(body):
    called: set[str] = set()
    wrong = False
    for message in body["messages"]:
        blocks = message["content"] if isinstance(message["content"], list) else []
        if message["role"] == "assistant":
            called |= {block["id"] for block in blocks if block["type"] == "tool_use"}
        if message["role"] == "user":
            wrong |= any(block["type"] == "tool_result" and block["tool_use_id"] not in called for block in blocks)
    if not (wrong or body.get("tool_choice") or len(body.get("tools") or ()) > 1):
        made(body)
    elif wrong:
        with pytest.raises(InvalidRequest):
            made(body)


@given(REQUESTS)
def test_every_result_follows_the_call_that_it_is_of(body):
    called: set[str] = set()
    with suppress(InvalidRequest):
        turns: list[Any] = made(body).messages
        for turn in turns:
            called |= {call["id"] for call in turn.get("tool_calls") or ()}
            assert turn["role"] != "tool" or turn["tool_call_id"] in called


@given(REQUESTS)
def test_no_text_of_the_users_is_lost(body):
    users = [message["content"] for message in body["messages"] if message["role"] == "user"]
    texts = [block["text"] for said in users if isinstance(said, list) for block in said if block["type"] == "text"]
    with suppress(InvalidRequest):
        contents: list[Any] = [turn["content"] for turn in made(body).messages if turn["role"] == "user"]
        parts = [part for each in contents for part in (each if isinstance(each, list) else [{"text": each}])]
        assert all(any(text in part.get("text", "") for part in parts) for text in texts)


JSON = st.recursive(
    NULL | st.booleans() | st.integers(-9, 9) | st.floats(allow_nan=False, allow_infinity=False) | WORDS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "text", "role", "content", "source", "name", "id", "input", "tool_use_id", "x"]),
            inner
            | st.sampled_from(["text", "user", "assistant", "image", "tool_use", "tool_result", "document", "tool"]),
            max_size=4,
        )
    ),
    max_leaves=8,
)
FIELDS = tuple(field for field in MessagesRequest.model_fields if field != "model")


@settings(max_examples=300)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON, max_size=3), JSON)
def test_junk_is_refused_and_breaks_nothing(fields, message):
    for body in (asked(**fields), asked(messages=[message]), asked(messages=[{"role": "user", "content": message}])):
        for kind in (MessagesRequest, CountTokensRequest):
            with suppress(InvalidRequest):
                request = request_in(json.dumps(body).encode(), kind)
                ChatRequest.model_validate(chat(request).given())
                unused(request)
