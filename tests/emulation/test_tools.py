"""Tool calls made of text: what the model is told, and what the caller gets of what it says."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import Chunk
from dragoman.abilities import Tools
from dragoman.emulation.tools import called
from dragoman.errors import EmulationFailed, InvalidRequest
from tests.emulation.saying import Saying, call, calls, chunks, heard, slicings, text

WEATHER = {
    "name": "weather",
    "description": "Tells the weather.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
NOW = {"name": "now"}
SHELL = {"name": "shell", "description": "Runs a command."}
TOOLS = [*({"type": "function", "function": tool} for tool in (WEATHER, NOW)), {"type": "custom", "custom": SHELL}]
STANDARD = Tools()
STRICT = [{"type": "function", "function": {**WEATHER, "strict": True}}]


def block(name="weather", **arguments):
    return f"<tool_call>\n{json.dumps({'name': name, 'arguments': arguments})}\n</tool_call>"


PARIS = block(city="Paris")


def made(*answers, options=STANDARD, finish="stop", **request):
    """The handler, and what a caller gets of it who offers the tools."""
    saying = Saying(*([answer] if isinstance(answer, str) else answer for answer in answers), finish=finish)
    return saying, heard(called(options, 60)(saying), **{"tools": TOOLS, **request})


@pytest.mark.parametrize("stream", [False, True])
def test_text_and_calls_are_told_apart(stream):
    _, answer = made(f"Let me look.\n\n{PARIS}\n{block('now')}", stream=stream)
    assert text(answer) == "Let me look."
    assert calls(answer) == [("weather", {"city": "Paris"}), ("now", {})]
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    ids = [each["id"] for each in answer["choices"][0]["message"]["tool_calls"]]
    assert len(set(ids)) == 2
    assert all(id.startswith("call_") for id in ids)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_without_calls_passes(stream):
    _, answer = made("Nothing to call: `<tool_call>` is how I would.", stream=stream)
    assert text(answer) == "Nothing to call: `<tool_call>` is how I would."
    assert answer["choices"][0]["finish_reason"] == "stop"


ANSWERS = [
    f"Let me look.\n{PARIS}",
    PARIS + block("now") + PARIS,
    'No calls, but { and < and ```json\n{"name": "x"}\n``` here.',
    '```json\n{"name": "weather", "arguments": {"city": "Par\\nis", "days": 3}}\n```',
    "<tool_call>{'name': 'weather', 'arguments': {'city': 'Köln',},}</tool_call> and then?",
    '<tool_call>\n{"name": "shell", "input": "ls -la | wc"}\n</tool_call>',
    '[TOOL_CALLS][{"name": "weather", "arguments": {"city": "Paris"}}]',
]


@given(st.sampled_from(ANSWERS).flatmap(lambda answer: st.tuples(st.just(answer), slicings(answer))))
def test_any_slicing_is_read_alike(case):
    answer, pieces = case
    _, whole = made(answer)
    for stream in {False, "shell" not in answer}:  # the SDK knows no custom tools in a stream
        _, told = made(pieces, stream=stream)
        assert unnamed(told) == unnamed(whole)


def unnamed(answer):
    """The answer without the ids of its calls."""
    for each in answer["choices"][0]["message"].get("tool_calls", ()):
        each.pop("id", None)
    return answer["choices"]


def test_text_flows_at_once_and_arguments_as_they_come():
    saying = Saying(
        ["Let me ", "look.\n", '<tool_call>{"name": "weather", "arg', 'uments": {"city": "Pa', "ris", '"}}']
    )
    asked = call(tools=TOOLS, stream=True)

    async def main():
        async with asked.open:
            return [(len(saying.said), chunk) async for chunk in called(Tools(), 60)(saying)(asked)]

    told = asyncio.run(main())
    assert [(when, chunk.text) for when, chunk in told if chunk.text] == [(1, "Let me"), (2, " look.")]
    pieces = [(when, each["function"]["arguments"]) for when, chunk in told for each in chunk.tool_calls or ()]
    assert "".join(piece for _, piece in pieces) == '{"city": "Paris"}'
    assert len({when for when, piece in pieces if piece}) >= 3


def test_the_model_is_told_of_the_tools_and_the_backend_is_not_asked_for_them():
    saying, _ = made(PARIS, messages=[{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}])
    [request] = saying.asked
    assert not request.given().keys() & {"tools", "tool_choice", "parallel_tool_calls"}
    [system, user] = request.messages
    assert system["content"].startswith("Be kind.\n\n# Tools")
    assert '{"name":"weather","description":"Tells the weather.","parameters":{"type":"object"' in system["content"]
    assert '"input"' in system["content"]
    assert user == {"role": "user", "content": "Hi"}


def test_the_prompt_may_be_ones_own():
    prompt = "Use {% for tool in tools %}{{ tool.name }} {% endfor %}{{ choice }} {{ named }} {{ parallel }}"
    saying, _ = made(PARIS, options=Tools(prompt=prompt), tool_choice="required")
    assert saying.asked[0].messages[0]["content"] == "Use weather now shell required  True"


HISTORY = [
    {"role": "user", "content": "Weather?"},
    {
        "role": "assistant",
        "content": "Let me look.",
        "tool_calls": [
            {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "Paris"}'}},
            {"id": "call_2", "type": "custom", "custom": {"name": "shell", "input": "ls"}},
        ],
    },
    {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
    {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "a b"}]},
]


@pytest.mark.parametrize("more", [{}, {"tool_choice": "none"}, {"tools": None}])
def test_earlier_calls_and_their_results_are_told_as_text(more):
    saying, answer = made("Sunny.", messages=HISTORY, **more)
    assert text(answer) == "Sunny."
    [*_, question, assistant, results] = saying.asked[0].messages
    assert question == HISTORY[0]
    assert assistant == {
        "role": "assistant",
        "content": 'Let me look.\n<tool_call>\n{"name":"weather","arguments":{"city":"Paris"}}\n</tool_call>\n'
        '<tool_call>\n{"name":"shell","input":"ls"}\n</tool_call>',
    }
    assert results == {
        "role": "user",
        "content": '<tool_result name="weather">\nsunny\n</tool_result>\n'
        '<tool_result name="shell">\na b\n</tool_result>',
    }


def test_with_the_choice_none_nothing_is_offered_and_nothing_read():
    saying, answer = made(PARIS, tool_choice="none")
    assert text(answer) == PARIS
    assert len(saying.asked[0].messages) == 1


@pytest.mark.parametrize(
    ("choice", "offered"),
    [
        ("required", ["weather", "now", "shell"]),
        ({"type": "function", "function": {"name": "weather"}}, ["weather"]),
        ({"type": "custom", "custom": {"name": "shell"}}, ["shell"]),
        (
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "now"}}]},
            },
            ["now"],
        ),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_who_must_call_and_does_not_is_told_so(choice, offered, stream):
    stream = stream and offered != ["shell"]  # the SDK knows no custom tools in a stream
    right = {"shell": '<tool_call>{"name": "shell", "input": "ls"}</tool_call>'}.get(
        offered[0], block(offered[0], city="P")
    )
    saying, answer = made("I would rather not.", right, tool_choice=choice, stream=stream)
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert "rather not" not in text(answer)
    assert [f'"name":"{name}"' in saying.asked[0].messages[0]["content"] for name in offered] == [True] * len(offered)
    [*_, said, correction] = saying.asked[1].messages
    assert said == {"role": "assistant", "content": "I would rather not."}
    assert "did not call a tool" in correction["content"]
    assert saying.closed == 2


def test_a_tool_that_is_not_allowed_is_not_there():
    choice = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "name": "now"}]},
    }
    saying, answer = made(PARIS, block("now"), tool_choice=choice)
    assert calls(answer) == [("now", {})]
    assert '"name":"weather"' not in saying.asked[0].messages[0]["content"]
    assert "There is no tool 'weather'. The tools are: now." in saying.asked[1].messages[-1]["content"]


@pytest.mark.parametrize("stream", [False, True])
def test_one_call_at_most_where_only_one_may_be_made(stream):
    saying, answer = made([PARIS, block("now"), "more"], parallel_tool_calls=False, stream=stream)
    assert calls(answer) == [("weather", {"city": "Paris"})]
    assert "more" not in saying.said


@pytest.mark.parametrize("stream", [False, True])
def test_a_custom_tool_is_given_text(stream):
    said = '<tool_call>\n{"name": "shell", "input": "echo \\"hi\\"\\nls"}\n</tool_call>'
    saying = Saying([said])
    told = asyncio.run(chunks(called(Tools(), 60)(saying), call(tools=TOOLS, stream=stream)))
    deltas = [each for chunk in told for each in chunk.tool_calls or ()]
    assert deltas[0]["type"] == "custom"
    assert deltas[0]["custom"]["name"] == "shell"
    assert "".join(each["custom"]["input"] for each in deltas) == 'echo "hi"\nls'


def test_what_is_said_after_a_call_is_not_told_since_its_result_cannot_be_known():
    _, answer = made(f"Look:\n{PARIS}\n<tool_result>\nsunny\n</tool_result>\nIt is sunny.", stream=True)
    assert text(answer) == "Look:"


@pytest.mark.parametrize("stream", [False, True])
def test_an_unknown_tool_is_corrected_once_and_then_text(stream):
    unknown = block("forecast", city="Paris")
    saying, answer = made(unknown, PARIS, stream=stream)
    assert calls(answer) == [("weather", {"city": "Paris"})]
    assert "There is no tool 'forecast'" in saying.asked[1].messages[-1]["content"]
    saying, answer = made(unknown, options=Tools(attempts=4), stream=stream)
    assert (text(answer), calls(answer), len(saying.asked)) == (unknown, [], 2)


def test_arguments_are_fitted_to_the_schema_or_asked_for_again():
    saying, answer = made(block(city="Paris", days="3"))
    assert calls(answer) == [("weather", {"city": "Paris", "days": 3})]
    assert len(saying.asked) == 1
    saying, answer = made(block(town="Paris"), PARIS)
    assert calls(answer) == [("weather", {"city": "Paris"})]
    assert "The arguments of 'weather' are not valid" in saying.asked[1].messages[-1]["content"]


def test_strict_arguments_that_stay_wrong_are_an_error_and_others_the_callers_affair():
    with pytest.raises(EmulationFailed, match="'weather' are not valid") as failed:
        made(block(town="Paris"), tools=STRICT)
    assert failed.value.status == 502
    _, answer = made(block(town="Paris"))
    assert calls(answer) == [("weather", {"town": "Paris"})]
    with pytest.raises(EmulationFailed):
        made(block(town="Paris"), tools=STRICT, stream=True)


@pytest.mark.parametrize("stream", [False, True])
def test_a_call_cut_off_by_the_limit_ends_for_its_length(stream):
    _, answer = made('<tool_call>{"name": "weather", "arguments": {"city": "Par', finish="length", stream=stream)
    assert calls(answer) == [("weather", {"city": "Par"})]
    assert answer["choices"][0]["finish_reason"] == "length"


def test_a_call_that_just_breaks_off_in_a_value_is_asked_for_again():
    _, answer = made('<tool_call>{"name": "weather", "arguments": {"city": "Par', PARIS)
    assert calls(answer) == [("weather", {"city": "Paris"})]
    with pytest.raises(EmulationFailed, match="breaks off"):
        made('<tool_call>{"name": "weather", "arguments": {"city": "Par', stream=True)


@pytest.mark.parametrize("stream", [False, True])
def test_missing_brackets_are_closed(stream):
    _, answer = made('<tool_call>{"name": "weather", "arguments": {"city": "Paris"', stream=stream)
    assert calls(answer) == [("weather", {"city": "Paris"})]


def test_nonsense_to_every_attempt_ends_in_the_documented_error():
    saying = Saying(["<tool_call>what?</tool_call>"])
    with pytest.raises(EmulationFailed) as failed:
        heard(called(Tools(attempts=3), 60)(saying), tools=TOOLS, tool_choice="required")
    assert failed.value.code == "emulation_failed"
    assert len(saying.asked) == 3


async def test_no_attempt_outlives_the_calls_time():
    async def handler(call):
        if len(call.request.messages) > 2:
            await asyncio.sleep(30)
        yield Chunk("no", finish="stop")

    with pytest.raises(EmulationFailed, match="no time left"):
        await chunks(called(Tools(attempts=5), 0.2)(handler), call(tools=TOOLS, tool_choice="required"))


def test_all_attempts_are_counted():
    usage = {"prompt_tokens": 10, "completion_tokens": 1}
    answers = [["no", Chunk(usage=usage)], [PARIS, Chunk(usage=usage)]]
    answer = heard(called(Tools(), 60)(Saying(*answers)), tools=TOOLS, tool_choice="required")
    assert answer["usage"]["prompt_tokens"] == 20


def test_calls_that_the_backend_makes_itself_pass():
    own = {"index": 0, "id": "call_own", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
    answer = heard(called(Tools(), 60)(Saying([Chunk(tool_calls=[own])])), tools=TOOLS, tool_choice="required")
    assert calls(answer) == [("weather", {})]


@pytest.mark.parametrize(
    ("request_", "param"),
    [
        ({"tools": [*TOOLS, TOOLS[0]]}, "tools[3].function.name"),
        ({"tool_choice": {"type": "function", "function": {"name": "none"}}}, "tool_choice.function.name"),
        ({"tool_choice": {"type": "custom", "custom": {"name": "x"}}}, "tool_choice.custom.name"),
        (
            {"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [{"name": "x"}]}}},
            "tool_choice.allowed_tools.tools",
        ),
        ({"tool_choice": {"type": "new"}}, "tool_choice.type"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"tools": [], "tool_choice": "required", "messages": HISTORY}, "tool_choice"),
        ({"messages": [{"role": "tool", "tool_call_id": "x", "content": "y"}]}, "messages[0].tool_call_id"),
        (
            {"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "thing"}}}]},
            "tools[0].function.parameters",
        ),
    ],
)
def test_what_makes_no_sense_is_refused_at_its_place(request_, param):
    with pytest.raises(InvalidRequest) as refused:
        made("x", **request_)
    assert refused.value.param == param
