"""One file in, one frozen Config out; and what is wrong in it is told with its file, line, key, and what was meant."""

import pytest
import trustme
from pydantic import ValidationError

from dragoman import Config, ConfigError

HTTP = """\
backends:
  b:
    kind: http
    url: http://127.0.0.1:1
    request: {q: "{{ last_user }}"}
    response: {text: reply}
"""
MODELS = "models: {m: b}\n"
DEMO = "backends: {b: {kind: demo}}\n"
LAUGHS = "a: &a [x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefg", "bcdefgh", strict=True)
)


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads a text as a configuration file."""
    monkeypatch.setenv("WORD", "a value")
    monkeypatch.setenv("EMPTY", "")
    monkeypatch.delenv("UNSET", raising=False)

    def read(text):
        file = tmp_path / "c.yaml"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        return Config.read(file)

    return read


@pytest.fixture
def problems(read, tmp_path):
    """What is wrong with a text, one problem a line, without the folder."""

    def problems(text):
        with pytest.raises(ConfigError) as caught:
            read(text)
        return str(caught.value).replace(f"{tmp_path}/", "").splitlines()

    return problems


def backend(read, more):
    return read(f"{HTTP}    {more}\n{MODELS}").backends["b"]


@pytest.mark.parametrize(
    ("written", "is_"),
    [
        ("${WORD}", "a value"),
        ("x${WORD}y${WORD}", "xa valueya value"),
        ("${EMPTY}", ""),
        ("$${WORD}", "${WORD}"),
        ("$${UNSET}", "${UNSET}"),
        ("$WORD", "$WORD"),
        ("$${WORD}${WORD}", "${WORD}a value"),
        ("${word-x}", "${word-x}"),
        ("{WORD}", "{WORD}"),
    ],
)
def test_a_variable_stands_for_its_value(read, written, is_):
    assert backend(read, f"headers: {{A: '{written}'}}").headers == {"A": is_}


def test_a_variable_is_resolved_after_the_yaml_is_parsed(read, monkeypatch):
    monkeypatch.setenv("WORD", '"}, B: {c: "#')
    assert backend(read, 'headers: {A: "${WORD}"}').headers == {"A": '"}, B: {c: "#'}


def test_every_variable_that_is_not_set_is_named_with_its_line(problems):
    text = HTTP.replace("127.0.0.1:1", "${UNSET}/").replace("{text: reply}", '{text: "${UNSET_TOO}"}')
    assert problems(text + MODELS) == [
        "c.yaml:4: backends.b.url: the environment variable UNSET is not set",
        "c.yaml:6: backends.b.response.text: the environment variable UNSET_TOO is not set",
    ]


WRONG = {
    # keys that do not exist, at every level
    "top": (f"{HTTP}{MODELS}hook: []", "8: hook: is not a known key; did you mean 'hooks'?"),
    "http": (HTTP.replace("url", "ulr", 1) + MODELS, "4: backends.b.ulr: is not a known key; did you mean 'url'?"),
    "http-request": (
        HTTP.replace("request:", "requst:") + MODELS,
        "5: backends.b.requst: is not a known key; did you mean 'request'?",
    ),
    "openai": (
        f"backends:\n  b:\n    kind: openai\n    url: http://x\n    modle: y\n{MODELS}",
        "5: backends.b.modle: is not a known key; did you mean 'model'?",
    ),
    "python": (
        f"backends:\n  b:\n    kind: python\n    target: {__name__}:answering\n    thread: 3\n{MODELS}",
        "5: backends.b.thread: is not a known key; did you mean 'threads'?",
    ),
    "demo": (f"backends:\n  b:\n    kind: demo\n    url: y\n{MODELS}", "4: backends.b.url: is not a known key"),
    "timeout": (
        f"{HTTP}    timeout:\n      connect: 1s\n      fist: 3s\n{MODELS}",
        "9: backends.b.timeout.fist: is not a known key; did you mean 'first'?",
    ),
    "response": (
        HTTP.replace("text: reply", "text: reply, finnish: a") + MODELS,
        "6: backends.b.response.finnish: is not a known key; did you mean 'finish'?",
    ),
    "usage": (
        HTTP.replace("text: reply", "text: reply, usage: {promt: a}") + MODELS,
        "6: backends.b.response.usage.promt: is not a known key; did you mean 'prompt'?",
    ),
    "finish": (
        HTTP.replace("text: reply", "text: reply, finish: {path: a, mapp: {}}") + MODELS,
        "6: backends.b.response.finish.mapp: is not a known key; did you mean 'map'?",
    ),
    "stream": (
        f"{HTTP}    stream: {{framing: sse, txt: t}}\n{MODELS}",
        "7: backends.b.stream.txt: is not a known key; did you mean 'text'?",
    ),
    "model": (
        f"{DEMO}models:\n  m:\n    backend: b\n    owned: me\n",
        "5: models.m.owned: is not a known key; did you mean 'owned_by'?",
    ),
    "bounds": (f"{DEMO}{MODELS}bounds: {{bodi: 3}}", "3: bounds.bodi: is not a known key; did you mean 'body'?"),
    "complex-key": ("backends:\n  ? [a, b]\n  : c\nmodels: {m: b}\n", "2: backends."),
    "far": (f"{DEMO}{MODELS}xylophone: 1", "3: xylophone: is not a known key"),
    # keys that are there twice
    "twice": (f"{DEMO}{MODELS}{MODELS}", "3: models: stands here twice"),
    "model-twice": (f"{DEMO}models:\n  m: b\n  m: b\n", "4: models.m: stands here twice"),
    "backend-twice": (f"{HTTP}{HTTP[10:]}{MODELS}", "7: backends.b: stands here twice"),
    # what is not YAML, or not this
    "bracket": ("a: [b\n", "2: is not YAML: did not find expected ',' or ']'"),
    "colons": ("a: b: c\n", "1: is not YAML: mapping values are not allowed in this context"),
    "tab": ("a:\n\tb: 1\n", "2: is not YAML: found character that cannot start any token"),
    "alias": ("a: *y\n", "1: is not YAML: found undefined alias"),
    "object": (f"{DEMO}models: !!python/object:os.system x", "2: is not YAML: could not determine a constructor for"),
    "documents": (f"{DEMO}{MODELS}---\na: 1\n", "3: is not YAML: but found another document"),
    # names
    "no-backend": (f"{DEMO}models:\n  m: c\n", "3: models.m: no backend is named 'c'"),
    "near-backend": (
        f"{DEMO.replace('b:', 'corp:')}models:\n  m: crop\n",
        "3: models.m: no backend is named 'crop'; did you mean 'corp'?",
    ),
    "backend-name": (f"backends: {{'a b': {{kind: demo}}}}\n{MODELS}", "1: backends.a b: is not a good name"),
    "model-name": (f"{DEMO}models: {{'': b}}", "2: models.: is not a good name"),
    # kinds
    "kind": (
        f"backends:\n  b:\n    kind: htpp\n{MODELS}",
        "3: backends.b.kind: there is no kind 'htpp'; did you mean 'http'?; there are http, openai, python, demo",
    ),
    "no-kind": (
        f"backends:\n  b:\n    url: x\n{MODELS}",
        "2: backends.b: needs `kind`: demo, http, openai, python, replay; or `preset`",
    ),
    # what a backend needs
    "no-backends": (MODELS, "1: backends: is missing"),
    "no-models": (DEMO, "1: models: is missing"),
    "no-url": (HTTP.replace("    url: http://127.0.0.1:1\n", "") + MODELS, "2: backends.b.url: is missing"),
    "no-response": (
        HTTP.replace("    response: {text: reply}\n", "") + MODELS,
        "2: backends.b: needs `response` (with `text`",
    ),
    "no-text": (HTTP.replace("text: reply", "") + MODELS, "6: backends.b.response: needs `text`"),
    "no-stream-text": (
        HTTP.replace("response: {text: reply}", "stream: {framing: sse}") + MODELS,
        "2: backends.b: needs `text` in `stream`",
    ),
    "framing": (
        f"{HTTP}    stream: {{framing: see}}\n{MODELS}",
        "7: backends.b.stream.framing: input should be 'sse', 'ndjson', 'json-array', 'text' or",
    ),
    "errors": (f"{DEMO}{MODELS}errors: opnai", "3: errors: input should be 'specified' or 'openai'"),
    "concurrency": (
        f"{HTTP}    concurrency: 0\n{MODELS}",
        "7: backends.b.concurrency: input should be greater than or equal to 1",
    ),
    # paths
    "path": (HTTP.replace("reply", "'a..b['") + MODELS, "6: backends.b.response.text: is not a JMESPath: "),
    "usage-path": (
        HTTP.replace("text: reply", "text: reply, usage: {prompt: '['}") + MODELS,
        "6: backends.b.response.usage.prompt: is not a JMESPath: ",
    ),
    # templates
    "variable": (
        HTTP.replace("last_user", "lastuser") + MODELS,
        "5: backends.b.request.q: speaks of 'lastuser', which is not defined; did you mean 'last_user'?",
    ),
    "deep-variable": (
        HTTP.replace('request: {q: "{{ last_user }}"}', 'request:\n      a:\n        - b: "{{ tempratur }}"') + MODELS,
        "7: backends.b.request.a[0].b: speaks of 'tempratur', which is not defined; did you mean 'temperature'?",
    ),
    "stream-variable": (
        f'{HTTP}    stream: {{framing: text, request: {{s: "{{{{ strem }}}}"}}}}\n{MODELS}',
        "7: backends.b.stream.request.s: speaks of 'strem', which is not defined; did you mean 'stream'?",
    ),
    "filter": (
        HTTP.replace("last_user", "last_user | uper") + MODELS,
        "5: backends.b.request.q: is not a template: filter uper is unknown in",
    ),
    "test": (
        HTTP.replace("last_user", "last_user is odder") + MODELS,
        "5: backends.b.request.q: is not a template: test odder is unknown in",
    ),
    "function": (
        HTTP.replace("last_user", "shell()") + MODELS,
        "5: backends.b.request.q: is not a template: shell is unknown in",
    ),
    "syntax": (
        HTTP.replace("last_user }}", "last_user }") + MODELS,
        "5: backends.b.request.q: is not a template: unexpected `}`",
    ),
    # quantities
    "duration": (
        f"{HTTP}    timeout: {{first: soon}}\n{MODELS}",
        "7: backends.b.timeout.first: write it like 20s, 500ms or 2m",
    ),
    "size": (f"{HTTP}    max_answer: 8 apples\n{MODELS}", "7: backends.b.max_answer: write it like 8MiB or 64KiB"),
    "rate": (f"{HTTP}    stream: {{pace: fast}}\n{MODELS}", "7: backends.b.stream.pace: write it like 40/s"),
    "zero": (f"{HTTP}    timeout: {{idle: 0s}}\n{MODELS}", "7: backends.b.timeout.idle: write it like 20s"),
    "negative": (f"{HTTP}    timeout: {{idle: -1}}\n{MODELS}", "7: backends.b.timeout.idle: write it like 20s"),
    "infinite": (f"{HTTP}    timeout: {{idle: .inf}}\n{MODELS}", "7: backends.b.timeout.idle: write it like 20s"),
    "boolean": (f"{HTTP}    timeout: {{idle: yes}}\n{MODELS}", "7: backends.b.timeout.idle: write it like 20s"),
    # what goes out
    "ca": (
        f"{HTTP}    tls: {{ca: /nowhere/ca.pem}}\n{MODELS}",
        "7: backends.b.tls.ca: cannot be used as a certificate authority: No such file",
    ),
    "header-crlf": (
        f'{HTTP}    headers: {{A: "b\\r\\nC: d"}}\n{MODELS}',
        "7: backends.b.headers.A: a header must be printable ASCII",
    ),
    "header-unicode": (f"{HTTP}    headers: {{A: é}}\n{MODELS}", "7: backends.b.headers.A: a header must be printable"),
    "header-name": (f"{HTTP}    headers: {{A B: c}}\n{MODELS}", "7: backends.b.headers.A B: a header"),
    "header-colon": (f"{HTTP}    headers: {{'A:': c}}\n{MODELS}", "7: backends.b.headers.A:: a header"),
    "header-empty": (f"{HTTP}    headers: {{'': c}}\n{MODELS}", "7: backends.b.headers.: a header"),
    "credentials": (
        HTTP.replace("127.0.0.1", "u:p@127.0.0.1") + MODELS,
        "4: backends.b.url: must not hold credentials; put them into headers",
    ),
    "scheme": (
        HTTP.replace("http://", "ftp://") + MODELS,
        "4: backends.b.url: must be an http://, https://, ws:// or wss:// URL",
    ),
    "relative": (HTTP.replace("http://127.0.0.1:1", "/chat") + MODELS, "4: backends.b.url: must be an http://"),
    "port": (HTTP.replace("127.0.0.1:1", "127.0.0.1:99999") + MODELS, "4: backends.b.url: "),
}


def answering():
    """What the python backend of this file's configurations calls."""


@pytest.mark.parametrize(("text", "problem"), WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_told_with_line_key_and_what_was_meant(problems, text, problem):
    told = problems(text)
    assert any(line.startswith(f"c.yaml:{problem}") for line in told), told
    if problem.endswith("is not a known key"):
        assert f"c.yaml:{problem}" in told


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "---\n"], ids=["empty", "comment", "document"])
def test_an_empty_file_lacks_everything(problems, text):
    assert [line.partition(": ")[2] for line in problems(text)] == ["backends: is missing", "models: is missing"]


@pytest.mark.parametrize(
    "text",
    [
        "hello\n",
        "- a\n",
        "3\n",
        f"backends: [a]\n{MODELS}",
        f"backends: {{b: demo}}\n{MODELS}",
        f"{DEMO}models: {{m: [b]}}",
    ],
    ids=["text", "list", "number", "backends", "backend", "model"],
)
def test_what_is_no_mapping_is_told_in_words_of_yaml(problems, text):
    (told,) = problems(text)
    assert told.startswith("c.yaml:")
    assert "mapping" in told
    assert "instance of" not in told


def test_all_that_is_wrong_is_told_at_once(problems):
    text = HTTP.replace("url", "ulr", 1).replace("reply", "'['") + "models: {m: b}\nmore: 1\n"
    told = {line.split(": ")[1] for line in problems(text)}
    assert told == {"backends.b.url", "backends.b.ulr", "backends.b.response.text", "more"}


def test_what_cannot_be_read_is_told(tmp_path, problems):
    with pytest.raises(ConfigError, match=r"nothing\.yaml: cannot be read: No such file or directory"):
        Config.read(tmp_path / "nothing.yaml")
    with pytest.raises(ConfigError, match="cannot be read: Is a directory"):
        Config.read(tmp_path)
    assert problems(b"backends: \xff\n") == ["c.yaml: cannot be read: it is not UTF-8"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("backends: &a\n  b: *a\nmodels: {m: b}\n", "c.yaml"),
        (LAUGHS, "c.yaml: more than 100000 values"),
        ("a: " + "[" * 5000 + "]" * 5000, "c.yaml"),
    ],
    ids=["circle", "laughs", "deep"],
)
def test_a_hostile_file_is_refused(problems, text, problem):
    assert problems(text)[0].startswith(problem)


def test_anchors_and_merge_keys_save_words(read):
    config = read(
        HTTP.replace("  b:", "  b: &b")
        + "  c:\n    <<: *b\n  d:\n    <<: *b\n    url: http://127.0.0.1:2\n  e: *b\n"
        + "models: {m: b, n: c, o: d, p: e}\n"
    )
    assert [backend.url[-1] for backend in config.backends.values()] == ["1", "1", "2", "1"]
    assert config.backends["d"].response == config.backends["b"].response


def test_a_value_that_looks_like_another_type_stays_a_key(read):
    config = read("backends:\n  1: {kind: demo}\n  on: {kind: demo}\nmodels: {2: '1', yes: 'on'}\n")
    assert list(config.models) == ["2", "yes"]
    assert list(config.backends) == ["1", "on"]


@pytest.mark.parametrize(
    ("written", "seconds"),
    [("20s", 20), ("500ms", 0.5), ("2m", 120), ("1h", 3600), ("7", 7), ("0.25", 0.25), ("1.5s", 1.5), ("'3 s'", 3)],
)
def test_durations_are_written_as_people_do(read, written, seconds):
    assert backend(read, f"timeout: {{first: {written}}}").timeout.first == seconds


@pytest.mark.parametrize(
    ("written", "bytes"),
    [("64KiB", 65536), ("8MiB", 8388608), ("1GB", 10**9), ("10", 10), ("1kb", 1000), ("2 MB", 2 * 10**6), ("5B", 5)],
)
def test_sizes_are_written_as_people_do(read, written, bytes):
    assert backend(read, f"max_answer: {written}").max_answer == bytes


@pytest.mark.parametrize(("written", "rate"), [("40/s", 40), ("40", 40), ("0.5/s", 0.5)])
def test_rates_are_written_as_people_do(read, written, rate):
    assert backend(read, f"stream: {{pace: {written}}}").stream.pace == rate


def test_a_certificate_authority_is_read(read, tmp_path):
    trustme.CA().cert_pem.write_to_path(tmp_path / "ca.pem")
    assert backend(read, f"tls: {{ca: {tmp_path}/ca.pem}}").tls.ca == tmp_path / "ca.pem"


def test_what_is_not_said_has_a_sane_default(read):
    config = read(HTTP + MODELS)
    b, m = config.backends["b"], config.models["m"]
    assert (m.backend, m.model, m.owned_by, m.created) == ("b", None, "dragoman", 0)
    assert (b.timeout.connect, b.timeout.first, b.timeout.idle, b.timeout.total) == (5, 60, 30, 600)
    assert (b.concurrency.limit, b.max_answer, b.headers, b.tls) == (1000, 10 * 2**20, {}, None)
    assert (config.errors, config.hooks, config.bounds.body) == ("specified", [], 8 * 2**20)
    assert b.native == {"chat", "developer"}


def test_a_configuration_is_frozen(read):
    config = read(HTTP + MODELS)
    for thing, name in [
        (config, "errors"),
        (config.bounds, "body"),
        (config.models["m"], "backend"),
        (config.backends["b"], "url"),
        (config.backends["b"].timeout, "first"),
        (config.backends["b"].response, "text"),
    ]:
        with pytest.raises(ValidationError, match="frozen"):
            setattr(thing, name, None)


def test_a_mapping_is_a_configuration_too():
    config = Config.of({"backends": {"b": {"kind": "demo"}}, "models": {"m": "b"}})
    assert config.models["m"].backend == "b"
    with pytest.raises(ConfigError, match=r"^the configuration: models\.m: no backend is named 'c'$"):
        Config.of({"backends": {"b": {"kind": "demo"}}, "models": {"m": "c"}})


def test_the_demo_is_a_configuration_too():
    assert list(Config.demo().models) == ["mock-gpt-model"]
