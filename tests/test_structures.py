"""Objects of another shape are made by structure: loops, conditions, and filters for what the language has not."""

import base64
import hashlib
import json
import time
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dragoman import Gateway
from dragoman.errors import ConfigError, GatewayError
from dragoman.templates import LEFT_OUT, MOST_ROUNDS, Template
from dragoman.templates.filters import LONGEST

NAMES = frozenset({"turns", "system", "tools", "model", "temperature", "items", "omit_this"})
TURNS = [
    {"role": "system", "text": "Be kind."},
    {"role": "user", "text": "Hello", "images": ["a", "b"]},
    {"role": "assistant", "text": "", "images": []},
]
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
LEAVES = st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
JSON = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3))


def filled(template: Any, **values: Any) -> Any:
    """What a template makes of these values, `left out` if nothing."""
    made = Template(template, NAMES).filled(values)
    return "left out" if made is LEFT_OUT else made


def loop(source: str, make: Any, **more: Any) -> dict[str, Any]:
    return {"$for": source, "$make": make, **more}


def test_a_loop_makes_an_object_of_each_item():
    parts = loop(
        "turn in turns", {"who": "{{ 'model' if turn.role == 'assistant' else 'user' }}", "say": "{{ turn.text }}"}
    )
    assert filled(parts, turns=TURNS[1:]) == [{"who": "user", "say": "Hello"}, {"who": "model", "say": ""}]


@pytest.mark.parametrize(
    ("condition", "roles"),
    [
        ("turn.role != 'system'", ["user", "assistant"]),
        ("turn.text", ["system", "user"]),
        ("turn.images", ["user"]),
        ("turn.nothing", []),
        ("system", []),
        ("not system", ["system", "user", "assistant"]),
        (" loud \n", ["system", "user", "assistant"]),
    ],
)
def test_a_loop_may_choose(condition, roles):
    template = loop("turn in turns", "{{ turn.role }}", **{"$if": condition.replace("loud", "turn.role")})
    assert filled(template, turns=TURNS) == roles


@given(st.lists(JSON, max_size=4))
def test_items_pass_a_loop_unchanged(items):
    assert filled(loop("item in items", "{{ item }}"), items=items) == items
    assert filled(loop("item in items", {"i": "{{ item }}"}), items=items) == [{"i": item} for item in items]


@pytest.mark.parametrize(
    ("make", "made"),
    [
        ("{{ turn.role }}", ["system", "user"]),
        ("<{{ turn.role }}>", ["<system>", "<user>"]),
        (["{{ turn.role }}", 1], ["system", 1, "user", 1]),
        ([["{{ turn.role }}"]], [["system"], ["user"]]),
        ({"r": ["{{ turn.role }}"]}, [{"r": ["system"]}, {"r": ["user"]}]),
        ("{{ turn.images }}", [["a", "b"]]),
        (["{{ turn.images }}"], [["a", "b"]]),
        (loop("image in turn.images", "{{ turn.role }}-{{ image }}"), ["user-a", "user-b"]),
        ([loop("image in turn.images", "{{ image }}"), "{{ turn.text }}"], ["Be kind.", "a", "b", "Hello"]),
        ({"all": loop("image in turn.images", "{{ image }}")}, [{}, {"all": ["a", "b"]}]),
        ({"$if": "turn.images", "$make": "{{ turn.text }}"}, ["Hello"]),
        ({"$if": "turn.images", "$make": "{{ turn.text }}", "$else": 0}, [0, "Hello"]),
        ([{"$if": "turn.images", "$make": "i"}, "{{ turn.text }}"], ["Be kind.", "i", "Hello"]),
        (3, [3, 3]),
        (None, [None, None]),
        ({}, [{}, {}]),
        ([], []),
    ],
)
def test_what_a_loop_makes_stands_flat_in_its_list(make, made):
    assert filled(loop("turn in turns", make), turns=TURNS[:2]) == made


def test_a_loop_in_a_list_stands_among_its_neighbours():
    template = ["first", loop("turn in turns", "{{ turn.role }}"), loop("item in items", "{{ item }}"), ["{{ model }}"]]
    assert filled(template, turns=TURNS[:2], items=[], model="m") == ["first", "system", "user", ["m"]]


def test_loops_nest_and_the_inner_name_counts():
    template = loop("a in items", loop("b in a", loop("a in b", ["{{ a }}", "{{ model }}"])))
    assert filled(template, items=[[[1, 2]], [[3], []]], model="m") == [1, "m", 2, "m", 3, "m"]


@pytest.mark.parametrize(
    ("source", "made"),
    [
        ("x in items", "left out"),
        ("x in items or []", []),
        ("x in model", ["m"]),
        ("x in turns[0]", [{"role": "user"}]),
        ("x in turns[5]", "left out"),
        ("x in [1, model]", [1, "m"]),
        ("x in range(3)", [0, 1, 2]),
        ("x in turns | map(attribute='role')", ["user"]),
        ("x in 'in in'", ["in in"]),
        ("  x   in\n items | default(['a'])  ", ["a"]),
    ],
)
def test_a_loop_goes_over_any_expression_and_takes_what_is_no_list_for_one_item(source, made):
    assert filled(loop(source, "{{ x }}"), turns=[{"role": "user"}], model="m") == made


@pytest.mark.parametrize(
    ("template", "with_tools", "without"),
    [
        ({"$if": "tools", "$make": {"n": "{{ tools | length }}"}}, {"n": 2}, "left out"),
        ({"$if": "tools", "$make": "yes", "$else": "no"}, "yes", "no"),
        ({"$if": "not tools", "$make": "{{ model }}"}, "left out", "m"),
        ({"$if": "tools", "$make": "{{ system }}", "$else": 1}, "left out", 1),
        ({"a": {"$if": "tools", "$make": 1}, "b": 2}, {"a": 1, "b": 2}, {"b": 2}),
        ([{"$if": "tools", "$make": 1}, 2], [1, 2], [2]),
        ([{"$if": "tools", "$make": [1]}, 2], [[1], 2], [2]),
        ({"$if": "tools", "$make": {"$if": "model", "$make": 1}, "$else": {"$if": "model", "$make": 2}}, 1, 2),
        ({"$if": "tools and model == 'm'", "$make": loop("tool in tools", "{{ tool }}")}, ["a", "b"], "left out"),
        ({"$if": "omit", "$make": 1, "$else": "{{ omit }}"}, "left out", "left out"),
    ],
)
def test_a_condition_makes_one_or_the_other(template, with_tools, without):
    assert filled(template, tools=["a", "b"], model="m") == with_tools
    assert filled(template, model="m") == without
    assert filled(template, model="m", tools=[]) == without


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("{{ model or {'a': {}} }}", {"a": {}}),
        ("{{ {'a': {'b': model | default(1)}}}}", {"a": {"b": 1}}),
        ("{{ '}}' }}", "}}"),
        ("{{ '{{' }}", "{{"),
        ("{{ 'a' }}{{ 'b' }}", "ab"),
        ("{{ '}}' }} {{ 1 }}", "}} 1"),
        ("{{- omit_this or 'a' -}}", "a"),
    ],
)
def test_braces_inside_an_expression_do_not_end_it(template, made):
    assert filled(template) == made


@pytest.mark.parametrize("plain", [{"$ref": "#/a"}, {"$defs": {"$id": "x"}}, {"for": 1, "$schema": "s"}, {"a$if": 1}])
def test_other_keys_with_a_dollar_are_keys(plain):
    assert filled(plain) == plain


WRONG = {
    "a name that is not there": ({"a": [1, "{{ nothing }}"]}, "a[1]", "speaks of 'nothing', which is not defined"),
    "a name misspelt": ("{{ tuns }}", "", "did you mean 'turns'?"),
    "inside a loop": (
        {"a": loop("turn in turns", {"p": [{"t": "{{ trun.text }}"}]})},
        "a.$make.p[0].t",
        "did you mean 'turn'?",
    ),
    "a loop's name outside of it": (
        {"a": loop("turn in turns", 1), "b": "{{ turn }}"},
        "b",
        "did you mean 'turns'?",
    ),
    "a loop over itself": (loop("turn in turn", 1), "$for", "speaks of 'turn'"),
    "a loop over nothing known": ({"a": loop("x in nothing", 1)}, "a.$for", "speaks of 'nothing'"),
    "a condition": (loop("x in items", 1, **{"$if": "y.z"}), "$if", "speaks of 'y'"),
    "an alternative": ({"$if": "model", "$make": 1, "$else": ["{{ y }}"]}, "$else[0]", "speaks of 'y'"),
    "no template": ({"a": "{{ model"}, "a", "is not a template: "),
    "no expression": ({"$if": "model ==", "$make": 1}, "$if", "is not a template: "),
    "an unknown filter": ("{{ turns | shout }}", "", "is not a template: "),
    "an unknown test": ({"$if": "model is loud", "$make": 1}, "$if", "is not a template: "),
    "an unknown function": ("{{ shout() }}", "", "shout is unknown"),
    "a loop without a name": (loop("turns", 1), "$for", "is written `NAME in EXPRESSION`"),
    "a loop with two names": (loop("a, b in turns", 1), "$for", "is written `NAME in EXPRESSION`"),
    "a loop with braces": (loop("turn in {{ turns }}", 1), "$for", "must be an expression without braces"),
    "a condition with braces": ({"$if": "{{ model }}", "$make": 1}, "$if", "must be an expression without braces"),
    "a condition that is no text": ({"$if": True, "$make": 1}, "$if", "must be an expression without braces"),
    "a loop that is no text": ({"$for": ["x"], "$make": 1}, "$for", "must be an expression without braces"),
    "a loop that makes nothing": ({"a": {"$for": "x in items"}}, "a", "needs `$make`, and `$for` or `$if`"),
    "a condition that makes nothing": ({"$if": "model"}, "", "needs `$make`, and `$for` or `$if`"),
    "only something made": ({"$make": 1}, "", "needs `$make`, and `$for` or `$if`"),
    "only an alternative": ({"$else": 1}, "", "needs `$make`, and `$for` or `$if`"),
    "a loop with an alternative": (loop("x in items", 1, **{"$else": 2}), "$else", "cannot stand beside $for"),
    "a key beside": ({"$if": "model", "$make": 1, "role": 2}, "role", "cannot stand beside $if, $make"),
    "a misspelt key": ({"$fro": "x in items", "$make": 1}, "$fro", "cannot stand beside $make"),
}


@pytest.mark.parametrize(("template", "place", "told"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_with_its_place(template, place, told):
    names = {"tuns": "turns", "items": "messages"}
    written = json.loads(json.dumps(template).replace("items", names["items"]))
    backend = {"kind": "http", "url": "http://localhost/", "request": written, "response": {"text": "t"}}
    with pytest.raises(ConfigError) as caught:
        Gateway({"backends": {"b": backend}, "models": {"m": "b"}})
    where = f"backends.b.request{'' if place.startswith('[') or not place else '.'}{place}: "
    assert str(caught.value).startswith(f"the configuration: {where}")
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("template", "place"),
    [
        (loop("item in items", {"a": ["{{ item / 2 }}"]}), "request.$make.a[0]"),
        (loop("item in items / 2", 1), "request.$for"),
        ({"x": loop("item in items", 1, **{"$if": "item / 2"})}, "request.x.$if"),
        ({"$if": "1 / 0", "$make": 1}, "request.$if"),
        ({"$if": "temperature", "$make": 1, "$else": {"b": "{{ 1 / 0 }}"}}, "request.$else.b"),
        ({"a": "{{ model | role_map(user='x') }}"}, "request.a"),
    ],
)
def test_what_fails_while_it_is_filled_in_is_told_with_its_place(template, place):
    with pytest.raises(GatewayError) as caught:
        filled(template, items=["text"], model="m")
    assert caught.value.code == "template_failed"
    assert caught.value.detail.startswith(f"{place}: ")
    assert "text" not in caught.value.message


@pytest.mark.parametrize("wanted", ["c > 0", "c < 0"])
def test_loops_inside_loops_are_bounded_whether_they_make_anything_or_not(wanted):
    many = list(range(400))
    template = loop("a in items", loop("b in items", loop("c in items", 1, **{"$if": wanted})))
    with pytest.raises(GatewayError) as caught:
        filled(template, items=many)
    assert caught.value.detail.endswith(f"more than {MOST_ROUNDS} rounds")


def test_a_structure_names_what_it_speaks_of():
    template = {"a": loop("x in items", {"$if": "x.y and tools", "$make": "{{ x }}{{ model }}"}), "b": "{{ system }}"}
    assert Template(template, NAMES).names == {"items", "tools", "model", "system"}


def test_what_a_loop_does_to_its_items_does_not_change_them():
    items = [{"a": [1]}]
    assert filled(loop("x in items", "{{ x.a.append(2) or x.a }}"), items=items) == [[1, 2]]
    assert items == [{"a": [1]}]


MESSAGES = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi"},
    {"role": "tool", "content": "42"},
]


@pytest.mark.parametrize(
    ("expression", "made"),
    [
        (
            "turns | role_map(user='human', assistant='ai') | map(attribute='role') | list",
            ["system", "human", "ai", "tool"],
        ),
        ("(turns | role_map(user='human'))[1]", {"role": "human", "content": "Hello"}),
        ("turns | role_map", MESSAGES),
        ("turns | join_turns", "Be kind.\nUser: Hello\nAssistant: Hi\nTool: 42"),
        ("turns | join_turns(user='<u>', assistant='<a>', system='<s>', sep='')", "<s>Be kind.<u>Hello<a>HiTool: 42"),
        ("turns | role_map(user='human') | join_turns", "Be kind.\nTool: Hello\nAssistant: Hi\nTool: 42"),
        ("[{'role': 'tool', 'results': [{'text': 'a'}, {'text': 'b'}] }] | join_turns", "Tool: a\nb"),
        ("[{'role': 'user', 'text': 'Hello'}, {'role': 'user'}] | join_turns", "User: Hello\nUser: "),
        ("[] | join_turns", ""),
        ("'{\"a\": [1.5, null]}' | fromjson", {"a": [1.5, None]}),
        ("('[1, 2]' | fromjson)[1]", 2),
        ("'{' | fromjson", "left out"),
        ("'null' | fromjson", "left out"),
        ("nothing | fromjson", "left out"),
        ("'é' | b64", "w6k="),
        ("nothing | b64", ""),
        ("3 | b64", "Mw=="),
        ("'' | sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ],
)
def test_filters(expression, made):
    assert filled(f"{{{{ {expression.replace('nothing', 'omit_this')} }}}}", turns=MESSAGES) == made


@given(TEXT)
@example("\u2028\x00")
def test_filters_take_any_text(text):
    assert base64.b64decode(filled("{{ model | b64 }}", model=text)).decode() == text
    assert filled("{{ model | sha256 }}", model=text) == hashlib.sha256(text.encode()).hexdigest()
    assert filled("{{ model | fromjson }}", model=json.dumps(text)) == text
    assert filled("{{ items | join_turns(user='') }}", items=[{"role": "user", "content": text}]) == text


@pytest.mark.parametrize("name", ["b64", "sha256"])
def test_filters_take_no_text_that_is_longer_than_a_request(name):
    with pytest.raises(GatewayError) as caught:
        filled(f"{{{{ model | {name} }}}}", model="x" * (LONGEST + 1))
    assert "more than" in caught.value.detail


def test_a_filter_may_need_values_that_only_a_call_has():
    assert filled("{{ items[0] | join_turns }}", items=[MESSAGES[1:3]]) == "User: Hello\nAssistant: Hi"


def test_functions_tell_the_time_and_make_ids():
    made = filled({"id": "{{ uuid() }}", "other": "{{ uuid() }}", "s": "{{ now() }}", "ms": "{{ now_ms() }}"})
    assert UUID(made["id"]) != UUID(made["other"])
    assert isinstance(made["s"], int)
    assert abs(made["s"] - time.time()) < 5
    assert abs(made["ms"] / 1000 - time.time()) < 5
