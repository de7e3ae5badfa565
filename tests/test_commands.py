"""`adapt`, `presets`, `schema`, `check --try`, `serve --record`: run as a user runs them."""

import asyncio
import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from dragoman.preset import names
from dragoman.tape.files import read
from tests.forking import ran
from tests.serving import needs_curl, post
from tests.test_cli import serving
from tests.upstream import LAST_CHUNK, always, chunked, json_answer, listening, sse, stream_head

CONFIG = """\
backends:
  corp:
    kind: http
    url: {url}/ask
    auth: {{kind: bearer, token: "${{CORP_TOKEN}}"}}
    request: {{q: "{{{{ last_user }}}}"}}
    response: {{text: {text}, error: error.message}}
    {more}
models: {{m: corp}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("CORP_TOKEN", "t0ken-of-corp")
    return tmp_path


def configured(folder, url, text="reply", more=""):
    (folder / "c.yaml").write_text(CONFIG.format(url=url, text=text, more=more))


async def test_the_schema_accepts_what_the_documentation_shows(folder):
    status, out, err = await ran("schema")
    assert (status, err) == (0, "")
    schema = json.loads(out)
    Draft202012Validator.check_schema(schema)
    configured(folder, "http://corp.example", more="timeout: {first: 20s}\n    max_answer: 2MiB")
    validator = Draft202012Validator(schema)
    config = yaml.safe_load((folder / "c.yaml").read_text())
    assert list(validator.iter_errors(config)) == []
    assert list(validator.iter_errors({**config, "backends": {"local": {"preset": "ollama"}}})) == []
    config["backends"]["corp"]["respons"] = {}
    assert list(validator.iter_errors(config))


async def test_presets_are_listed_and_shown():
    _, listed, _ = await ran("presets")
    assert all(name in listed for name in names())
    status, shown, _ = await ran("presets", "show", "ollama")
    assert status == 0
    assert yaml.safe_load(shown)["backend"]["kind"] == "http"
    status, _, err = await ran("presets", "show", "olama")
    assert status == 2
    assert "there is no preset 'olama'" in err


async def test_a_trial_shows_what_was_sent_what_came_and_what_was_found(folder):
    async with listening(always(json_answer({"reply": "Good day", "token": "t0ken-of-corp"}))) as upstream:
        configured(folder, upstream.url)
        status, out, err = await ran("check", "c.yaml", "--try", "Hello?")
    assert (status, err) == (0, "")
    for shown in (
        "POST /ask",
        '"q": "Hello?"',
        "200  1 piece",
        '✓ response.text      reply found "Good day"',
        "Good day",
    ):
        assert shown in out
    assert "t0ken-of-corp" not in out
    assert "(CORP_TOKEN)" in out or "(token)" in out


async def test_a_trial_names_the_nearest_paths_to_one_that_finds_nothing(folder):
    async with listening(always(json_answer({"result": {"reply": "Good day"}}))) as upstream:
        configured(folder, upstream.url)
        status, out, _ = await ran("check", "c.yaml", "--try", "Hello?")
    assert status == 1
    assert "✗ response.text      reply found nothing" in out
    assert 'would have: result.reply "Good day"' in out
    assert "upstream_no_text" in out


async def test_a_trial_of_a_stream_counts_the_events(folder):
    said = stream_head() + chunked(*sse({"d": "Good"}, {"d": " day"}, {"n": 1}, "[DONE]")) + LAST_CHUNK
    async with listening(always(said)) as upstream:
        configured(folder, upstream.url, more="stream: {framing: sse, text: d}")
        status, out, _ = await ran("check", "c.yaml", "--try", "Hello?", "--stream")
    assert status == 0
    assert 'stream.text        d found in 2 of 3 events "Good"' in out
    assert "Good day" in out


async def test_a_trial_that_reaches_nobody_says_so(folder):
    configured(folder, "http://127.0.0.1:1")
    status, out, _ = await ran("check", "c.yaml", "--try", "Hello?")
    assert status == 1
    assert "upstream_connect_error" in out
    status, _, err = await ran("check", "c.yaml", "--try", "Hello?", "--model", "n")
    assert (status, err.strip()) == (2, "--model: no model is named 'n'; there are m")


async def test_what_was_recorded_is_replayed_without_the_backend(folder):
    question = {"model": "m", "messages": [{"role": "user", "content": "Hello?"}]}
    async with listening(always(json_answer({"reply": "Good day"}))) as upstream:
        configured(folder, upstream.url)
        async with serving("c.yaml", "--record", "recorded") as server:
            assert (await post(server.url, question))[0] == 200
            recorded = folder / "recorded" / "corp-0001.yaml"
            async with asyncio.timeout(5):
                while not recorded.exists():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
    assert "t0ken-of-corp" not in recorded.read_text()
    assert read(recorded).answer.status == 200
    entry = yaml.safe_load((folder / "c.yaml").read_text())["backends"]["corp"]
    replay = {"backends": {"corp": {"kind": "replay", "files": "recorded", "backend": entry}}, "models": {"m": "corp"}}
    (folder / "replay.yaml").write_text(yaml.safe_dump(replay))
    async with serving("replay.yaml") as server:
        status, _, body = await post(server.url, question)
    assert status == 200
    assert json.loads(body)["choices"][0]["message"]["content"] == "Good day"


@needs_curl
async def test_a_curl_becomes_a_configuration_that_works(folder):
    async with listening(always(json_answer({"data": {"reply": "The capital of France is Paris."}}))) as upstream:
        (folder / "ask.sh").write_text(
            f"curl {upstream.url}/ask -H 'Authorization: Bearer $CORP_TOKEN' -d '{{\"question\": \"Which city?\"}}'"
        )
        status, made, err = await ran("adapt", "ask.sh", "--call")
        assert status == 0, err
        assert "text: data.reply" in made
        assert "${CORP_TOKEN}" in made
        (folder / "made.yaml").write_text(made)
        status, out, _ = await ran("check", "made.yaml", "--try", "And of Italy?")
    assert status == 0, out
    assert [request.json for request in upstream.requests][-1] == {"question": "And of Italy?"}
    assert upstream.requests[-1].headers["authorization"] == "Bearer t0ken-of-corp"


async def test_adapting_writes_a_test_that_passes_and_overwrites_nothing(folder):
    (folder / "sample.json").write_text('{"reply": "The capital of France is Paris."}')
    ask = ["adapt", 'curl https://a.example/ask -d \'{"q": "Which city?"}\'', "--sample", "sample.json"]
    status, out, err = await ran(*ask, "--out", "made")
    assert (status, out) == (0, ""), err
    made = sorted(str(file.relative_to(folder / "made")) for file in (folder / "made").rglob("*.*"))
    name = made[0].removesuffix(".yaml")
    assert made == [f"{name}.yaml", f"recorded/{name}.yaml", f"test_{name}.py"]
    test = compile((folder / "made" / f"test_{name}.py").read_text(), str(folder / "made" / f"test_{name}.py"), "exec")
    assert "reply" in (folder / "made" / f"{name}.yaml").read_text()
    assert test
    status, _, err = await ran(*ask, "--out", "made")
    assert status == 2
    assert "exists already" in err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["wget https://a.example"], "curl"),
        (["curl https://a.example -d '{}'", "--sample", "nowhere.json"], "nowhere.json: cannot be read"),
        (["--openapi", "nowhere.json"], "nowhere.json: cannot be read"),
        (['curl http://127.0.0.1:1/ask -d \'{"q": "Hi there"}\'', "--call"], "could not be reached"),
    ],
)
async def test_what_cannot_be_adapted_is_told(folder, arguments, told):
    status, out, err = await ran("adapt", *arguments)
    assert status in (1, 2)
    assert out == ""
    assert told in err
