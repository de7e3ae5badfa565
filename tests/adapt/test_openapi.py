"""An operation of an OpenAPI document, adapted as if somebody had pasted a curl of it."""

import copy
import json

import pytest
import yaml

from dragoman.adapt.adaptation import adapted_openapi
from dragoman.adapt.asked import CannotAdapt

DOCUMENT = yaml.safe_load("""
openapi: 3.0.3
servers: [{url: "https://{region}.acme.com/v1/", variables: {region: {default: eu}}}]
security: [{key: []}]
paths:
  /bots/{bot}/chat:
    parameters: [{name: bot, in: path, required: true, schema: {type: string}}]
    post:
      operationId: chat
      parameters:
        - {name: version, in: query, required: true, example: "2"}
        - {name: trace, in: query, schema: {type: boolean}}
        - {$ref: "#/components/parameters/tenant"}
      requestBody:
        content:
          application/json: {schema: {$ref: "#/components/schemas/Question"}}
      responses:
        "400": {description: no}
        "200":
          content:
            application/json: {schema: {$ref: "#/components/schemas/Answer"}}
  /ping:
    delete: {operationId: remove, responses: {}}
    get:
      responses: {}
components:
  parameters:
    tenant: {name: X-Tenant, in: header, schema: {type: string}, required: true, example: north}
  securitySchemes:
    key: {type: apiKey, in: header, name: X-Api-Key}
    login: {type: oauth2, flows: {clientCredentials: {tokenUrl: "https://login.acme.com/token", scopes: {}}}}
    bearerAuth: {type: http, scheme: bearer}
    basicAuth: {type: http, scheme: basic}
    sid: {type: apiKey, in: cookie, name: sid}
    inUrl: {type: apiKey, in: query, name: api_key}
  schemas:
    Question:
      allOf:
        - {$ref: "#/components/schemas/Tuned"}
        - type: object
          required: [messages, mode, count]
          properties:
            messages: {type: array, items: {$ref: "#/components/schemas/Message"}}
            mode: {type: string, enum: [fast, slow]}
            count: {type: integer, minimum: 2}
            model: {type: string, default: acme-1}
            system: {type: [string, "null"]}
            session_id: {type: string}
            secretSauce: {type: string}
            created: {type: string, format: date-time}
    Tuned:
      type: object
      properties: {temperature: {type: number}, max_tokens: {type: integer, default: 9}}
    Message:
      type: object
      required: [role, content]
      properties:
        role: {type: string, enum: [human, bot]}
        content: {type: string}
    Answer:
      type: object
      properties:
        id: {type: string, format: uuid}
        reply: {oneOf: [{type: string}, {type: object}]}
        session_id: {type: string}
        usage: {type: object, properties: {input_tokens: {type: integer}, output_tokens: {type: integer}}}
        next: {$ref: "#/components/schemas/Answer"}
""")


def adapt(change=lambda document: None, operation="chat", **options):
    document = copy.deepcopy(DOCUMENT)
    change(document)
    return adapted_openapi(json.dumps(document), operation, **options)


def backend(*args, **options):
    given = adapt(*args, **options)
    return yaml.safe_load(given.yaml)["backends"][given.name]


def test_all_of_it_is_made_from_the_document():
    assert backend() == {
        "kind": "http",
        "url": "https://eu.acme.com/v1/bots/${BOT}/chat",
        "auth": {"kind": "header", "name": "X-Api-Key", "value": "${ACME_API_KEY}"},
        "headers": {"X-Tenant": "north"},
        "query": {"version": "2"},
        "request": {
            "temperature": "{{ temperature }}",
            "max_tokens": "{{ max_tokens }}",
            "messages": "{{ new_turns | role_map(user='human', assistant='bot') }}",
            "mode": "fast",
            "count": 2,
            "model": "{{ model }}",
            "system": "{{ system }}",
            "session_id": "{{ session }}",
        },
        "response": {
            "text": "reply",
            "usage": {"prompt": "usage.input_tokens", "completion": "usage.output_tokens"},
            "session": "session_id",
        },
        "session": {},
    }


def test_it_may_be_written_in_yaml_and_be_named_by_its_path():
    written = yaml.safe_dump(DOCUMENT, sort_keys=False)
    assert adapted_openapi(written, "chat") == adapted_openapi(written, "POST /bots/{bot}/chat") == adapt()


def test_what_is_shown_is_taken_before_what_is_made_up():
    def show(document):
        content = document["paths"]["/bots/{bot}/chat"]["post"]["requestBody"]["content"]["application/json"]
        content["examples"] = {"one": {"value": {"q": "Where is it?", "lang": "en"}}}
        answer = document["paths"]["/bots/{bot}/chat"]["post"]["responses"]["200"]["content"]["application/json"]
        answer["example"] = {"code": 0, "msg": "ok", "data": "It is over there."}

    given = backend(show)
    assert given["request"] == {"q": "{{ last_user }}", "lang": "en"}
    assert given["response"]["text"] == "data"


def test_a_real_sample_is_taken_before_both():
    assert backend(sample=b"data: Hi\n\ndata:  you\n\n")["stream"] == {"framing": "sse", "format": "text"}


@pytest.mark.parametrize(
    ("scheme", "auth"),
    [
        ("bearerAuth", {"kind": "bearer", "token": "${ACME_API_KEY}"}),
        ("basicAuth", {"kind": "header", "name": "Authorization", "value": "Basic ${ACME_API_KEY}"}),
        ("inUrl", {"kind": "query", "name": "api_key", "value": "${ACME_API_KEY}"}),
        (
            "login",
            {
                "kind": "oauth2",
                "token_url": "https://login.acme.com/token",
                "client_id": "${CLIENT_ID}",
                "client_secret": "${CLIENT_SECRET}",
            },
        ),
        ("unknown", {"kind": "bearer", "token": "${ACME_API_KEY}"}),
    ],
)
def test_the_login_is_the_documents(scheme, auth):
    assert backend(lambda document: document.update(security=[{scheme: []}]))["auth"] == auth


def test_a_cookie_logs_in_by_a_header():
    given = backend(lambda document: document.update(security=[{"sid": []}]))
    assert (given.get("auth"), given["headers"]["Cookie"]) == (None, "${ACME_COOKIE}")


@pytest.mark.parametrize(
    ("type", "schema", "format", "request_"),
    [
        (
            "application/x-www-form-urlencoded",
            {"properties": {"q": {"type": "string"}, "n": {"default": 1}}},
            "form",
            {"q": "{{ last_user }}"},
        ),
        ("text/plain", {"type": "string", "example": "Hello you"}, "text", "{{ last_user }}"),
    ],
)
def test_a_body_may_be_a_form_or_a_text(type, schema, format, request_):
    def change(document):
        document["paths"]["/bots/{bot}/chat"]["post"]["requestBody"] = {"content": {type: {"schema": schema}}}

    given = backend(change)
    assert (given["request_format"], given["request"]) == (format, request_)


def deep(document):
    document["components"]["schemas"]["Message"]["properties"]["content"] = {"$ref": "#/components/schemas/Round"}
    document["components"]["schemas"]["Round"] = {"$ref": "#/components/schemas/Round"}


def refers(reference):
    return lambda document: document["components"]["schemas"].update(Question={"$ref": reference})


@pytest.mark.parametrize(
    ("change", "operation", "told"),
    [
        (lambda document: None, "chatt", "No operation is called 'chatt'; there are chat"),
        (lambda document: None, "zzz", "No operation is called 'zzz'; there are chat, remove."),
        (lambda document: document.pop("paths"), "chat", "The document has no operations"),
        (lambda document: None, "remove", "The operation asks by DELETE"),
        (lambda document: None, "GET /ping", "Nothing in the request looks like a question"),
        (lambda document: document.pop("servers"), "chat", "The document does not say where the API is"),
        (
            lambda document: document.update(servers=[{"url": "/v1"}]),
            "chat",
            "The document does not say where the API is",
        ),
        (lambda document: document.update(swagger="2.0"), "chat", "The document is of Swagger 2"),
        (lambda document: document.pop("openapi"), "chat", "The document is not an OpenAPI 3 document"),
        (deep, "chat", "The document's references go round in a circle"),
        (refers("other.yaml#/X"), "chat", "The document refers to another (other.yaml#/X)"),
        (
            refers("#/components/schemas/Lost"),
            "chat",
            "The document refers to #/components/schemas/Lost, which is not in it",
        ),
        (
            lambda document: document["paths"]["/bots/{bot}/chat"]["post"].update(
                requestBody={"content": {"image/png": {}}}
            ),
            "chat",
            "The operation takes image/png",
        ),
    ],
)
def test_what_cannot_be_adapted_is_refused_with_what_to_do(change, operation, told):
    with pytest.raises(CannotAdapt) as caught:
        adapt(change, operation)
    assert str(caught.value).startswith(told)


@pytest.mark.parametrize(
    ("document", "told"),
    [
        ("a: [", "neither JSON nor YAML"),
        ("- a", "not an OpenAPI 3 document"),
        ("a: &a [x]\nb: *a", "has aliases"),
        ("a" * (8 * 2**20 + 1), "has more than 8 MiB"),
        ("[" * 100_000, "nested more than 128 levels deep"),
        ("- " * 100_000 + "x", "nested more than 128 levels deep"),
    ],
)
def test_what_is_no_document_is_refused(document, told):
    with pytest.raises(CannotAdapt, match=told):
        adapted_openapi(document, "chat")


def test_schemas_without_end_are_followed_for_a_while():
    def wide(document):
        for number in range(20):
            inner = {
                name: {"$ref": f"#/components/schemas/W{(number + 1) % 20}"} for name in ("answer", "text", "next")
            }
            document["components"]["schemas"][f"W{number}"] = {"type": "object", "properties": inner}
        document["components"]["schemas"]["Answer"] = {"$ref": "#/components/schemas/W0"}

    with pytest.raises(CannotAdapt, match="no text that could be an answer"):
        adapt(wide)
