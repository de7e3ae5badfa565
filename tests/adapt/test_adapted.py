"""What is written: a configuration that says what is guessed, without secrets, a recording, and a test of it."""

import ast
import json
import shlex

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman import Config
from dragoman.adapt.adaptation import adapted
from dragoman.adapt.asked import CannotAdapt
from dragoman.adapt.guessed import Guessed
from dragoman.adapt.vocabulary import words
from dragoman.adapt.written import written

URL = "https://api.acme.com/chat"
BODY = '--json \'{"message": "Why is that so?"}\''
ANSWER = b'{"reply": "Because."}'


def backend(options, sample=ANSWER):
    made = adapted(f"curl {options} {BODY}", sample)
    return yaml.safe_load(made.yaml)["backends"][made.name]


def test_all_of_it_reads_well():
    made = adapted(f"curl -k {URL} -H 'Authorization: Bearer s3cret-token' {BODY}", ANSWER)
    assert (
        made.yaml
        == """\
# Made by `dragoman adapt`. Look over what is guessed.
# Serve it: dragoman serve acme.yaml
# Set before: ACME_API_KEY (the bearer token)
# Note: -k was left out: certificates are always checked; for a private authority set `tls: {ca: FILE}`
backends:
  acme:
    kind: http
    url: "https://api.acme.com/chat"
    auth: {kind: bearer, token: "${ACME_API_KEY}"}
    request:
      # guessed: the question, by its name; `{{ prompt }}` would tell what was said before it
      message: "{{ last_user }}"
    response:
      text: reply  # guessed: the answer's text, by its name
models: {acme: acme}
"""
    )
    assert (
        made.recording
        == """\
# A recorded exchange; `kind: replay` answers from it.
request:
  method: POST
  target: "/chat"
  headers: {content-type: application/json, authorization: "(hidden)"}
  body: '{"message":"Why is that so?"}'
answer:
  status: 200
  headers: {content-type: application/json}
  body:
    - [0.0, '{"reply": "Because."}']
  whole: true
"""
    )
    assert (made.name, made.model, made.variables) == ("acme", "acme", ("ACME_API_KEY",))
    names = {
        node.targets[0].id: ast.literal_eval(node.value)
        for node in ast.parse(made.test).body
        if isinstance(node, ast.Assign) and node.targets[0].id != "HERE"
    }
    assert names == {
        "QUESTION": {"model": "acme", "messages": [{"role": "user", "content": "Why is that so?"}]},
        "ANSWER": "Because.",
    }


def test_without_a_sample_there_is_nothing_to_replay():
    made = adapted(f"curl {URL} {BODY}")
    assert (made.recording, made.test) == (None, None)
    assert "# guessed: no sample was given" in made.yaml


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("https://api.acme.com/x", "acme"),
        ("https://chat.api.acme.co.uk/x", "acme"),
        ("http://acme/x", "acme"),
        ("http://localhost:80/x", "local"),
        ("http://127.0.0.1/x", "local"),
        ("http://[::1]:80/x", "local"),
        ("$ACME_BASE_URL/x", "acme"),
        ("https://${REGION}.acme.com/x", "region"),
        ("http://bücher.example/x", "bucher"),
    ],
)
def test_the_backend_is_named_by_its_host(url, name):
    assert adapted(f"curl '{url}' {BODY}").name == name


def test_the_name_may_be_given():
    made = adapted(f"curl {URL} -H 'X-Key: abc' {BODY}", ANSWER, name="mine")
    assert (made.name, made.variables) == ("mine", ("MINE_API_KEY",))
    assert "serve mine.yaml" in made.yaml
    assert 'HERE / "mine.yaml"' in made.test


SECRET = "Zk4w2Xq9-Lm3N"
LOGINS = {
    "bearer": (f"-H 'authorization: bearer {SECRET}'", {"kind": "bearer", "token": "${ACME_API_KEY}"}),
    "variable": ("-H 'Authorization: Bearer $TOKEN'", {"kind": "bearer", "token": "${TOKEN}"}),
    "placeholder": ("-H 'Authorization: Bearer <your token>'", {"kind": "bearer", "token": "${ACME_API_KEY}"}),
    "command": ('-H "Authorization: Bearer $(login now)"', {"kind": "bearer", "token": "${ACME_API_KEY}"}),
    "user": (f"-u me:{SECRET}", {"kind": "basic", "user": "me", "password": "${ACME_PASSWORD}"}),
    "key-as-user": (f"-u {SECRET}:", {"kind": "basic", "user": "${ACME_API_KEY}", "password": ""}),
    "basic": (
        "-H 'Authorization: Basic bWU6Wms0dzJYcTktTG0zTg=='",
        {"kind": "basic", "user": "me", "password": "${ACME_PASSWORD}"},
    ),
    "basic-broken": (
        f"-H 'Authorization: Basic {SECRET}'",
        {"kind": "header", "name": "Authorization", "value": "Basic ${ACME_API_KEY}"},
    ),
    "other-scheme": (
        f"-H 'Authorization: Token {SECRET}'",
        {"kind": "header", "name": "Authorization", "value": "Token ${ACME_API_KEY}"},
    ),
    "no-scheme": (
        f"-H 'Authorization: {SECRET}'",
        {"kind": "header", "name": "Authorization", "value": "${ACME_API_KEY}"},
    ),
    "header": (
        f"-H 'X-Acme-Api-Key: {SECRET}'",
        {"kind": "header", "name": "X-Acme-Api-Key", "value": "${ACME_API_KEY}"},
    ),
    "header-by-looks": (
        "-H 'X-Who: eyJhbGciOi.eyJzdWIi.c2lnbmF0'",
        {"kind": "header", "name": "X-Who", "value": "${ACME_WHO}"},
    ),
    "query": (f"--url-query sig={SECRET}", {"kind": "query", "name": "sig", "value": "${ACME_SIG}"}),
    "aws": (
        f"--aws-sigv4 aws:amz:eu-west-1:bedrock -u AKIDAKID123:{SECRET}",
        {
            "kind": "sigv4",
            "region": "eu-west-1",
            "service": "bedrock",
            "access_key": "${ACME_ACCESS_KEY_ID}",
            "secret_key": "${ACME_SECRET_ACCESS_KEY}",
        },
    ),
}


@pytest.mark.parametrize(("options", "auth"), LOGINS.values(), ids=LOGINS)
def test_it_logs_in_as_the_command_did(options, auth):
    made = adapted(f"curl {URL} {options} {BODY}", ANSWER)
    assert yaml.safe_load(made.yaml)["backends"]["acme"]["auth"] == auth
    assert SECRET not in f"{made.yaml}{made.recording}{made.test}"


def test_every_secret_has_its_own_variable():
    given = backend(
        f"'{URL}?token=a1&key=b2&limit_tokens=7' -H 'Authorization: Bearer c3' -H 'X-Api-Key: d4' "
        "-H 'Api-Key: e5' -H 'X-Secret: c3' -b 'sid=f6'"
    )
    assert given["auth"] == {"kind": "bearer", "token": "${ACME_API_KEY}"}
    assert given["headers"] == {
        "X-Api-Key": "${ACME_API_KEY_2}",
        "Api-Key": "${ACME_API_KEY_3}",
        "X-Secret": "${ACME_API_KEY}",
        "Cookie": "${ACME_COOKIE}",
    }
    assert given["query"] == {"token": "${ACME_TOKEN}", "key": "${ACME_API_KEY_4}", "limit_tokens": "7"}


def test_a_secret_is_nowhere_even_where_it_stands_again():
    body = json.dumps({"message": f"Is {SECRET} right?", "auth": {"api_key": SECRET}, "note": [f"with {SECRET}"]})
    sample = json.dumps({"reply": f"No, {SECRET} is wrong.", "echo": SECRET}).encode()
    made = adapted(f"curl {URL}/{SECRET} -H 'X-Key: {SECRET}' --json {shlex.quote(body)}", sample)
    assert SECRET not in f"{made}"
    given = yaml.safe_load(made.yaml)["backends"]["acme"]
    assert given["request"]["auth"]["api_key"] == "${ACME_API_KEY}"
    assert given["request"]["note"] == ["with ${ACME_API_KEY}"]


@pytest.mark.parametrize(
    "value",
    ["gpt-4o-mini-2024-07-18-preview", "0b9f3c1e-7a52-4b0c-8f5e-2d0a3c4b5e6f", "application/vnd.acme.v2+json", "north"],
)
def test_what_only_looks_long_is_no_secret(value):
    assert backend(f"{URL} -H 'X-What: {value}'")["headers"] == {"X-What": value}


def test_headers_of_browsers_are_left_out_and_those_of_a_call_made_anew():
    noise = (
        "User-Agent",
        "Accept",
        "Accept-Language",
        "Origin",
        "Referer",
        "Sec-Fetch-Mode",
        "DNT",
        "Host",
        "Content-Length",
        "Connection",
    )
    options = " ".join(f"-H '{name}: x'" for name in noise)
    given = backend(f"{URL} {options} -H 'X-Request-Id: 7' -H 'Idempotency-Key: abc' -H 'acme-version: 2'")
    assert given["headers"] == {"X-Request-Id": "{{ uuid() }}", "Idempotency-Key": "{{ uuid() }}", "acme-version": "2"}


def test_a_content_type_of_its_own_is_sent():
    assert backend(f"{URL} -H 'Content-Type: application/vnd.acme+json'")["headers"] == {
        "Content-Type": "application/vnd.acme+json"
    }


def test_certificates_are_taken_along():
    assert backend(f"{URL} --cacert ca.pem")["tls"] == {"ca": "ca.pem"}


def test_a_model_that_is_a_variable_is_asked_for_by_the_backends_name():
    made = adapted(f'curl {URL} --json "{{\\"q\\": \\"Why is it?\\", \\"model\\": \\"$MODEL\\"}}"', ANSWER)
    assert made.model == "acme"
    assert yaml.safe_load(made.yaml)["models"] == {"acme": {"backend": "acme", "model": "${MODEL}"}}


OPENAI = {"model": "m-1", "messages": [{"role": "user", "content": "Why?"}]}
COMPLETION = {"choices": [{"message": {"role": "assistant", "content": "Because."}}]}


@pytest.mark.parametrize(
    ("url", "body", "sample", "kind"),
    [
        ("https://h.org/v1/chat/completions", OPENAI, COMPLETION, "openai"),
        ("https://h.org/v1/chat/completions", OPENAI, None, "openai"),
        ("https://h.org/v1/chat/completions", OPENAI, {"result": "Because."}, "http"),
        ("https://h.org/v1/chat/completions?v=1", OPENAI, COMPLETION, "http"),
        ("https://h.org/v1/chat", OPENAI, COMPLETION, "http"),
        ("https://h.org/v1/chat/completions", {"q": "Why?"}, COMPLETION, "http"),
    ],
)
def test_openais_own_language_is_passed_on(url, body, sample, kind):
    made = adapted(
        f"curl {url} -H 'X-Org: 1' -H 'X-Key: abc' --json {shlex.quote(json.dumps(body))}",
        sample and json.dumps(sample).encode(),
    )
    given = yaml.safe_load(made.yaml)["backends"]["h"]
    assert given["kind"] == kind
    if kind == "openai":
        assert given == {
            "kind": "openai",
            "url": "https://h.org/v1",
            "headers": {"X-Key": "${H_API_KEY}", "X-Org": "1"},
        }


def test_a_command_without_a_host_is_refused():
    with pytest.raises(CannotAdapt, match="The URL has no host"):
        adapted(f"curl http:///x {BODY}")


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
SCALARS |= st.text() | st.sampled_from(
    ["yes", "~", "1e3", "0x1", "2024-01-01", "a: b", "- a", "a #b", 'it\'s "so"', "\x85\u2028\ufeff", "=", "<<"]
)
NAMES = st.text(max_size=100) | st.sampled_from(["yes", "1e3", "~", "a: b", "$for", "\u2028", "<<", "?", ""])
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(NAMES, inner), max_leaves=12)


@given(st.dictionaries(NAMES, VALUES, min_size=1))
@settings(deadline=None)
def test_whatever_is_written_is_read_back_the_same(value):
    assert yaml.safe_load(written(value)) == value
    assert yaml.safe_load(written({key: Guessed(inner, "so\n# it is") for key, inner in value.items()})) == value


TEXTS = st.sampled_from(
    ["user", "bot", "Why is it so?", "{{ x }}", "${HOME}", "{% if %}", "\ue000A\ue001", "a\nb", "", "sk-abc12345678"]
)
KEYS = st.sampled_from(
    [*words("prompt messages role content text system model stop session_id user answer delta type x-y")]
)
JSON = st.recursive(
    TEXTS | SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=10
)


@given(st.dictionaries(KEYS, JSON, max_size=5), JSON, st.booleans())
@settings(deadline=None, max_examples=200)
def test_whatever_is_pasted_gives_a_configuration_or_is_refused(body, answer, streamed):
    text = json.dumps(answer)
    try:
        made = adapted(
            f"curl {URL} --json {shlex.quote(json.dumps(body))}",
            (f"data: {text}\n\n" * 2 if streamed else text).encode(),
        )
    except CannotAdapt:
        return
    variables = dict.fromkeys(made.variables, "set")
    Config.of(resolved(yaml.safe_load(made.yaml), variables))
    yaml.safe_load(made.recording)
    ast.parse(made.test)


def resolved(value, variables):
    """The data with its variables filled in."""
    if isinstance(value, dict):
        return {key: resolved(inner, variables) for key, inner in value.items()}
    if isinstance(value, list):
        return [resolved(inner, variables) for inner in value]
    for name in variables if isinstance(value, str) else ():
        value = value.replace(f"${{{name}}}", "set")
    return value
