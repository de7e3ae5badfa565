"""Calls are read while they come: what flows when, what is no call, and what is one gone wrong."""

import json
import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dragoman.calling.reading import Argued, Called, Calls, Ended, Said
from tests.calling.hearing import SCHEMAS, TOOLS, events, heard, sliced, told
from tests.calling.test_forms import CALL, KEYED, NATIVE, NOW, PARIS, SEVERAL, WRAPPED

OPEN, CLOSE = "<tool_call>", "</tool_call>"
UNKNOWN = '{"name": "nope", "arguments": {"a": 1}}'
BITS = [
    *(OPEN, CLOSE, CALL, NOW, '{"name": "get_weather", "arguments": ', '{"city": "Par', '"}', "}", "[", "]", "{", ")"),
    *(
        "\n",
        "\n\n",
        " ",
        "text",
        "get_weather",
        "now",
        "shell",
        "(",
        'city="Paris"',
        "```",
        "```json\n",
        "```tool_code\n",
    ),
    *("[TOOL_CALLS]", "[ARGS]", "<function=get_weather>", "</function>", "<parameter=city>", "</parameter>", "<city>"),
    *("</city>", '<invoke name="now">', "</invoke>", "<|python_tag|>", "<|channel|>analysis", "<|message|>", "<|end|>"),
    *(
        "<|call|>",
        "commentary to=functions.get_weather ",
        "Action: ",
        "Action Input: ",
        "Observation: ",
        "<get_weather>",
    ),
    *(
        "</get_weather>",
        "functools[",
        '"arguments"',
        '"name"',
        ": ",
        ",",
        '"{\\"city\\": \\"x\\"}"',
        "\\",
        '"',
        "'",
        "`",
    ),
    *(
        "<arg_key>",
        "</arg_key>",
        "<arg_value>",
        "<｜tool▁call▁begin｜>",
        "<｜tool▁sep｜>",
        '{"function": ',
        '"unknown"',
    ),
    *(
        "<tool",
        "<tool_response>",
        "<think>",
        "</think>",
        "é",
        "\ud83d",
        "print(",
        ">>>",
        "**",
        "call:",
        "<escape>",
        "<",
    ),
    *(
        '{"tool_calls": [',
        "x" * 300,
        "<shell>",
        "</shell>",
        "null",
        ";",
        "// c\n",
        '{"get_weather": ',
        '"""',
        "'''",
        "#",
    ),
    *('<tool_call name="now">', "<|start|>assistant", "~~~", "\r\n", "\t", '"id": 1, ', "{'name': 'now'}", UNKNOWN),
]
TEXTS = st.lists(st.sampled_from(BITS), max_size=14).map("".join)
FORMS = st.tuples(
    st.sampled_from([*WRAPPED, *KEYED, *NATIVE, *SEVERAL]), st.integers(0, 300), st.sampled_from(["", *BITS])
)
BROKEN = FORMS.map(lambda form: form[0][: form[1]] + form[2] + form[0][form[1] :])


def said(text):
    """What is said of a text that holds no call."""
    heard_events, over = events(text)
    assert not over
    assert all(isinstance(event, Said) for event in heard_events), heard_events
    return "".join(event.text for event in heard_events)


@given(sliced(TEXTS | BROKEN))
@example(("\n" * 5000 + CALL, ["\n" * 2500, "\n" * 2500 + CALL]))
@example(('{"x": 1}\n{"id": "' + "x" * 3000 + '"}', ['{"x": 1}\n{"id": "' + "x" * 1990, "x" * 1010 + '"}']))
def test_slices_make_no_difference(case):
    text, pieces = case
    assert events(*pieces) == events(text) == events(*text)


@given(TEXTS | BROKEN)
def test_a_call_that_begins_is_given_json_and_ends(text):
    open = False
    for event in events(text)[0]:
        assert isinstance(event, Argued | Ended) if open else not isinstance(event, Argued | Ended)
        open = isinstance(event, Called | Argued)
    assert not open
    assert all(
        isinstance(call[1], dict) for call in told(events(text)[0]) if isinstance(call, list) and call[0] != "shell"
    )


@pytest.mark.parametrize(
    "text",
    [
        "Plain words.\n\nMore of them,  with   blanks. \n",
        "if a < b and {x | x > 0} then `[1, 2]`\n{n \\in N}\n[x] todo\n[link](http://a.b)\n{\n  int x = 1;\n}\n",
        '```json\n{"name": "Paris", "arguments": {"a": 1}}\n```\n',
        '```json\n{"city": "Paris",\n "list": [\n{"name": "get_weather", "arguments": {}}\n]}\n```',
        '{\n  "items": [\n    {"name": "get_weather", "arguments": {}}\n  ]\n}',
        '{"name": "nope", "arguments": {}}\n{"name": "get_weather", "description": "…", "parameters": {}}',
        '{"name": "get_weather", "parameters": {"type": "object", "properties": {}}}',
        '```python\ndef f():\n    return get_weather(city="Paris")\n\nget_weather(city="Paris")\n```',
        '```python\nget_weather(city="Paris")\nprint("done")\n```',
        "get_weather(city) is a tool.\nget_weather(city=x)\nget_weather() is another way.\nprint(1)\n",
        "<html><body><p class='x'>now</p><br/></body></html>\n<!-- now -->\n",
        '<tools><tool name="hammer">Steel</tool></tools>\n<function name="main"><returns>int</returns></function>',
        "I write a <tool_call> block. Between `<tool_call>` and `</tool_call>` stands JSON; [TOOL_CALLS] is Mistral's.",
        "Action: sleep\nAction Input: 5\nTool: a saw\nThe Action: was\nCall: me\n",
        '```\n<tool_call>\n{"name": "<name>", "arguments": {}}\n</tool_call>\n```\nis how it looks.',
        "<think>\n<tool_call>" + CALL + "</tool_call>\n</think>\nNo need.",
        "<function=nope",
        "{" * 3000,
        '{"id": "' + "x" * 2500,
    ],
)
def test_text_without_a_call_is_as_it_was(text):
    assert said(text) == text
    assert events(*text) == events(text)


@given(st.text(st.characters(exclude_characters="<[{`~"), max_size=200))
def test_text_without_any_mark_flows_by(text):
    assert said(text) == text


def test_plain_text_is_passed_on_at_once():
    calls = Calls(TOOLS)
    for piece in ("Hello", " there", ", 1 ", "< 2", " and a", " {b}", " c.\n", "Next", " <b>bold", "</b> ", "x"):
        held = calls.feed(piece)
        assert "".join(event.text for event in held).strip() or piece.isspace()


def test_arguments_flow_as_they_come():
    calls = Calls(TOOLS)
    calls.feed('<tool_call>{"name": "get_weather", "arguments": {"city": "Pa')
    assert [calls.feed(piece) for piece in ("ri", "s and", " <b>")] == [
        [Argued("ri")],
        [Argued("s and")],
        [Argued(" <b>")],
    ]
    assert calls.feed('"}}') == [Argued('"}'), Ended(False, False)]


def test_arguments_in_a_text_flow_as_well():
    calls = Calls(TOOLS)
    calls.feed('{"name": "get_weather", "arguments": "{\\"city\\": \\"Pa')
    assert "".join(event.text for piece in ("ri", "s and", " more") for event in calls.feed(piece)) == "ris and more"


def test_what_may_be_a_call_is_held_no_longer_than_needed():
    calls = Calls(TOOLS)
    assert calls.feed("Well ") == [Said("Well")]
    assert calls.feed("\n<tool_") == []
    assert calls.feed("box>") == [Said(" \n<tool_box>")]
    assert calls.feed('\n{"type": "') == []
    assert [calls.feed("word" * 100) for _ in range(4)] == [[]] * 4
    assert [event.text[:9] for event in calls.feed("word" * 200)] == ['\n{"type":']


@pytest.mark.parametrize(
    ("text", "call"),
    [
        ('{"name": "get_weather", "arguments": {"city": "Par', ["get_weather", {"city": "Par"}, "cut in text"]),
        ('{"name": "get_weather", "arguments": {"city": "Paris"', ["get_weather", {"city": "Paris"}, "cut"]),
        ('{"name": "get_weather", "arguments": {"city": "Paris"}', ["get_weather", {"city": "Paris"}, "cut"]),
        ('{"name": "get_weather", "arguments": "{\\"city\\": \\"Par', ["get_weather", {"city": "Par"}, "cut in text"]),
        ('{"name": "shell", "input": "ls', ["shell", "ls", "cut in text"]),
        ("<function=get_weather><parameter=city>Par", ["get_weather", {"city": "Par"}, "cut in text"]),
        ("<function=get_weather><parameter=city>Paris</parameter>", ["get_weather", {"city": "Paris"}, "cut"]),
        ('[get_weather(city="Par', ["get_weather", {"city": "Par"}, "cut in text"]),
        ("[get_weather(days=3", ["get_weather", {"days": 3}, "cut"]),
        ('<tool_call>{"name": "now"', ["now", {}, "cut"]),
    ],
)
def test_a_call_that_is_cut_off_is_closed(text, call):
    assert heard(text) == [call]


@pytest.mark.parametrize("text", [f"{OPEN}{UNKNOWN}{CLOSE}", f"{OPEN}\n{UNKNOWN}\n{CLOSE}", f"[TOOL_CALLS][{UNKNOWN}]"])
def test_an_unknown_tool_is_told_as_it_was_called(text):
    assert heard(text) == [{"unknown": "nope", "text": text}]


@pytest.mark.parametrize(
    "text",
    [
        "<function=nope><parameter=a>1</parameter></function>",
        '<|channel|>commentary to=functions.nope<|message|>{"a": 1}<|call|>',
        "```tool_code\nnope(a=1)\n```",
        f"```tool_call\n{UNKNOWN}\n```",
        f"<tool>{UNKNOWN}</tool>",
    ],
)
def test_an_unknown_tool_is_clear_in_other_forms_too(text):
    assert [(event["unknown"],) for event in heard(text)] == [("nope",)]


def test_a_known_tool_beside_an_unknown_one_is_called():
    assert heard(f"{OPEN}{UNKNOWN}{CLOSE}\n{OPEN}{CALL}{CLOSE}")[1] == PARIS
    assert heard(f'{OPEN}{{"tool_calls": [{UNKNOWN}, {CALL}]}}{CLOSE}')[1] == PARIS


@pytest.mark.parametrize(
    "text",
    ['{"city": "Paris"}', "[1, 2]", "the weather in Paris", '{"name": ', "```json\n[]\n```", "get_weather(city=x)"],
)
def test_what_was_meant_as_a_call_and_is_none_is_broken(text):
    assert heard(f"Well.\n{OPEN}{text}{CLOSE}\nSo.") == ["Well.", {"broken": f"{OPEN}{text}{CLOSE}"}, "So."]


@pytest.mark.parametrize(
    "results",
    [
        "\n<tool_result>\n18\n</tool_result>",
        "<tool_response>18</tool_response>",
        "\nObservation: 18",
        "<|start|>tool<|message|>18",
        "[TOOL_RESULTS]18",
        "<｜tool▁outputs▁begin｜>18",
    ],
)
def test_made_up_results_end_the_reading(results):
    text = f"{OPEN}{CALL}{CLOSE}{results}\nIt is 18°C. {OPEN}{NOW}{CLOSE}"
    assert heard(text) == [PARIS]
    assert events(text)[1]


def test_text_after_a_call_is_said():
    assert heard(f"{OPEN}{CALL}{CLOSE}\n\nDone. <b>\n") == [PARIS, "Done. <b>\n"]


def test_only_the_caller_s_messages_are_said():
    text = "<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>final<|message|>Hello.<|return|>"
    assert heard(text) == ["Hello."]


def test_calls_in_thoughts_that_never_end_count():
    assert heard(f"<think>\nI do.\n{OPEN}{CALL}{CLOSE}")[-1] == PARIS


def test_two_tools_that_differ_only_in_case_are_two():
    tools = {"now": "function", "NOW": "function"}
    assert heard('{"name": "NOW"}', tools=tools) == [["NOW", {}]]
    assert heard('{"name": "Now"}', tools=tools) == ['{"name": "Now"}']


def test_python_is_read_and_never_run():
    for text in ('get_weather(city=open("x").read())', "get_weather(city=f'{1}')", "get_weather(**x)", "now(a=...)"):
        assert said(text) == text
    assert heard("[get_weather(city='''a\nb''', places=(1, -2.5, None, true, {'a': []}))]") == [
        ["get_weather", {"city": "a\nb", "places": [1, -2.5, None, True, {"a": []}]}]
    ]
    assert said(f"now({'(' * 5000}") == f"now({'(' * 5000}"


def test_numbers_that_are_rather_names_stay_text():
    number = "12345678901234567890"
    assert heard(f"<function=now><parameter=id>{number}</parameter></function>") == [["now", {"id": number}]]


@pytest.mark.parametrize(
    "bit",
    [
        "{\n",
        '{"id":"x\n',
        "<tool_call>",
        "\n<tool_call>{",
        '<tool_call>{"arguments":"',
        "```\n",
        "get_weather('\n",
        "<a ",
    ],
)
def test_the_time_it_takes_grows_with_the_text_only(bit):
    calls = Calls(TOOLS, SCHEMAS)
    begun = time.perf_counter()
    text = (bit * 60_000)[:60_000]
    for place in range(0, len(text), 16):
        calls.feed(text[place : place + 16])
    calls.end()
    assert time.perf_counter() - begun < 20


def test_long_arguments_are_not_copied_again_and_again():
    calls = Calls(TOOLS)
    calls.feed(f"{OPEN}{CALL[:-3]}")
    begun = time.perf_counter()
    pieces = [event.text for _ in range(50_000) for event in calls.feed("word")]
    assert len("".join(pieces)) == 200_000
    assert time.perf_counter() - begun < 5
    assert json.loads('"' + "".join(pieces) + '"')
