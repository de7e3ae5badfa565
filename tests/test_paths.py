"""A path finds what JMESPath says, by the short way and by the long, and never raises."""

import jmespath
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from dragoman.paths import Path, found

NAMES = ["a", "b", "A_1", "_", "null", "true", "length"]
LEAVES = st.none() | st.booleans() | st.integers(-3, 3) | st.floats(allow_nan=False) | st.sampled_from(["", "x", "a"])
JSON = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*NAMES, "", "a.b"]), inner, max_size=4)
    ),
    max_leaves=12,
)
STEPS = st.tuples(st.sampled_from(NAMES), st.lists(st.integers(-4, 4).map("[{}]".format), max_size=2).map("".join))
PLAIN = st.lists(STEPS.map("".join), min_size=1, max_size=3).map(".".join)
OTHER = [
    *(
        "a[]",
        "a[*].b",
        "a[?b]",
        "a[?b > `1`].a | [0]",
        "*.a",
        "a.*",
        "a || b",
        "a && b",
        "!a",
        '"a.b"',
        "@",
        "[0]",
        "a[::-1]",
    ),
    *("length(a)", "join('', a)", "join('', a[].b)", "sort(a)", "sort_by(a, &b)", "max_by(@, &a)", "sum(a)", "keys(a)"),
    *(
        "to_number(a)",
        "avg(a)",
        "map(&a, b)",
        "merge(a, b)",
        "contains(a, b)",
        "{x: a, y: b}",
        "[a, b]",
        "a == b",
        "a < b",
    ),
    *(
        "`{}`",
        "'x'",
        "not_null(a, b)",
        "reverse(a)",
        "type(a)",
        "to_string(@)",
        "values(@)",
        "starts_with(a, b)",
        "abs(a)",
    ),
]


@given(PLAIN, JSON)
@example("a[0].b", {"a": [{"b": 1}]})
@example("a[-1]", {"a": [1, 2]})
@example("a[0]", {"a": {"0": 1}})
@example("a[0]", {"a": "text"})
@example("length", {"length": 3})
def test_a_plain_path_finds_just_what_jmespath_finds(path, value):
    assert found(path)(value) == jmespath.search(path, value)


@pytest.mark.parametrize("path", OTHER)
@given(value=JSON)
def test_any_path_finds_what_jmespath_finds_and_nothing_where_that_fails(path, value):
    try:
        expected = jmespath.search(path, value)
    except Exception:
        expected = None
    assert found(path)(value) == expected


@pytest.mark.parametrize("path", ["a", "a.b", "a[0]", "a[-1].b[2]", "a[]", "sort_by(a, &b)", "sum(a)", "join('', a)"])
@pytest.mark.parametrize("value", [None, 3, "text", [], {}, {"a": 3}, {"a": [3, "x", None, {"b": []}]}], ids=repr)
def test_a_path_into_anything_never_raises(path, value):
    found(path)(value)


def test_a_path_may_be_as_deep_as_its_json():
    value = leaf = {}
    for _ in range(200):
        leaf["a"] = leaf = {}
    leaf["a"] = "deep"
    assert found(".".join("a" * 201))(value) == "deep"


@pytest.mark.parametrize("path", ["", "a..b", "a[", "a.[", "nothing(", "a b", "{", "a[?b", "$.a", "/a", "a,b"])
def test_what_is_no_path_is_found_when_the_configuration_is_read(path):
    with pytest.raises(ValidationError, match="is not a JMESPath"):
        TypeAdapter(Path).validate_python(path)


@pytest.mark.parametrize("path", ["nothing(a)", "length()", "length(a, b)"])
def test_functions_that_cannot_work_are_found_when_the_configuration_is_read(path):
    with pytest.raises(ValidationError):
        TypeAdapter(Path).validate_python(path)
