"""Executes what the README and the guides show."""

import asyncio
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dragoman import Config, Gateway
from tests.serving import client, gateway, needs_curl, served
from tests.upstream import LAST_CHUNK, Connection, Received, always, chunked, json_answer, listening, sse, stream_head

ROOT = Path(__file__).parent.parent
PORT = 8000


def blocks(file: str, language: str) -> list[str]:
    """The code blocks of that language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```", (ROOT / file).read_text(), re.MULTILINE | re.DOTALL)


SHELL, JSON, YAML, PYTHON = (blocks("README.md", language) for language in ("sh", "json", "yaml", "python"))


def shell(script: str, port: int, cwd: Path = ROOT) -> str:
    text = script.replace(f":{PORT}", f":{port}")
    environment = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-euc", text], cwd=cwd, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def told(answer: str) -> dict:
    """An answer without what differs each time."""
    return {**json.loads(answer), "id": "", "created": 0}


def test_shows_no_block_that_is_not_executed_here():
    assert [len(found) for found in (SHELL, JSON, YAML, PYTHON)] == [4, 1, 3, 2]


def test_the_first_commands_clone_and_serve(tmp_path):
    clone, serve = SHELL[0].strip().splitlines()
    assert clone == "git clone <REPOSITORY_LINK> dragoman && cd dragoman"
    for name in ("pyproject.toml", "requirements", "scripts"):
        (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(ROOT / ".venv")
    with subprocess.Popen([*serve.split(), "--port", "0"], cwd=tmp_path, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert "listens on http://127.0.0.1:" in process.stdout.readline()
        finally:
            process.terminate()


@needs_curl
async def test_the_curl_gets_the_answer_that_is_shown():
    async with gateway(Gateway()) as url:
        answer = await asyncio.to_thread(shell, SHELL[1], int(url.rpartition(":")[2]))
    assert told(answer) == told(JSON[0])


async def test_the_sdk_prints_the_stream(tmp_path):
    async with gateway(Gateway()) as url:
        script = PYTHON[0].replace(f"http://127.0.0.1:{PORT}", url)
        (tmp_path / "ask.py").write_text(script)
        printed = await asyncio.to_thread(shell, f"{sys.executable} ask.py", 0, tmp_path)
    assert printed == json.loads(JSON[0])["choices"][0]["message"]["content"]


async def test_the_yaml_maps_an_api_of_that_shape(tmp_path, monkeypatch):
    monkeypatch.setenv("CORP_TOKEN", "secret")

    async def corp(connection: Connection, received: Received) -> None:
        if received.json.get("stream"):
            events = sse({"delta": "Good"}, {"delta": " day"}, "[DONE]")
            await connection.send(stream_head() + chunked(*events) + LAST_CHUNK)
        else:
            await connection.send(json_answer({"reply": "Good day", "status": "cut"}))

    async with listening(corp) as upstream:
        (tmp_path / "my.yaml").write_text(YAML[0].replace("https://test.com", upstream.url))
        async with gateway(Gateway(Config.read(tmp_path / "my.yaml"))) as url:
            ask = {"model": "corp-chat", "messages": [{"role": "user", "content": "Hello"}], "temperature": 0.5}
            whole = await client(url).chat.completions.create(**ask)
            stream = await client(url).chat.completions.create(**ask, stream=True)
            streamed = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert (whole.choices[0].message.content, whole.choices[0].finish_reason) == ("Good day", "length")
    assert streamed == "Good day"
    sent = {"message": "Hello", "history": [{"role": "user", "content": "Hello"}], "temperature": 0.5}
    assert [request.json for request in upstream.requests] == [sent, {**sent, "stream": True}]
    assert upstream.requests[0].headers["authorization"] == "Bearer secret"


def test_the_commands_check_and_serve_the_yaml(tmp_path, monkeypatch):
    monkeypatch.setenv("CORP_TOKEN", "secret")
    (tmp_path / "my.yaml").write_text(YAML[0])
    schema, check, serve = (line.partition("#")[0].strip() for line in SHELL[2].strip().splitlines())
    shell(schema, 0, tmp_path)
    named = re.search(r"\$schema=(\S+)", YAML[0])[1]
    assert "backends" in json.loads((tmp_path / named).read_text())["properties"]
    assert "corp-chat" in shell(check, 0, tmp_path)
    announced = shell(f"coproc {{ exec {serve} --port 0; }}\nhead -1 <&${{COPROC[0]}}; kill $COPROC_PID", 0, tmp_path)
    assert "listens on" in announced


async def test_the_function_answers(tmp_path, monkeypatch):
    (tmp_path / "my_module.py").write_text(PYTHON[1])
    (tmp_path / "mine.yaml").write_text(YAML[2])
    monkeypatch.syspath_prepend(tmp_path)
    async with gateway(Gateway(Config.read(tmp_path / "mine.yaml"))) as url:
        got = await client(url).chat.completions.create(model="my-model", messages=[{"role": "user", "content": "Hi"}])
    assert got.choices[0].message.content == "You said: Hi"


def test_the_known_api_is_known(tmp_path):
    (tmp_path / "known.yaml").write_text(YAML[1])
    assert Config.read(tmp_path / "known.yaml").models["llama"].model == "llama3.2"


@needs_curl
async def test_the_one_file_server_starts_as_it_is_written(tmp_path):
    command = SHELL[3].strip()
    assert command == "uvicorn main:app --host 0.0.0.0 --port 8000"
    async with listening(always(json_answer({"reply": "From outside"}))) as upstream:
        question = {"model": "mock-gpt-model", "messages": [{"role": "user", "content": "Hi"}]}
        script = f"""{command.replace("8000", "0")} > log 2>&1 & server=$!; trap 'kill $server' EXIT
            until port=$(sed -n 's/.*running on .*:\\([0-9]*\\) .*/\\1/p' log) && [ -n "$port" ]; do sleep 0.1; done
            curl -s http://127.0.0.1:$port/v1/chat/completions -d '{json.dumps(question)}'"""
        shutil.copy(ROOT / "main.py", tmp_path)
        environment = f"export EXTERNAL_CHAT_URL={upstream.url}/chatting; "
        answer = await asyncio.to_thread(shell, environment + script, 0, tmp_path)
    assert json.loads(answer)["choices"][0]["message"]["content"] == "From outside"


@pytest.mark.parametrize("file", ["docs/python.md", "docs/hooks.md"])
async def test_the_guides_python_runs(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "dragoman.yaml").write_text(
        "backends: {b: {kind: demo}}\nmodels: {mock-gpt-model: b}\n"  # what the guide's Gateway("dragoman.yaml") reads
    )
    for code in blocks(file, "python"):
        namespace: dict = {"__name__": "guide"}
        exec(compile(code, file, "exec"), namespace)
        made = namespace.get("gateway")
        if made is None:
            continue
        app = namespace.get("app", made.app)
        async with served(app) as url:
            path = "/ai" if "/ai" in code else ""
            model = next(iter(made.config.models))
            if model == "mock-gpt-model":
                got = await client(url + path).chat.completions.create(
                    model=model, messages=[{"role": "user", "content": "Hello"}]
                )
                assert got.choices[0].message.content


def test_five_minutes_are_enough(tmp_path):
    adapting, checking = blocks("docs/your-own-api.md", "sh")
    shell(adapting, 0, tmp_path)
    assert (tmp_path / "acme/acme.yaml").read_text() == blocks("docs/your-own-api.md", "yaml")[0]
    told = shell(checking, 0, tmp_path)
    assert "api.acme.example" in told
    assert "1 passed" in told


GUIDES = [str(file.relative_to(ROOT)) for file in sorted((ROOT / "docs").rglob("*.md")) if file.stem != "your-own-api"]


@pytest.mark.parametrize("file", GUIDES)
def test_the_guides_yaml_is_a_configuration(file, tmp_path, monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "secret")
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_module.py").write_text("class Audit:\n    def before(self, call): ...\ndef answer(): ...\n")
    sys.modules.pop("my_module", None)
    for text in blocks(file, "yaml"):
        for name in re.findall(r"(?<!\$)\$\{(\w+)\}", text):
            monkeypatch.setenv(name, "secret-value")
        (tmp_path / "guide.yaml").write_text(text)
        if not text.startswith("about:"):  # a preset's page also shows the preset itself
            assert Config.read(tmp_path / "guide.yaml").models


def test_what_is_made_from_the_source_is_current():
    done = subprocess.run([sys.executable, ROOT / "docs/generate.py", "--check"], capture_output=True, text=True)
    assert done.returncode == 0, f"{done.stderr}run docs/generate.py"


def test_links_lead_somewhere():
    for file in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", file.read_text()):
            assert (file.parent / target).exists(), f"{file.name} links to {target}"
