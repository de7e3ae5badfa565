"""Messages made into those that a backend understands."""

import pytest

from dragoman import Chunk
from dragoman.emulation.developer import renamed
from dragoman.emulation.functions import translated
from dragoman.emulation.history import told
from dragoman.emulation.ignored import ignored
from dragoman.emulation.system import folded
from tests.emulation.saying import Saying, heard

SYSTEM = {"role": "system", "content": "Be kind."}
DEVELOPER = {"role": "developer", "content": [{"type": "text", "text": "Be brief."}]}
HI = {"role": "user", "content": "Hi"}
HELLO = {"role": "assistant", "content": "Hello."}
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
SEEN = {"role": "user", "content": [{"type": "text", "text": "See"}, IMAGE]}


def part(text):
    return {"type": "text", "text": text}


def asked(middleware, *messages, **more):
    """The messages that a backend gets."""
    saying = Saying(["x"])
    heard(middleware(saying), messages=list(messages), **more)
    return saying.asked[0].messages


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ([SYSTEM, HI], [{"role": "user", "content": "Be kind.\n\nHi"}]),
        ([SYSTEM, DEVELOPER, HI, HELLO, HI], [{"role": "user", "content": "Be kind.\n\nBe brief.\n\nHi"}, HELLO, HI]),
        ([HI, HELLO, SYSTEM, HI], [{"role": "user", "content": "Be kind.\n\nHi"}, HELLO, HI]),
        (
            [SYSTEM, SEEN],
            [
                {
                    "role": "user",
                    "content": [{"type": "text", "text": "Be kind."}, {"type": "text", "text": "See"}, IMAGE],
                }
            ],
        ),
        ([SYSTEM, HELLO], [{"role": "user", "content": "Be kind."}, HELLO]),
        ([SYSTEM], [{"role": "user", "content": "Be kind."}]),
        ([HI], [HI]),
    ],
)
def test_instructions_are_folded_into_the_first_user_turn(given, made):
    assert asked(folded(hears_all=True), *given) == made


def test_they_are_folded_into_the_last_turn_where_nothing_else_is_heard():
    assert asked(folded(hears_all=False), SYSTEM, HI, HELLO, HI)[-1] == {"role": "user", "content": "Be kind.\n\nHi"}


def test_a_developer_is_the_system_to_a_backend_that_knows_no_other():
    assert asked(renamed, DEVELOPER, HI) == [{**DEVELOPER, "role": "system"}, HI]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ([SYSTEM, HI, HELLO, HI], [SYSTEM, {"role": "user", "content": "User: Hi\nAssistant: Hello.\nUser: Hi"}]),
        ([HI], [HI]),
        ([SEEN], [SEEN]),
        (
            [HELLO, SEEN],
            [{"role": "user", "content": [{"type": "text", "text": "Assistant: Hello.\nUser: See"}, IMAGE]}],
        ),
    ],
)
def test_a_conversation_is_one_message_to_a_backend_that_hears_one(given, made):
    assert asked(told, *given) == made


def test_a_mark_stands_where_an_image_was():
    without = {
        **SEEN,
        "content": [{"type": "text", "text": "See"}, {"type": "text", "text": "[an image was left out]"}],
    }
    assert asked(ignored("images"), HI, SEEN) == [HI, without]


def test_what_is_ignored_is_as_if_it_had_not_been_sent():
    saying = Saying(["x"])
    heard(ignored("logprobs")(saying), logprobs=True, top_logprobs=2, seed=1)
    assert saying.asked[0].given().keys() == {"model", "messages", "seed"}
    assert asked(ignored("system"), SYSTEM, DEVELOPER, HI) == [HI]
    assert asked(ignored("developer"), SYSTEM, DEVELOPER, HI) == [SYSTEM, HI]


ADD = {"name": "add", "parameters": {"type": "object"}}
CALLS = {"index": 0, "id": "call_x", "type": "function", "function": {"name": "add", "arguments": '{"a"'}}
MORE = {"index": 0, "function": {"arguments": ": 1}"}}


@pytest.mark.parametrize("stream", [False, True])
def test_the_old_functions_are_asked_as_tools_and_answered_as_functions(stream):
    from_tools = [Chunk(tool_calls=[CALLS]), Chunk(tool_calls=[MORE])]
    saying = Saying(from_tools, finish="tool_calls")
    answer = heard(translated(saying), functions=[ADD], function_call={"name": "add"}, stream=stream)
    [choice] = answer["choices"]
    assert choice["message"]["function_call"] == {"name": "add", "arguments": '{"a": 1}'}
    assert choice["finish_reason"] == "function_call"
    assert "tool_calls" not in choice["message"]
    request = saying.asked[0].given()
    assert request["tools"] == [{"type": "function", "function": ADD}]
    assert request["tool_choice"] == {"type": "function", "function": {"name": "add"}}
    assert request["parallel_tool_calls"] is False
    assert not request.keys() & {"functions", "function_call"}


def test_earlier_function_calls_are_tool_calls_with_their_results():
    called = {"role": "assistant", "content": None, "function_call": {"name": "add", "arguments": "{}"}}
    result = {"role": "function", "name": "add", "content": "5"}
    [question, calls, results] = asked(translated, HI, called, result, functions=[ADD])
    assert question == HI
    assert calls["tool_calls"][0]["function"] == called["function_call"]
    assert "function_call" not in calls
    assert results == {"role": "tool", "tool_call_id": calls["tool_calls"][0]["id"], "content": "5"}
