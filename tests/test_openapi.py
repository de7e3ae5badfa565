"""What `/openapi.json` says is what the server does."""

import json

import aiohttp
import pytest
from jsonschema import Draft202012Validator
from referencing import Registry, Resource
from referencing.jsonschema import DRAFT202012

from dragoman import ChatRequest, Gateway
from tests.serving import QUESTION, client, gateway, post

CALL = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
ASKED = {
    **QUESTION,
    "model": "mock-gpt-model",
    "messages": [
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "later", "what": 1}]},
        {"role": "assistant", "content": None, "refusal": None, "tool_calls": None},
        {"role": "assistant", "tool_calls": [CALL]},
        {"role": "tool", "content": "4", "tool_call_id": "call_1"},
    ],
    "temperature": 0,
    "stop": ["a", "b"],
    "tools": [{"type": "function", "function": {"name": "f"}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "s", "schema": {}}},
    "top_k": 5,
}


def served():
    """A server whose backend takes whatever it is asked."""
    able = dict.fromkeys(("tools", "json_schema", "stop"), "native")
    backend = {"kind": "python", "target": lambda: "Hi there", "abilities": able}
    return gateway(Gateway({"backends": {"b": backend}, "models": {"mock-gpt-model": "b"}}))


@pytest.fixture(scope="module")
def document():
    return Gateway().app.openapi()


@pytest.fixture(scope="module")
def valid(document):
    """Whether a value is what a named schema describes."""
    registry = Registry().with_resource(
        "urn:document", Resource.from_contents(document, default_specification=DRAFT202012)
    )

    def valid(name, value):
        schema = {"$ref": f"urn:document#/components/schemas/{name}"}
        return Draft202012Validator(schema, registry=registry).is_valid(value)

    return valid


def inside(value):
    yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from inside(inner)


def operations(document):
    return [operation for path in document["paths"].values() for operation in path.values()]


def told(document, status="200"):
    """The schemas of the chat answer, by media type."""
    content = document["paths"]["/v1/chat/completions"]["post"]["responses"][status]["content"]
    return {kind: described["schema"]["$ref"].rpartition("/")[2] for kind, described in content.items()}


def test_is_openapi_3_1(document):
    assert document["openapi"].startswith("3.1.")
    assert document["info"]["title"] == "dragoman"
    names = [operation["operationId"] for operation in operations(document)]
    assert len(set(names)) == len(names)


def test_the_surfaces_come_first_each_under_one_name(document):
    tags = [tag["name"] for tag in document["tags"]]
    assert tags[:3] == ["chat", "responses", "completions"]
    assert tags[-3:] == ["models", "admin", "health"]
    assert {tag for operation in operations(document) for tag in operation["tags"]} == set(tags)


def test_every_schema_is_a_json_schema(document):
    for schema in document["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def test_every_reference_leads_somewhere(document):
    references = {node["$ref"] for node in inside(document) if isinstance(node, dict) and "$ref" in node}
    known = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}
    mapped = [node["discriminator"] for node in inside(document) if isinstance(node, dict) and "discriminator" in node]
    references |= {reference for one in mapped for reference in one.get("mapping", {}).values()}
    assert references
    assert references <= known


def test_the_chat_request_is_described_with_all_its_fields(document):
    body = document["paths"]["/v1/chat/completions"]["post"]["requestBody"]
    schema = document["components"]["schemas"]["ChatRequest"]
    assert body["required"]
    assert body["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/ChatRequest"}
    assert schema["properties"].keys() == ChatRequest.model_fields.keys()
    assert set(schema["required"]) == {"model", "messages"}
    assert schema["additionalProperties"] is True


def test_both_kinds_of_answer_are_described(document):
    assert told(document) == {"application/json": "ChatCompletion", "text/event-stream": "ChatCompletionChunk"}


def test_every_refusal_is_described_as_the_envelope_of_its_dialect(document):
    for path, operation in ((path, each) for path, item in document["paths"].items() for each in item.values()):
        envelope = "MessagesError" if path.startswith("/v1/messages") else "ErrorEnvelope"
        for status, response in operation["responses"].items():
            schema = response["content"]["application/json"]["schema"]
            assert status == "200" or schema == {"$ref": f"#/components/schemas/{envelope}"}
    assert told(document, "422") == {"application/json": "ErrorEnvelope"}
    assert "ValidationError" not in json.dumps(document)


@pytest.mark.parametrize(
    ("change", "fine"),
    [
        ({}, True),
        ({"stop": None, "tools": None, "user": None}, True),
        ({"messages": []}, False),
        ({"temperature": 3}, False),
        ({"n": 0}, False),
        ({"messages": [{"role": "robot", "content": "x"}]}, False),
    ],
)
async def test_the_server_takes_what_is_described_and_nothing_else(valid, change, fine):
    async with served() as url:
        status, _, _ = await post(url, {**ASKED, **change})
    assert valid("ChatRequest", {**ASKED, **change}) is fine
    assert (status == 200) is fine


async def test_the_server_answers_what_is_described(valid):
    async with served() as url:
        _, _, whole = await post(url, ASKED)
        _, _, refused = await post(url, {"model": "mock-gpt-model"})
        options = {"stream": True, "stream_options": {"include_usage": True}}
        stream = await client(url).chat.completions.create(
            model="mock-gpt-model", messages=ASKED["messages"], **options
        )
        events = [chunk.model_dump(exclude_unset=True) async for chunk in stream]
    assert valid("ChatCompletion", json.loads(whole))
    assert valid("ErrorEnvelope", json.loads(refused))
    assert len(events) > 3
    assert all(valid("ChatCompletionChunk", event) for event in events)


@pytest.mark.parametrize(
    ("path", "type", "mention"),
    [
        ("/openapi.json", "application/json", "openapi"),
        ("/docs", "text/html", "swagger"),
        ("/redoc", "text/html", "redoc"),
    ],
)
async def test_the_pages_about_it_answer(path, type, mention):
    async with served() as url, aiohttp.ClientSession() as session, session.get(url + path) as got:
        assert got.status == 200
        assert got.content_type == type
        assert mention in await got.text()
