"""Real curls with what their APIs answer: what is made of them asks anew, and answers what was answered."""

import json
import re
import runpy
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml

from dragoman import Gateway
from dragoman.adapt.adaptation import adapted
from tests.serving import client, gateway
from tests.upstream import answer, listening

CASES = {
    file.stem: yaml.safe_load(file.read_text()) for file in sorted((Path(__file__).parent / "curls").glob("*.yaml"))
}
HISTORY = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What does a dragoman do?"},
    {"role": "assistant", "content": "He interprets."},
    {"role": "user", "content": "Since when?"},
]
TYPES = {"sse": "text/event-stream", "ndjson": "application/x-ndjson", "text": "text/plain"}


@pytest.fixture(params=CASES, ids=str)
def case(request):
    return CASES[request.param]


@pytest.fixture
def made(case):
    return adapted(case["curl"], case["sample"].encode(), case.get("type"))


@pytest.fixture
def asking(case, made, tmp_path, monkeypatch):
    """Opens what was made, at a local upstream that answers with the sample: a client of it, and the upstream."""
    for name, value in case.get("environment", {}).items():
        monkeypatch.setenv(name, value)

    @asynccontextmanager
    async def asking():
        async def script(connection, received):
            await connection.send(answer(case["sample"].encode(), type=kind(made, case)))

        async with listening(script) as upstream:
            file = tmp_path / "adapted.yaml"
            file.write_text(moved(made, upstream.url))
            async with gateway(Gateway(str(file))) as url, client(url) as asks:
                yield asks, upstream

    return asking


def kind(made, case):
    stream = made_backend(made).get("stream", {})
    return case.get("type") or TYPES.get(
        stream.get("framing"), "text/event-stream" if "data:" in case["sample"] else "application/json"
    )


def made_backend(made):
    return yaml.safe_load(made.yaml)["backends"][made.name]


def moved(made, url):
    """What was made, with another origin."""
    origin = re.match(r"(\w+://[^/]*|\$\{\w+\})", made_backend(made)["url"])[0]
    return made.yaml.replace(f'"{origin}', f'"{url}')


def test_it_says_what_has_to_be_set_and_no_secret(case, made):
    given = case.get("environment", {})
    assert set(made.variables) == set(given)
    assert all(f"{name}" in made.yaml.partition("backends:")[0] for name in given)
    if not case.get("placeholders"):
        written = f"{made.yaml}{made.recording}{made.test}"
        assert not [value for value in given.values() if value in written or unquote(value) in written]


async def ask(asks, case, made, messages=HISTORY, stream=False):
    """The text, the finish and the usage of an answer."""
    if not stream:
        got = await asks.chat.completions.create(model=made.model, messages=messages)
        return got.choices[0].message.content, got.choices[0].finish_reason, got.usage
    text, finish, usage = "", None, None
    options = {"include_usage": True}
    async for event in await asks.chat.completions.create(
        model=made.model, messages=messages, stream=True, stream_options=options
    ):
        for choice in event.choices:
            text += choice.delta.content or ""
            finish = choice.finish_reason or finish
        usage = event.usage or usage
    return text, finish, usage


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_it_answers_what_was_answered(case, made, asking, stream):
    if case.get("only") == "stream" and not stream:
        return
    async with asking() as (asks, _):
        text, finish, usage = await ask(asks, case, made, stream=stream)
    assert (text, finish) == (case["says"], case.get("finish", "stop"))
    if "usage" in case:
        assert {name: getattr(usage, name) for name in case["usage"]} == case["usage"]


async def test_it_asks_the_new_question_as_the_old_one_was_asked(case, made, asking):
    async with asking() as (asks, upstream):
        await ask(asks, case, made, stream=case.get("only") == "stream")
        check(upstream.requests[0], case["asked"], case)
        if "next" in case:
            messages = [
                *HISTORY,
                {"role": "assistant", "content": case["says"]},
                {"role": "user", "content": "And today?"},
            ]
            await ask(asks, case, made, messages)
            check(upstream.requests[1], case["next"], case)


def check(received, expected, case):
    """That a request is what was expected of it."""
    method, target, _ = received.head.split()
    assert method == expected.get("method", "POST")
    if "target" in expected:
        assert target == expected["target"]
    assert {name: received.headers.get(name) for name in expected.get("headers", {})} == expected.get("headers", {})
    assert not set(expected.get("without", ())) & received.headers.keys()
    if "json" in expected:
        body = received.json
        for name in case.get("varies", ()):
            assert body.pop(name) not in case["curl"]
        assert body == expected["json"]
    elif "openai" in expected:
        assert (received.json["model"], received.json["messages"]) == (expected["openai"], HISTORY)
    elif "form" in expected:
        assert received.headers["content-type"] == "application/x-www-form-urlencoded"
        assert received.body.decode() == expected["form"]
    else:
        assert received.body.decode() == expected.get("text", "")


def test_nothing_is_mapped_where_openai_is_spoken(case, made):
    assert made_backend(made)["kind"] == case.get("kind", "http")


def test_the_test_beside_it_holds(case, made, tmp_path):
    (tmp_path / "recorded").mkdir()
    (tmp_path / f"{made.name}.yaml").write_text(made.yaml)
    (tmp_path / "recorded" / f"{made.name}.yaml").write_text(made.recording)
    (tmp_path / f"test_{made.name}.py").write_text(made.test)
    names = runpy.run_path(str(tmp_path / f"test_{made.name}.py"))
    assert names["ANSWER"] == case["says"]
    next(value for name, value in names.items() if name.startswith("test_"))()


def test_the_question_that_was_pasted_is_not_asked_again(case, made):
    asked = json.loads(
        "{"
        + re.search(r'"messages": \[.*?\n    \],', made.test, re.DOTALL)[0].rstrip(",").replace(",\n    ]", "\n    ]")
        + "}"
    )
    assert asked["messages"][-1]["content"] not in made.yaml
