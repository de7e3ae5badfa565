"""`dragoman check` and the schema tell of embeddings, and `check --try` makes a call."""

import json

import pytest
import yaml
from jsonschema import Draft202012Validator

from tests.embeddings.vectors import http, points
from tests.forking import ran
from tests.upstream import always, json_answer, listening


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    return tmp_path


def written(folder, config):
    (folder / "c.yaml").write_text(yaml.safe_dump(config))


async def test_a_check_tells_what_a_model_can_do(folder):
    config = http("http://b.example")
    config["backends"]["chat"] = {"kind": "http", "url": "http://c.example", "response": {"text": "t"}}
    config["models"]["chat"] = "chat"
    written(folder, config)
    status, out, _ = await ran("check", "c.yaml")
    assert status == 0
    assert "http://b.example/embed  nothing" in out
    assert "m: emulates dimensions, token_inputs; refuses chat, moderations" in out
    [chat] = [line for line in out.splitlines() if line.startswith("chat: ")]
    assert "dimensions" not in chat
    assert chat.endswith("embeddings, moderations; ignores history")


async def test_a_try_shows_what_was_sent_and_found(folder):
    async with listening(points) as upstream:
        written(folder, http(upstream.url))
        status, out, _ = await ran("check", "c.yaml", "--try", "Hello?")
    assert status == 0
    assert "POST /embed" in out
    assert "✓ embeddings.response.vectors points" in " ".join(out.split())
    assert "✓ embeddings.response.usage.prompt count" in " ".join(out.split())
    assert "an embedding of 3 dimensions: 6, 0.5, -0.25" in out


async def test_a_try_may_be_for_something_else(folder):
    script = always(json_answer({"bad": True, "why": ["hate"]}))
    async with listening(script) as upstream:
        config = http(upstream.url)
        judge = {"request": {"t": "{{ text }}"}, "response": {"flagged": "bad", "categories": "why"}}
        config["backends"]["b"]["moderations"] = {"url": upstream.url, **judge}
        written(folder, config)
        status, out, _ = await ran("check", "c.yaml", "--try", "Hello?", "--for", "moderations")
        assert (status, "flagged: hate" in out) == (0, True)
        status, out, _ = await ran("check", "c.yaml", "--try", "Hello?", "--for", "chat")
        assert (status, "This model cannot chat" in out) == (1, True)
        status, out, _ = await ran("check", "c.yaml", "--try", "Hello?", "--for", "embeddings")
        assert (status, "upstream_bad_response" in out) == (1, True)


async def test_the_schema_knows_backends_that_only_embed(folder):
    _, out, _ = await ran("schema")
    validator = Draft202012Validator(json.loads(out))
    config = http("http://b.example", {"abilities": {"token_inputs": "native"}}, batch=5)
    assert list(validator.iter_errors(config)) == []
    config["backends"]["b"]["embeddings"]["bath"] = 1
    assert list(validator.iter_errors(config))
