"""A call is heard in whatever form a model writes it, and text around it stays text."""

import pytest

from tests.calling.hearing import heard

PARIS = ["get_weather", {"city": "Paris"}]
TWO = [PARIS, ["now", {}]]
CALL = '{"name": "get_weather", "arguments": {"city": "Paris"}}'
NOW = '{"name": "now", "arguments": {}}'
GIVEN = '{"city": "Paris"}'

WRAPPED = [
    f"<tool_call>\n{CALL}\n</tool_call>",
    f'<tool_call id="1">{CALL}</tool_call>',
    f"<TOOL_CALL>{CALL}</TOOL_CALL>",
    f"<toolcall>{CALL}</toolcall>",
    f"<tool-call>{CALL}</tool-call>",
    f"<tool\\_call>{CALL}</tool\\_call>",
    f"<function_call>{CALL}</function_call>",
    f"<function_call>{CALL}</tool_call>",
    f"<tool>{CALL}</tool>",
    f"<tools>{CALL}</tools>",
    f"<function>{CALL}</function>",
    f"<tool_calls>[{CALL}]</tool_calls>",
    f"<tool_call>{CALL}",
    f"<tool_call>\n```json\n{CALL}\n```\n</tool_call>",
    f"```xml\n<tool_call>{CALL}</tool_call>\n```",
    f"~~~json\n{CALL}\n~~~",
    f'<tool_call name="get_weather">{GIVEN}</tool_call>',
    f"<tool_call>I will call it now: {CALL}</tool_call>",
    f"<tool_call>{CALL[:-1]}</tool_call>",
    f"<tool_call>{CALL[:-2]}</tool_call>",
    f"<tool_call>{CALL}}}}}</tool_call>",
    f"[TOOL_REQUEST]{CALL}[END_TOOL_REQUEST]",
    f"```json\n{CALL}\n```",
    f"```json {CALL} ```",
    f"```tool_call\n{CALL}\n```",
    "```tool_code\nprint(get_weather(city='Paris'))\n```",
    f"```tool\n{CALL}\n```",
    f"```function\n{CALL}\n```",
    f"```\n{CALL}\n```",
]
KEYED = [
    CALL,
    f"[{CALL}]",
    f'{{"id": "call_1", "type": "function", "function": {CALL}}}',
    f'{{"tool_calls": [{CALL}]}}',
    f'{{"tool_call": {CALL}, "id": "x"}}',
    f'{{"get_weather": {GIVEN}}}',
    f'{{"tool": "get_weather", "args": {GIVEN}}}',
    f'{{"tool_name": "get_weather", "tool_input": {GIVEN}}}',
    f'{{"function": "get_weather", "parameters": {GIVEN}}}',
    f'{{"function_name": "get_weather", "kwargs": {GIVEN}}}',
    f'{{"action": "get_weather", "action_input": {GIVEN}}}',
    f'{{"recipient_name": "functions.get_weather", "parameters": {GIVEN}}}',
    f'{{"arguments": {GIVEN}, "name": "get_weather"}}',
    f'{{"name": " Get_Weather", "arguments": {GIVEN}}}',
    '{"name": "get_weather", "arguments": "{\\"city\\": \\"Paris\\"}"}',
    '{"arguments": "{\\"city\\": \\"Paris\\"}", "name": "get_weather"}',
    '{"name": "get_weather", "arguments": [{"city": "Paris"}]}',
    '{"name": "get_weather", "arguments": "Paris"}',
    "{'name': 'get_weather', 'arguments': {'city': 'Paris',},}",
    '{name: "get_weather", arguments: {city: "Paris"}}',
    '<tool_call>{"name": "get_weather", "city": "Paris"}</tool_call>',
    '<tool_call>{"name": "get_weather", "type": "function", "city": "Paris", "id": "call_1"}</tool_call>',
    '<tool_call>{\\"name\\": \\"get_weather\\", \\"arguments\\": {\\"city\\": \\"Paris\\"}}</tool_call>',
]
NATIVE = [
    f"[TOOL_CALLS][{CALL}]",
    f"[TOOL_CALLS] [{CALL}]",
    f"[TOOL_CALLS]get_weather{GIVEN}",
    f"[TOOL_CALLS]get_weather[ARGS]{GIVEN}",
    f"[TOOL_CALLS]get_weather[CALL_ID]a1b2[ARGS]{GIVEN}",
    f"<|python_tag|>{CALL}",
    '<|python_tag|>get_weather.call(city="Paris")<|eom_id|>',
    f"<function=get_weather>{GIVEN}</function>",
    "<tool_call>\n<function=get_weather>\n<parameter=city>\nParis\n</parameter>\n</function>\n</tool_call>",
    "<function=get_weather>\n<parameter=city>\nParis\n</function>",
    '<function_calls><invoke name="get_weather"><parameter name="city">Paris</parameter></invoke></function_calls>',
    '<x:tool_call><x:invoke name="get_weather"><x:parameter name="city">Paris</x:parameter></x:invoke></x:tool_call>',
    "<tool_call>get_weather\n<arg_key>city</arg_key>\n<arg_value>Paris</arg_value>\n</tool_call>",
    "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>get_weather\n"
    f"```json\n{GIVEN}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    f"<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>get_weather<｜tool▁sep｜>{GIVEN}<｜tool▁call▁end｜><｜tool▁calls▁end｜>",
    '<｜DSML｜function_calls><｜DSML｜invoke name="get_weather"><｜DSML｜parameter name="city" string="true">Paris'
    "</｜DSML｜parameter></｜DSML｜invoke></｜DSML｜function_calls>",
    "<|tool_calls_section_begin|><|tool_call_begin|>functions.get_weather:0<|tool_call_argument_begin|>"
    f"{GIVEN}<|tool_call_end|><|tool_calls_section_end|>",
    "<|channel|>analysis<|message|>I call it.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather "
    f"<|constrain|>json<|message|>{GIVEN}<|call|>",
    f"<|start|>assistant to=functions.get_weather<|channel|>commentary json<|message|>{GIVEN}<|call|>",
    f"commentary to=functions.get_weather json{GIVEN}",
    f"analysisI call it.assistantcommentary to=functions.get_weather json{GIVEN}",
    f"functools[{CALL}]",
    f"<|tool_call|>[{CALL}]",
    f"Action: ```json\n[{CALL}]\n```",
    f"Action: get_weather\nAction Input: {GIVEN}",
    f"**Action:** `get_weather`\n**Action Input:** {GIVEN}",
    "Action: get_weather\nAction Input: Paris",
    'Action: get_weather(city="Paris")',
    f"✿FUNCTION✿: get_weather\n✿ARGS✿: {GIVEN}",
    '[get_weather(city="Paris")]',
    "get_weather(city='Paris')",
    "get_weather('Paris')",
    "<|tool_call_start|>[get_weather(city='Paris')]<|tool_call_end|>",
    "<get_weather><city>Paris</city></get_weather>",
    "<get_weather>\n<city>Paris</city>\n</get_weather>",
    '<get_weather city="Paris"/>',
    f"get_weather\n{GIVEN}",
    f"<invoke><tool_name>get_weather</tool_name><parameters>{GIVEN}</parameters></invoke>",
    "<start_function_call>call:get_weather{city:<escape>Paris<escape>}<end_function_call>",
]
SEVERAL = [
    f"<tool_call>{CALL}</tool_call>\n<tool_call>{NOW}</tool_call>",
    f"<tool_call>{CALL}\n{NOW}</tool_call>",
    f"<tool_call>[{CALL}, {NOW}]</tool_call>",
    f"```json\n{CALL}\n{NOW}\n```",
    f"[{CALL}, {NOW}]",
    f"{CALL}; {NOW}",
    f'{{"tool_calls": [{CALL}, {NOW}]}}',
    f'{{"get_weather": {GIVEN}, "now": {{}}}}',
    f"[TOOL_CALLS]get_weather{GIVEN}[TOOL_CALLS]now{{}}",
    f"<function=get_weather>{GIVEN}</function>;<function=now>{{}}</function>",
    '[get_weather(city="Paris"), now()]',
    'get_weather(city="Paris")\nnow()',
    '```tool_code\nx = get_weather(city="Paris")\nprint(now())\n```',
    '<function_calls><invoke name="get_weather"><parameter name="city">Paris</parameter></invoke>'
    '<invoke name="now"></invoke></function_calls>',
]


@pytest.mark.parametrize("text", [*WRAPPED, *KEYED, *NATIVE])
def test_a_call_is_heard(text):
    assert heard(text) == [PARIS]


@pytest.mark.parametrize("text", [text for text in (*WRAPPED, *KEYED, *NATIVE) if not text.startswith("analysis")])
def test_text_before_it_is_said_without_the_blanks_between(text):
    assert heard(f"I look.\n\n{text}\n") == ["I look.", PARIS]


@pytest.mark.parametrize("text", SEVERAL)
def test_several_calls_are_heard(text):
    assert heard(text) == TWO


@pytest.mark.parametrize(
    "given", ["", ', "arguments": {}', ', "arguments": null', ', "arguments": ""', ', "args": "{}"']
)
def test_a_call_without_arguments_is_given_an_empty_object(given):
    assert heard(f'{{"name": "now"{given}}}') == [["now", {}]]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("<days>3</days>", {"days": 3}),
        ("<city>75001</city>", {"city": "75001"}),
        ('<places>["a", "b"]</places>', {"places": ["a", "b"]}),
        ("<places>['a',]</places>", {"places": ["a"]}),
        ("<city>true</city><days>x</days>", {"city": "true", "days": "x"}),
        ("<city>\n a < b \n</city>", {"city": " a < b "}),
        ("<city><![CDATA[a</b>]]></city>", {"city": "a</b>"}),
    ],
)
def test_values_between_marks_are_what_the_schema_says(text, value):
    assert heard(f"<get_weather>{text}</get_weather>")[0] == ["get_weather", value]


def test_values_between_marks_are_json_where_no_schema_says_that_they_are_text():
    marks = "".join(
        f"<parameter={place}>{text}</parameter>" for place, text in enumerate(("1", "true", "{}", "a", "007"))
    )
    assert heard(f"<function=now>{marks}</function>") == [["now", {"0": 1, "1": True, "2": {}, "3": "a", "4": "007"}]]


def test_a_value_may_hold_the_marks_of_a_call():
    inner = '<tool_call>{"name": "x"}</tool_call>'
    text = f"<function=get_weather><parameter=city>{inner}</parameter></function>"
    assert heard(text) == [["get_weather", {"city": inner}]]
    assert heard(CALL.replace("Paris", "</tool_call> and ``` and <|call|>"))[0][1]["city"].startswith("</tool_call>")


@pytest.mark.parametrize(
    "text",
    [
        '<tool_call>{"name": "shell", "input": "ls -la"}</tool_call>',
        '{"name": "shell", "arguments": {"input": "ls -la"}}',
        '{"name": "shell", "arguments": {"command": "ls -la"}}',
        '{"input": "ls -la", "name": "shell"}',
        "<function=shell>\nls -la\n</function>",
        '<invoke name="shell"><parameter name="input">ls -la</parameter></invoke>',
        '<tool_call name="shell">ls -la</tool_call>',
        "<shell>ls -la</shell>",
        "<|channel|>commentary to=functions.shell<|message|>ls -la<|call|>",
        "Action: shell\nAction Input: ls -la",
        "[shell('ls -la')]",
    ],
)
def test_a_custom_tool_is_given_its_text(text):
    assert heard(text) == [["shell", "ls -la"]]
