"""The command line, run as a user runs it."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import pytest

import dragoman
from tests.forking import ran
from tests.serving import QUESTION, needs_curl, post
from tests.upstream import always, json_answer, listening

PIPE = asyncio.subprocess.PIPE
CONFIG = """\
backends:
  corp:
    kind: http
    url: {url}
    headers: {{Authorization: "Bearer ${{CORP_TOKEN}}"}}
    request: {{q: "{{{{ last_user }}}}"}}
    response: {{text: reply}}
  mine: {{kind: python, target: "mine:answer", stream: {{pace: 40/s}}}}
models:
  m: corp
  it's mine: mine
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where the commands are run: with a configuration, and a module that it names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("CORP_TOKEN", "t0ken")
    (tmp_path / "c.yaml").write_text(CONFIG.format(url="http://127.0.0.1:1"))
    (tmp_path / "mine.py").write_text("import os\n\ndef answer():\n    return str(os.getpid())\n")
    return tmp_path


async def started(*arguments):
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "dragoman", *arguments, stdin=asyncio.subprocess.DEVNULL, stdout=PIPE, stderr=PIPE
    )


@dataclass
class Serving:
    """A server that runs: what it printed, and where it listens."""

    process: asyncio.subprocess.Process
    printed: str
    url: str
    log: str = ""

    async def ended(self, sent=signal.SIGTERM):
        """Its exit code after a signal."""
        self.process.send_signal(sent)
        _, log = await asyncio.wait_for(self.process.communicate(), 10)
        self.log = log.decode()
        return self.process.returncode

    def logged(self, event):
        """The log's lines about an event."""
        lines = [json.loads(line) for line in self.log.splitlines() if line.startswith("{")]
        return [line for line in lines if line["event"] == event]


@asynccontextmanager
async def serving(*arguments):
    """`dragoman serve` on a free port, until the test is done with it."""
    process = await started("serve", *arguments, "--port", "0")
    printed = ""
    try:
        async with asyncio.timeout(20):
            while not re.search(r"^curl .*\n", printed, re.MULTILINE):
                line = (await process.stdout.readline()).decode()
                assert line, (await process.stderr.read()).decode()
                printed += line
        url = re.search(r"http://127\.0\.0\.1:\d+", printed)[0]
        await reachable(url)
        yield Serving(process, printed, url)
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
        process._transport.close()


async def reachable(url):
    """Waits until the server accepts; its port is bound before it is ready."""
    assert (await post(url, {}))[0] in (401, 422)


async def shell(line):
    process = await asyncio.create_subprocess_exec("bash", "-c", line, stdout=PIPE, stderr=PIPE)
    out, _ = await process.communicate()
    return process.returncode, out


@needs_curl
async def test_serve_says_where_what_and_how_and_ends_when_told(folder):
    async with serving() as server:
        assert f"dragoman {dragoman.__version__} listens on {server.url}" in server.printed
        assert f"{server.url}/v1" in server.printed
        assert re.search(r"^mock-gpt-model +demo +demo +.*native", server.printed, re.MULTILINE)
        status, out = await shell(re.search(r"^curl .*$", server.printed, re.MULTILINE)[0])
        answer = json.loads(out)
        assert status == 0
        assert answer["model"] == "mock-gpt-model"
        assert answer["choices"][0]["message"]["content"]
        assert await server.ended() == 0
        assert "Traceback" not in server.log


async def test_serve_takes_the_file_of_the_folder(folder):
    (folder / "c.yaml").rename(folder / "dragoman.yaml")
    async with serving() as server:
        assert re.search(r"^m +corp +http +http://127\.0\.0\.1:1 +emulated", server.printed, re.MULTILINE)
        assert await server.ended(signal.SIGINT) == 0


@needs_curl
async def test_the_printed_curl_survives_any_name_of_a_model(folder):
    text = "backends: {b: {kind: python, target: 'mine:answer'}}\nmodels: {\"it's [/a] $HOME `model` [b]é\": b}\n"
    (folder / "c.yaml").write_text(text)
    async with serving("c.yaml") as server:
        status, out = await shell(re.search(r"^curl .*$", server.printed, re.MULTILINE)[0])
        assert status == 0
        assert json.loads(out)["model"] == "it's [/a] $HOME `model` [b]é"
        assert json.loads(out)["choices"][0]["message"]["content"] == str(server.process.pid)
        assert "it's [/a] $HOME `model` [b]é  " in server.printed


async def test_workers_share_the_port(folder):
    (folder / "c.yaml").write_text("backends: {b: {kind: python, target: 'mine:answer'}}\nmodels: {m: b}\n")
    pids = set()
    async with serving("c.yaml", "--workers", "2") as server:
        async with asyncio.timeout(15):
            while len(pids) < 2:
                bodies = await asyncio.gather(*(post(server.url, QUESTION) for _ in range(8)))
                pids |= {json.loads(body)["choices"][0]["message"]["content"] for _, _, body in bodies}
        assert str(server.process.pid) not in pids
        await server.ended()
        assert "Traceback" not in server.log
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)


SECRETS = {
    "Authorization": "Bearer sk-s3cret",
    "Api-Key": "s3cret",
    "X-Api-Key": "s3cret",
    "Cookie": "c=s3cret",
    "Proxy-Authorization": "s3cret",
}
LONG = {**QUESTION, "messages": [{"role": "user", "content": "begin " + "x" * 9000 + " far-end"}]}


@pytest.mark.parametrize("level", ["debug", "info"])
async def test_raw_requests_are_logged_at_debug_only_and_without_credentials(folder, level):
    async with listening(always(json_answer({"reply": "Hi"}))) as upstream:
        (folder / "c.yaml").write_text(CONFIG.format(url=upstream.url))
        async with serving("c.yaml", "--log-level", level) as server:
            status, headers, _ = await post(f"{server.url}", LONG, **SECRETS, **{"X-Mine": "seen"})
            await server.ended()
    assert status == 200
    assert upstream.requests[0].headers["authorization"] == "Bearer t0ken"
    assert "s3cret" not in server.log
    assert "t0ken" not in server.log
    assert "far-end" not in server.log
    logged = [line for line in server.logged("request") if line["bytes"] > 9000]
    if level == "info":
        assert "begin" not in server.log
        assert logged == []
        return
    (line,) = logged
    assert (line["method"], line["path"], line["level"]) == ("POST", "/v1/chat/completions", "debug")
    assert line["request_id"] == headers["x-request-id"]
    assert line["headers"] | {name.lower(): "(hidden)" for name in SECRETS} == line["headers"]
    assert line["headers"]["x-mine"] == "(hidden)", "only what is known to be harmless is shown"
    assert line["headers"]["content-type"] == "application/json"
    assert len(line["body"]) == 8 * 1024
    assert line["body"] in json.dumps(LONG)


async def test_an_upstreams_failure_is_logged_with_its_reason(folder):
    async with listening(always(json_answer({"trouble": "out of paper"}, status="500 Oops"))) as upstream:
        (folder / "c.yaml").write_text(CONFIG.format(url=upstream.url))
        async with serving("c.yaml") as server:
            status, headers, body = await post(server.url, QUESTION)
            await server.ended()
    assert status == 502
    assert b"paper" not in body
    (line,) = server.logged("failed")
    assert line["request_id"] == headers["x-request-id"]
    assert (line["code"], line["backend"], line["level"]) == ("upstream_error", "corp", "warning")
    assert "out of paper" in line["detail"]


async def test_a_wrong_configuration_is_told_and_nothing_starts(folder):
    (folder / "c.yaml").write_text(
        CONFIG.format(url="http://127.0.0.1:1").replace("models:\n", "modells: 1\nmodels:\n")
    )
    code, out, err = await ran("serve", "c.yaml", "--port", "0")
    assert (code, out) == (2, "")
    assert err == "c.yaml:9: modells: is not a known key; did you mean 'models'?\n"


async def test_a_variable_that_is_not_set_stops_the_start(folder, monkeypatch):
    monkeypatch.delenv("CORP_TOKEN")
    code, _, err = await ran("serve", "c.yaml", "--port", "0")
    assert code == 2
    assert err == "c.yaml:5: backends.corp.headers.Authorization: the environment variable CORP_TOKEN is not set\n"


async def test_a_port_in_use_stops_the_start(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, out, err = await ran("serve", "--port", str(port))
    assert (code, out) == (2, "")
    assert err.startswith(f"cannot listen on 127.0.0.1:{port}: Address already in use")
    assert err.endswith("; choose another with --port\n")


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("serve nothing.yaml", "nothing.yaml: cannot be read: No such file or directory"),
        ("serve --log-level loud", "there is no level 'loud'; use one of debug, info, warning, error"),
        ("serve --workers 2 --reload", "--reload works with one worker only"),
        ("serve --port 70000", "Invalid value for '--port'"),
        ("serve --prot 1", "--prot"),
        ("check nothing.yaml", "nothing.yaml: there is no such file"),
        ("check", "Missing argument"),
        ("chekc", "chekc"),
    ],
)
async def test_what_cannot_run_ends_with_2(folder, line, told):
    code, _, err = await ran(*line.split())
    assert code == 2
    assert told in err
    assert "Traceback" not in err


async def test_check_shows_what_each_model_resolves_to(folder):
    code, out, err = await ran("check", "c.yaml")
    rows = [re.split(r" {2,}", line.strip()) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert rows == [
        ["model", "backend", "kind", "answers from", "streams"],
        ["m", "corp", "http", "http://127.0.0.1:1", "emulated"],
        ["it's mine", "mine", "python", "mine:answer", "emulated, 40/s"],
        [
            "m: emulates stream, n, stop, max_tokens, usage, tools, functions, json_object, json_schema, system, "
            "token_prompts; refuses images, audio, files, logprobs, audio_output, prediction, web_search, embeddings, "
            "moderations; ignores history"
        ],
        [
            "it's mine: emulates stream, n, stop, max_tokens, usage, tools, functions, json_object, json_schema, "
            "token_prompts; refuses logprobs, audio_output, prediction, web_search, embeddings, moderations"
        ],
    ]


async def test_check_ends_with_1_and_tells_all_that_is_wrong(folder):
    text = CONFIG.format(url="ftp://x").replace("mine:answer", "mine:anser")
    (folder / "c.yaml").write_text(text)
    code, out, err = await ran("check", "c.yaml")
    assert (code, out) == (1, "")
    assert [line.split(": ")[:2] for line in err.splitlines()] == [
        ["c.yaml:4", "backends.corp.url"],
        ["c.yaml:8", "backends.mine.target"],
    ]


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("--help", ["serve", "check", "OpenAI's API in front of any chat API"]),
        ("serve --help", ["Examples", "dragoman serve my.yaml --port 9000", "--workers", "--reload", "--log-level"]),
        ("check --help", ["Example", "dragoman check my.yaml", "Ends with 0"]),
        ("--version", [dragoman.__version__]),
    ],
)
async def test_help_helps(folder, line, shown):
    code, out, _ = await ran(*line.split())
    assert code == 0
    assert [word for word in shown if word not in out] == []


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
async def test_shells_can_complete(folder, monkeypatch, shell):
    monkeypatch.setenv("_DRAGOMAN_COMPLETE", f"source_{shell}")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", "from dragoman.cli import cli; cli(prog_name='dragoman')", stdout=PIPE
    )
    out, _ = await process.communicate()
    assert b"_DRAGOMAN_COMPLETE=complete_" + shell.encode() in out
