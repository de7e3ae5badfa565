"""Callers' schemas: refused if they could do harm, told apart by place and reason, and met where that is harmless."""

import http.server
import json
import threading
import time

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from dragoman.errors import InvalidRequest
from dragoman.schemas import compiled
from dragoman.schemas.bounds import MAX_BYTES, MAX_DEPTH, MAX_NODES, MAX_PATTERNS

JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.sampled_from([1.0, 2.5, "5", "true", "null", "a", "A", "[1]", "{}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=6,
)
KINDS = st.sampled_from(["string", "integer", "number", "boolean", "null", "object", "array"])


def holding(inner):
    """Schemas with these schemas within them."""
    few = st.lists(inner, min_size=1, max_size=3)
    named = st.dictionaries(st.sampled_from("abc"), inner)
    contents = {"properties": named, "items": inner, "additionalProperties": inner | st.booleans()}
    return st.fixed_dictionaries(
        {}, optional={"type": KINDS, "required": st.just(["a"]), "not": inner, **contents}
    ) | st.fixed_dictionaries({}, optional={"anyOf": few, "oneOf": few, "allOf": few})


SCHEMAS = st.recursive(
    st.fixed_dictionaries({"type": KINDS | st.lists(KINDS, min_size=1, max_size=2, unique=True)})
    | st.fixed_dictionaries({"enum": st.lists(JSON, min_size=1, max_size=3)})
    | st.just({"$ref": "#"}),
    holding,
    max_leaves=6,
)


class Colour(BaseModel):
    name: str
    shades: list["Colour"] = []


class Order(BaseModel):
    id: int
    colour: Colour | None = None
    size: dict[str, float] = {}


def problem(schema, value):
    return compiled(schema, "p").problem(value)


def fitted(schema, value):
    return compiled(schema, "p").fitted(value)


def refusal(schema):
    with pytest.raises(InvalidRequest) as caught:
        compiled(schema, "tools[0].function.parameters")
    assert caught.value.param == "tools[0].function.parameters"
    assert caught.value.code == "invalid_json_schema"
    assert len(caught.value.message) < 1000
    return caught.value.message


def obj(required=(), **properties):
    return {"type": "object", "properties": properties, "required": list(required)}


def nested(levels):
    schema = {"type": "string"}
    for _ in range(levels):
        schema = obj(a=schema)
    return schema


def both(reference):
    return {"allOf": [{"$ref": reference}, {"$ref": reference}]}


STRING, INTEGER, NUMBER, BOOLEAN = ({"type": kind} for kind in ("string", "integer", "number", "boolean"))
STRINGS = {"type": "array", "items": STRING}
TREE = {
    "$ref": "#/$defs/n",
    "$defs": {"n": obj(value=INTEGER, inner={"type": "array", "items": {"$ref": "#/$defs/n"}})},
}
SHAPE = {
    "anyOf": [
        obj(["kind", "r"], kind={"const": "circle"}, r=NUMBER),
        obj(["kind", "a"], kind={"const": "square"}, a=NUMBER),
    ]
}


@pytest.mark.parametrize(
    ("schema", "value", "said"),
    [
        (STRING, "x", None),
        (STRING, 5, '$: 5 is not of type "string"'),
        (obj(["a"], a=STRING), {}, '$: "a" is a required property'),
        (
            obj(items={"type": "array", "items": obj(price=NUMBER)}),
            {"items": [{"price": "much"}]},
            '$.items[0].price: "much" is not of type "number"',
        ),
        (obj(**{"a b": INTEGER}), {"a b": "x"}, '$["a b"]: "x" is not of type "integer"'),
        (
            {**obj(a=STRING), "additionalProperties": False},
            {"b": 1},
            "$: Additional properties are not allowed ('b' was unexpected)",
        ),
        ({"additionalProperties": INTEGER}, {"b": "x"}, '$.b: "x" is not of type "integer"'),
        ({"prefixItems": [INTEGER, STRING]}, [1, 2], '$[1]: 2 is not of type "string"'),
        ({"enum": ["a", "b"]}, "c", '$: "c" is not one of "a" or "b"'),
        ({"pattern": "^a"}, "b", '$: "b" does not match "^a"'),
        (TREE, {"inner": [{"inner": [{"value": "x"}]}]}, '$.inner[0].inner[0].value: "x" is not of type "integer"'),
        ({"anyOf": [INTEGER, {"type": "null"}]}, "x", '$: "x" is none of: integer · null'),
        (SHAPE, {"kind": "circle", "r": "x"}, '$.r: "x" is not of type "number"'),
        (SHAPE, {"kind": "circle"}, '$: "r" is a required property'),
        ({"anyOf": [STRINGS, INTEGER]}, [1], '$[0]: 1 is not of type "string"'),
        ({"oneOf": [STRING, {"minLength": 1}]}, "x", '$: "x" does not fit the schema there'),
        ({"not": STRING}, "x", '$: "x" does not fit the schema there'),
        (obj(a=False), {"a": 1}, "$.a: there must be nothing here"),
        (
            obj(["a", "b"], a=INTEGER, c=INTEGER, d=INTEGER),
            {"c": "", "d": ""},
            '$: "a" is a required property; $: "b" is a required property; $.c: "" is not of type "integer"',
        ),
    ],
)
def test_a_problem_has_a_place_and_a_reason(schema, value, said):
    assert problem(schema, value) == said


def test_problems_are_few_and_short():
    many = problem({"additionalProperties": INTEGER}, {"k" * 500 + str(place): "x" * 500 for place in range(50)})
    assert many.count("is not of type") == 3
    assert len(many) <= 600


@given(SCHEMAS, JSON)
def test_what_validates_has_no_problem_and_what_does_not_has(schema, value):
    told = problem(schema, value)
    assert (told is None) == jsonschema_rs.is_valid(schema, value)
    assert told is None or 0 < len(told) <= 600


@given(SCHEMAS, JSON)
def test_what_fits_goes_on_fitting_and_is_left_alone(schema, value):
    before = json.dumps(value)
    nearer = fitted(schema, value)
    assert json.dumps(value) == before
    assert problem(schema, value) or (problem(schema, nearer) is None and nearer == value)


@pytest.mark.parametrize(
    ("schema", "value", "meant"),
    [
        (INTEGER, "5", 5),
        (INTEGER, " 5.0 ", 5),
        (INTEGER, 1.0, 1),
        (INTEGER, "5.5", "5.5"),
        (INTEGER, "five", "five"),
        (INTEGER, True, True),
        (INTEGER, 1e300, 1e300),
        (NUMBER, "3.5", 3.5),
        (NUMBER, 1.0, 1.0),
        (BOOLEAN, "true", True),
        (BOOLEAN, "False", False),
        (BOOLEAN, "yes", "yes"),
        (STRING, 5, "5"),
        (STRING, 2.5, "2.5"),
        (STRING, True, "true"),
        (STRING, None, None),
        (STRING, "5", "5"),
        ({"type": ["integer", "null"]}, "null", None),
        ({"type": ["integer", "string"]}, "5", "5"),
        ({"minimum": 9, **INTEGER}, "5", "5"),
        (STRINGS, "a", ["a"]),
        (STRINGS, 5, ["5"]),
        (STRINGS, '["a", 5]', ["a", "5"]),
        (STRINGS, ["a", 5, None], ["a", "5", None]),
        ({"type": "array", "items": INTEGER}, "5", [5]),
        (obj(a=INTEGER), '{"a": "5"}', {"a": 5}),
        (obj(a=INTEGER), "{a", "{a"),
        (obj(a=obj(b=INTEGER)), {"a": '{"b": "x"}'}, {"a": {"b": "x"}}),
        (obj(["a"], a=STRING, b=STRING), {"a": None, "b": None, "c": None}, {"a": None, "c": None}),
        (obj(a={"type": ["string", "null"]}), {"a": None}, {"a": None}),
        ({"enum": ["Red", "green", 5]}, "red", "Red"),
        ({"enum": ["Red", "green", 5]}, "5", 5),
        ({"enum": ["Red", "red"]}, "red", "red"),
        ({"const": "A"}, "a", "A"),
        (TREE, {"inner": {"value": "5"}}, {"inner": [{"value": 5}]}),
        ({"anyOf": [INTEGER, BOOLEAN]}, "true", True),
        ({"anyOf": [INTEGER, STRING]}, "5", "5"),
        ({"anyOf": [{"type": "null"}, obj(a=INTEGER)]}, {"a": 2.0}, {"a": 2}),
        (SHAPE, {"kind": "SQUARE", "a": "2"}, {"kind": "square", "a": 2}),
        ({"allOf": [obj(a=INTEGER), obj(b=BOOLEAN)]}, {"a": "1", "b": "true"}, {"a": 1, "b": True}),
        ({"additionalProperties": INTEGER, "type": "object"}, {"x": "1"}, {"x": 1}),
        ({"prefixItems": [INTEGER], "items": STRING}, ["1", 1], [1, "1"]),
    ],
)
def test_what_was_meant_is_made_of_it(schema, value, meant):
    nearer = fitted(schema, value)
    assert (nearer, repr(nearer)) == (meant, repr(meant))


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ([], "must be a JSON object"),
        ("{}", "must be a JSON object"),
        (object(), "must be plain JSON"),
        ({"type": "strin"}, "at #/type"),
        (obj(a={"type": 5}), "at #/properties/a/type"),
        (obj(a={"$ref": "http://127.0.0.1:9/x.json"}), "leads out of the schema; put what it means into $defs"),
        ({"$ref": "file:///etc/passwd"}, "leads out of the schema"),
        ({"$ref": "other.json#/a"}, "leads out of the schema"),
        ({"$dynamicRef": "http://127.0.0.1:9/x"}, "leads out of the schema"),
        ({"$defs": {"a": {"$ref": "#/$defs/b"}}}, "at #/$defs/a '#/$defs/b' leads to nothing"),
        ({"$ref": "#nowhere"}, "nowhere"),
        (obj(a={"$id": "http://x.y/z"}), "there is an $id"),
        ({"$schema": "http://x.y/z"}, "Unknown meta-schema"),
        (obj(a={"pattern": "(?=a)b"}), "at #/properties/a/pattern the pattern '(?=a)b' cannot be used"),
        ({"pattern": "("}, "cannot be used"),
        ({"pattern": "((a{1,1000}){1,1000}){1,1000}"}, "shorter"),
        ({"patternProperties": {"(a)\\1": {}}}, "look-around and back-references"),
        ({"description": "x" * MAX_BYTES}, "at most 64 KiB"),
        ({"enum": [0] * MAX_NODES}, "at most 10,000 values"),
        (nested(MAX_DEPTH + 1), "more than 32 levels deep; move inner ones to $defs"),
        ({"allOf": [{"pattern": "a"}] * (MAX_PATTERNS + 1)}, "101 patterns"),
        (
            {"$ref": "#/$defs/0", "$defs": {"40": {}, **{str(n): both(f"#/$defs/{n + 1}") for n in range(40)}}},
            "multiply to more than 20,000 schemas; define what recurs once",
        ),
        ({"$ref": "#/$defs/0", "$defs": {str(n): both(f"#/$defs/{(n + 1) % 99}") for n in range(99)}}, "multiply"),
    ],
)  # fmt: skip
def test_a_schema_that_cannot_be_used_is_refused_by_its_reason(schema, said):
    message = refusal(schema)
    assert message.startswith("Invalid schema for 'tools[0].function.parameters': ")
    assert said in message


@pytest.mark.parametrize(
    "schema",
    [
        {},
        nested(MAX_DEPTH),
        Order.model_json_schema(),
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": STRING}, "$ref": "#/definitions/a"},
        {"$id": "http://x.y/z", **TREE},
        {"$anchor": "here", "properties": {"a": {"$ref": "#here"}}},
        obj(**{"$ref": STRING, "$id": STRING, "pattern": STRING, "a/b~c %": {"$ref": "#/properties/a~1b~0c%20%25"}}),
        {"enum": [{"$ref": "http://127.0.0.1:9/x"}], "default": {"$id": "x"}},
        {"allOf": [{"$ref": "#"}], "anyOf": [{"$ref": "#"}]},
    ],
)
def test_a_sound_schema_is_taken(schema):
    made = compiled(schema, "p")
    made.problem({"a": [1], "a/b~c %": None})
    made.fitted({"a": [1], "a/b~c %": None})


def test_pydantic_models_are_met():
    schema = Order.model_json_schema()
    meant = fitted(schema, {"id": "7", "colour": '{"name": 5, "shades": {"name": "x"}}', "size": {"a": "1.5"}})
    assert meant == {"id": 7, "colour": {"name": "5", "shades": [{"name": "x"}]}, "size": {"a": 1.5}}
    assert problem(schema, meant) is None
    assert problem(schema, {"id": 7, "colour": {"name": "x", "shades": [{}]}}) == (
        '$.colour.shades[0]: "name" is a required property'
    )


def test_formats_are_only_notes():
    assert problem({"type": "string", "format": "email"}, "no email") is None


def test_the_same_schema_is_compiled_once():
    assert compiled(obj(a=STRING), "a") is compiled(obj(a=STRING), "b")


def test_nothing_is_fetched(tmp_path):
    asked = []

    class Server(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_error(404)

    server = http.server.HTTPServer(("127.0.0.1", 0), Server)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    (tmp_path / "x.json").write_text('{"type": "integer"}')
    try:
        for base in (f"http://127.0.0.1:{server.server_port}/", tmp_path.as_uri() + "/"):
            for schema in (
                {"$ref": f"{base}x.json"},
                {"$id": base, "$ref": "x.json"},
                {"$schema": f"{base}x.json"},
                {"$id": base, "properties": {"a": {"$dynamicRef": "x.json#a"}}},
                {"$ref": "#/x", "x": {"$ref": f"{base}x.json"}},
            ):
                refusal(schema)
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert asked == []


def deep(levels, innermost):
    for _ in range(levels):
        innermost = {"x": innermost}
    return innermost


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "string", "pattern": "^(a+)+$"}, "a" * 40 + "b"),
        ({"anyOf": [obj(["x"], x={"$ref": "#"}), obj(x={"$ref": "#"}), STRING]}, deep(100, 1)),
        ({"oneOf": [obj(x={"$ref": "#"}), {**obj(x={"$ref": "#"}), "minProperties": 1}]}, deep(100, 1)),
        ({"allOf": [obj(x={"$ref": "#"}), {**obj(x={"$ref": "#"}), "minProperties": 0}]}, deep(100, "1")),
        ({"anyOf": [obj(**{f"k{n}": STRING}) for n in range(500)]}, [{"k": n} for n in range(10_000)]),
        ({"items": INTEGER}, ["x"] * 100_000),
        ({"$ref": "#/$defs/0", "$defs": {str(n): both(f"#/$defs/{(n + 1) % 10}") for n in range(10)}}, 5),
        ({"type": "array", "items": {"$ref": "#"}}, "[" * 100 + "]" * 99),
    ],
)  # fmt: skip
def test_no_value_takes_long(schema, value):
    began = time.perf_counter()
    made = compiled(schema, "p")
    made.problem(value)
    made.fitted(value)
    assert time.perf_counter() - began < 10
