"""Structured output made of text."""

import asyncio
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import Chunk
from dragoman.abilities import JSON
from dragoman.emulation.json_schema import structured
from dragoman.errors import EmulationFailed, InvalidRequest
from tests.emulation.saying import Saying, call, heard, slicings, text

PERSON = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
ADA = {"name": "Ada", "age": 36}
WRITTEN = '{"name": "Ada", "age": 36}'
OBJECT = {"type": "json_object"}
STANDARD = JSON()


def schema(schema):
    return {"type": "json_schema", "json_schema": {"name": "person", "strict": True, "schema": schema}}


def made(*answers, options=STANDARD, finish="stop", native=False, **request):
    saying = Saying(*([answer] if isinstance(answer, str) else answer for answer in answers), finish=finish)
    answer = heard(structured(options, 60, native)(saying), **{"response_format": schema(PERSON), **request})
    return saying, answer


SAID = [
    WRITTEN,
    f"```json\n{WRITTEN}\n```",
    f"Here is the JSON you asked for:\n\n{WRITTEN}\n\nLet me know!",
    f"Sure {{smile}}: {WRITTEN}",
    "{'name': 'Ada', 'age': 36,}",
    '{\n  name: "Ada", // her name\n  age: 36\n}',
    '{"name": "Ada", "age": 36',
]


@pytest.mark.parametrize("said", SAID)
@pytest.mark.parametrize("stream", [False, True])
def test_the_document_is_found_and_mended(said, stream):
    saying, answer = made(said, stream=stream)
    assert json.loads(text(answer)) == ADA
    assert len(saying.asked) == 1


@given(st.sampled_from(SAID).flatmap(lambda said: st.tuples(st.just(said), slicings(said))), st.booleans())
def test_any_slicing_is_read_alike(case, stream):
    said, pieces = case
    assert text(made(pieces, stream=stream)[1]) == text(made(said)[1])


def test_json_flows_as_it_comes():
    saying = Saying(["Here: ", '{"name": "A', "da", '", "age"', ": 36}"])

    async def main():
        asked = call(response_format=schema(PERSON), stream=True)
        async with asked.open:
            handler = structured(JSON(), 60, False)(saying)
            return [(len(saying.said), chunk.text) async for chunk in handler(asked)]

    assert [(when, text) for when, text in asyncio.run(main()) if text][:2] == [(2, '{"name": "A'), (3, "da")]


def test_the_model_is_told_of_the_schema_and_the_backend_is_not_asked_for_it():
    saying, _ = made(WRITTEN)
    [request] = saying.asked
    assert "response_format" not in request.given()
    told = request.messages[0]["content"]
    assert '{"type":"object","properties":{"name":{"type":"string"}' in told
    assert "REFUSAL:" in told
    saying, _ = made("{}", response_format=OBJECT)
    assert "JSON object" in saying.asked[0].messages[0]["content"]


def test_a_backend_that_knows_json_objects_is_asked_for_one():
    saying, _ = made(WRITTEN, native=True)
    assert saying.asked[0].response_format == OBJECT


def test_the_prompt_may_be_ones_own():
    saying, _ = made(WRITTEN, options=JSON(prompt="{{ name }}: {{ schema }}"))
    assert saying.asked[0].messages[0]["content"].startswith('person: {"type":"object"')


@pytest.mark.parametrize(
    "said",
    ['{"name": "Ada", "age": "36"}', f'{{"person": {WRITTEN}}}', f"{json.dumps(PERSON)}\n{WRITTEN}", f"[{WRITTEN}]"],
)
def test_a_whole_answer_is_fitted_to_the_schema(said):
    saying, answer = made(said)
    assert json.loads(text(answer)) == ADA
    assert len(saying.asked) == 1


def test_an_invalid_document_is_asked_for_again_with_its_error():
    saying, answer = made('{"name": "Ada"}', WRITTEN)
    assert json.loads(text(answer)) == ADA
    [*_, said, correction] = saying.asked[1].messages
    assert said["content"] == '{"name": "Ada"}'
    assert "age" in correction["content"]


def test_what_stays_invalid_is_an_error_with_its_reason():
    with pytest.raises(EmulationFailed, match="age") as failed:
        made('{"name": "Ada"}', options=JSON(attempts=3))
    assert (failed.value.status, failed.value.code) == (502, "emulation_failed")


def test_a_streamed_document_that_turns_out_invalid_ends_in_an_error():
    with pytest.raises(EmulationFailed, match="age"):
        made('{"name": "Ada"}', stream=True)


def test_a_stream_without_a_document_is_asked_for_again():
    saying, answer = made("I would say Ada.", WRITTEN, stream=True)
    assert json.loads(text(answer)) == ADA
    assert len(saying.asked) == 2


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("REFUSAL: I must not say that.", "I must not say that."),
        ("I'm sorry, but I can't help with that.", "I'm sorry, but I can't help with that."),
        ("I cannot assist with this request.", "I cannot assist with this request."),
    ],
)
def test_a_refusal_passes_as_one(said, told, stream):
    _, answer = made(list(said), stream=stream)
    assert answer["choices"][0]["message"]["refusal"] == told
    assert text(answer) == ""


@pytest.mark.parametrize("stream", [False, True])
def test_the_backends_own_refusal_passes(stream):
    _, answer = made([Chunk(delta={"refusal": "No."})], stream=stream)
    assert answer["choices"][0]["message"]["refusal"] == "No."


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_cut_off_by_the_limit_is_cut_and_no_error(stream):
    _, answer = made('Here: {"name": "Ad', finish="length", stream=stream)
    assert text(answer) == '{"name": "Ad'
    assert answer["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize("stream", [False, True])
def test_tool_calls_need_no_document(stream):
    made_ = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    _, answer = made(["Let me look.", Chunk(tool_calls=[made_])], finish="tool_calls", stream=stream)
    assert text(answer) == ""
    assert answer["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.parametrize(
    ("wanted", "said", "document"),
    [
        ({"type": "array", "items": {"type": "integer"}}, "Here [as asked]: [1, 2]", [1, 2]),
        ({"type": "string", "enum": ["a", "b"]}, '"a"', "a"),
        (None, 'x {"any": [1]} y', {"any": [1]}),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_other_documents_than_objects_are_found(wanted, said, document, stream):
    _, answer = made(said, response_format=schema(wanted) if wanted else OBJECT, stream=stream)
    assert json.loads(text(answer)) == document


@pytest.mark.parametrize(
    "wanted",
    [
        {"type": "thing"},
        {"$ref": "https://example.com/schema.json"},
        {"type": "string", "pattern": "(?=look)"},
        {"type": "object", "description": "x" * 1_000_000},
    ],
)
def test_a_schema_that_cannot_be_used_is_refused_at_its_place(wanted):
    with pytest.raises(InvalidRequest) as refused:
        made("{}", response_format=schema(wanted))
    assert refused.value.param == "response_format.json_schema.schema"
