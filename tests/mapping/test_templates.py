"""A template makes the JSON that a backend is sent: types kept, what is undefined left out, nothing evaluated twice."""

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import ChatRequest
from dragoman.errors import GatewayError
from dragoman.mapping.variables import NAMES, variables
from dragoman.templates import Template

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**64 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
CONVERSATION = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": "there"}]},
    {"role": "assistant", "content": None, "tool_calls": None},
    {"role": "developer", "content": "Be short."},
    {"role": "tool", "content": "42", "tool_call_id": "c"},
    {"role": "user", "content": "What?"},
    {"role": "assistant", "content": "Hm."},
]
TURNS = [
    {"role": "user", "content": "Hello\nthere"},
    {"role": "assistant", "content": ""},
    {"role": "tool", "content": "42"},
    {"role": "user", "content": "What?"},
    {"role": "assistant", "content": "Hm."},
]
PROMPT = "Be kind.\n\nBe short.\n\nUser: Hello\nthere\nAssistant: \nTool: 42\nUser: What?\nAssistant: Hm."


def request(**more):
    return ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": "Hello"}], **more})


def filled(template, **more):
    return made({"x": template}, request(**more)).get("x", "left out")


def made(template, asked):
    compiled = Template(template, NAMES)
    return compiled.filled(variables(asked, compiled.names))


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("{{ last_user }}", "What?"),
        ("{{ turns }}", TURNS),
        ("{{ system }}", "Be kind.\n\nBe short."),
        ("{{ prompt }}", PROMPT),
        ("{{ messages }}", CONVERSATION),
        ("{{ messages[0].content }}", "Be kind."),
        ("{{ messages | length }}", 7),
        ("{{ turns[-1] }}", {"role": "assistant", "content": "Hm."}),
        ("{{ model }}", "m"),
        ("{{ stream }}", False),
    ],
)
def test_a_template_speaks_of_the_conversation(template, made):
    assert filled(template, messages=CONVERSATION) == made


@pytest.mark.parametrize(
    ("template", "given_", "made"),
    [
        ("{{ temperature }}", {"temperature": 0}, 0),
        ("{{ temperature }}", {"temperature": 0.5}, 0.5),
        ("  {{temperature}}  ", {"temperature": 1}, 1),
        ("{{ temperature * 100 }}", {"temperature": 0.5}, 50.0),
        ("{{ temperature }}", {}, "left out"),
        ("{{ temperature }}", {"temperature": None}, "left out"),
        ("{{ temperature | default(0.7) }}", {}, 0.7),
        ("{{ temperature is defined }}", {}, False),
        ("t={{ temperature }}", {"temperature": 0.5}, "t=0.5"),
        ("t={{ temperature }}", {}, "t="),
        ("{{ stop }}", {"stop": ["a"]}, ["a"]),
        ("{{ stop }}", {"stop": "a"}, "a"),
        ("{{ stream }}", {"stream": True}, True),
        ("{{ not stream }}", {"stream": True}, False),
        ("{{ max_tokens }}", {"max_completion_tokens": 5, "max_tokens": 9}, 5),
        ("{{ max_completion_tokens }}", {"max_tokens": 9}, 9),
        ("{{ ext.top_k }}", {"top_k": 3}, 3),
        ("{{ ext }}", {"top_k": 3, "b": [1]}, {"top_k": 3, "b": [1]}),
        ("{{ ext }}", {}, {}),
        ("{{ ext.nothing }}", {}, "left out"),
        ("{{ last_user }}{{ last_user }}", {}, "HelloHello"),
        ("{% if stream %}a{% else %}b{% endif %}", {}, "b"),
        ("{{ '{{' }}", {}, "{{"),
        ("{{ {'a': last_user} }}", {}, {"a": "Hello"}),
        ("{{ last_user }}\n", {}, "Hello"),
        ("a {{ last_user }}\n", {}, "a Hello\n"),
        ("{ no template }", {}, "{ no template }"),
        ({"a": ["{{ temperature }}", "{{ last_user }}", 3, None, True]}, {}, {"a": ["Hello", 3, None, True]}),
        ({"a": {"b": "{{ temperature }}"}}, {}, {"a": {}}),
        ([], {}, []),
    ],
)
def test_one_expression_keeps_its_type_and_what_is_undefined_is_left_out(template, given_, made):
    result = filled(template, **given_)
    assert result == made
    assert isinstance(result, bool) is isinstance(made, bool)


@given(TEXT)
def test_any_text_passes_unchanged(text):
    messages = [{"role": "user", "content": text}]
    assert filled("{{ last_user }}", messages=messages) == text
    assert filled("{{ prompt }}", messages=messages) == text
    assert filled("<{{ last_user }}>", messages=messages) == f"<{text}>"
    assert filled(["{{ turns[0].content }}"], messages=messages) == [text]


@given(JSON)
def test_any_json_passes_unchanged(value):
    assert filled("{{ ext }}", v=value) == {"v": value}
    assert filled({"a": "{{ ext['v'] }}"}, v=value) == ({} if value is None else {"a": value})


@pytest.mark.parametrize("text", ["{{ model }}", "{% for x in range(10) %}", "{# #}", "${HOME}", "}}{{ model }}{{"])
def test_what_a_caller_says_is_never_a_template(text):
    messages = [{"role": "user", "content": text}]
    assert filled("{{ last_user }}", messages=messages) == text
    assert filled("say {{ last_user }}", messages=messages) == f"say {text}"


@pytest.mark.parametrize(
    "expression",
    [
        "{{ messages.__class__ }}",
        "{{ last_user.__class__.__mro__ }}",
        "{{ ext.__init__.__globals__ }}",
        "{{ messages.append }}",
        "{{ ''.__class__ }}",
    ],
)
def test_a_template_cannot_reach_into_python(expression):
    """What it finds there is nothing, or a failure where it goes on from nothing."""
    try:
        result = filled(expression)
    except GatewayError as failure:
        result = failure.code
    assert result in ("left out", "template_failed")


@pytest.mark.parametrize("expression", ["{{ messages.clear() }}", "{{ ext.clear() }}", "{{ ext.pop('a') }}"])
def test_a_template_cannot_change_the_request(expression):
    asked = request(a=1)
    with suppress(GatewayError):
        made({"x": expression}, asked)
    assert asked == request(a=1)


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(9999) %}{% for b in range(9999) %}x{% endfor %}{% endfor %}",
        "{{ range(10000) | map('string') | join | length and last_user / 2 }}",
        "{{ last_user + 1 }}",
        "{{ 1 / 0 }}",
    ],
)
def test_an_expression_that_fails_or_does_not_end_is_the_gateways_failure(template):
    with pytest.raises(GatewayError) as caught:
        filled(template)
    assert caught.value.code == "template_failed"
    assert caught.value.detail.startswith("request.x: ")


def test_a_template_names_what_it_speaks_of():
    template = {
        "a": "{{ last_user }}",
        "b": ["{{ temperature | default(top_p) }}"],
        "c": "{% for turn in turns %}{% endfor %}",
    }
    assert Template(template, NAMES).names == {"last_user", "temperature", "top_p", "turns"}
