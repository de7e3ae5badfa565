"""The tokens of a request are counted as OpenAI counts them."""

import time

import pytest

from dragoman.asked import Embed, message
from dragoman.counting import opened
from dragoman.counting.requests import about, prompt_tokens
from dragoman.json import dumped
from dragoman.wire.chat import ChatRequest

CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}
TOOL = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
FORMAT = {"type": "json_schema", "json_schema": {"name": "sum", "schema": {"type": "object"}}}


class Characters:
    """Each character is a token."""

    def count(self, text):
        return len(text)

    def fitting(self, text, limit):
        return min(limit, len(text))


def tokens(*messages, **more):
    """Of these messages, without what begins the answer."""
    return prompt_tokens(ChatRequest(model="m", messages=list(messages), **more), Characters()) - 3


def of(*parts):
    """Of these parts, without what stands around their message."""
    return tokens({"role": "user", "content": list(parts)}) - 4


def test_each_message_has_its_frame_and_the_answer_its_beginning():
    assert tokens({"role": "user", "content": "Hello"}) == 4 + 5
    assert tokens({"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}) == 8 + 9 + 5
    assert tokens({"role": "user", "content": "Hello", "name": "Ada"}) == 4 + 1 + len("Ada\nHello")


@pytest.mark.parametrize(
    "message",
    [
        {"role": "assistant"},
        {"role": "assistant", "content": None, "tool_calls": None, "refusal": None, "name": None},
        {"role": "function", "name": "", "content": None},
        {"role": "user", "content": []},
        {"role": "assistant", "tool_calls": [{"id": "1", "type": "function_of_tomorrow", "function": 7}]},
    ],
)
def test_a_message_may_say_nothing(message):
    assert tokens(message) == 4


def test_all_that_was_said_counts():
    assert tokens({"role": "assistant", "refusal": "No."}) == 4 + 3
    assert tokens({"role": "assistant", "content": "Hm", "tool_calls": [CALL]}) == 4 + len('Hm\nadd\n{"a": 1}')
    assert tokens({"role": "assistant", "function_call": CALL["function"]}) == 4 + len('add\n{"a": 1}')
    custom = {"id": "1", "type": "custom", "custom": {"name": "sh", "input": "ls"}}
    assert tokens({"role": "assistant", "tool_calls": [custom]}) == 4 + len("sh\nls")
    assert of({"type": "text", "text": "one"}, {"type": "text", "text": "two"}) == len("one\ntwo")


def test_definitions_count_as_their_json():
    said = {"role": "user", "content": "Hi"}
    assert tokens(said, tools=[TOOL]) == tokens(said) + len(dumped([TOOL]))
    assert tokens(said, functions=[TOOL["function"]]) == tokens(said) + len(dumped([TOOL["function"]]))
    assert tokens(said, response_format=FORMAT) == tokens(said) + len(dumped(FORMAT))


def test_what_is_no_text_counts_by_its_size():
    low, auto = ({"type": "image_url", "image_url": {"url": "data:", "detail": detail}} for detail in ("low", None))
    assert (of(low), of(auto), of(low, auto, low)) == (85, 765, 935)
    second = "A" * (48_000 * 4 // 3)
    assert of({"type": "input_audio", "input_audio": {"data": second, "format": "wav"}}) == 10
    assert of({"type": "input_audio", "input_audio": {"data": second, "format": "mp3"}}) == 30
    assert of({"type": "file", "file": {"file_data": second}}) == 960
    assert of({"type": "file", "file": {"file_id": "file-1"}}) == of({"type": "new", "text": 7}) == 0


def test_the_largest_request_is_soon_counted():
    part, empty = {"type": "text", "text": "word " * 900}, {"type": "text", "text": ""}
    messages = [{"role": "user", "content": [part]}] * 2000 + [{"role": "user", "content": [empty] * 100_000}]
    request = ChatRequest(model="m", messages=messages)
    began = time.monotonic()
    assert prompt_tokens(request, opened("estimate")) > 1_000_000
    assert time.monotonic() - began < 5


def test_texts_alone_are_counted_without_frames_and_token_arrays_by_their_length():
    asked = Embed.of("m", ["Hello", [7, 8, 9], [{"type": "text", "text": "Hi"}]], {}, {})
    assert prompt_tokens(asked, Characters()) == 5 + 3 + 2
    assert about(asked) == 3 + 2  # four bytes a token, rounded up once
    assert of({"type": "tokens", "tokens": [1, 2, 3, 4]}) == 4
    assert tokens(message([5, 6])) == 4 + 2


@pytest.mark.parametrize("extra", [{"cls": 1, "_fields_set": 2, "self": 3}, {"messages": 1, "stream": True, "n": 5}])
def test_what_a_caller_calls_its_extra_fields_changes_nothing_else(extra):
    asked = Embed.of("m", ["Hello"], {"dimensions": 3, "user": None}, extra)
    own = {} if "stream" in extra else extra
    assert asked.given() == {"model": "m", "input": ["Hello"], "dimensions": 3, **own}
    assert (asked.stream, asked.n, asked.inputs) == (None, None, ["Hello"])
    assert asked.without("dimensions").given() == {"model": "m", "input": ["Hello"], **own}
