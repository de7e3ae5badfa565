"""Secrets planted wherever one may stand: none of them is ever told, but by the backend's own answer."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from tests.forking import ran
from tests.upstream import answer, listening

NAMES = (
    *(
        "backend-key",
        "header-from-environment",
        "bearer",
        "basic-user",
        "basic-password",
        "query-login",
        "oauth-secret",
    ),
    *("hmac-secret", "jwt-secret", "aws-key", "redis-password", "store-password", "config-key", "admin-key"),
    *("caller-authorization", "caller-api-key", "caller-x-api-key", "caller-cookie", "caller-header", "caller-query"),
    *("caller-path", "caller-proxy", "prompt", "system", "tool-argument", "user", "metadata", "extra-field", "schema"),
    *("upstream-body", "upstream-header", "upstream-event", "upstream-redirect", "upstream-html", "upstream-cookie"),
    *("raised-by-function", "raised-by-hook", "raised-at-start", "wrong-file", "bad-json-body", "function-local"),
)
CANARIES = {name: f"canary-{name}-{index:02}-zq" for index, name in enumerate(NAMES)}
IN_CONFIG = NAMES[:14]

MODULE = """
def broken(messages):
    kept = {function_local!r}
    raise RuntimeError({raised_by_function!r})

def fussy(handler):
    def handle(call):
        if call.request.model == "hooked":
            raise ValueError({raised_by_hook!r})
        return handler(call)
    return handle
"""

CONFIG = """
backends:
  plain: {kind: http, url: "UPSTREAM/", headers: {X-Own: "${HEADER_FROM_ENVIRONMENT}"}, request: {q: "{{ last_user }}"}, response: {text: reply, error: error}, auth: {kind: bearer, token: "${BEARER}"}, stream: {request: {stream: true}, framing: sse, text: t, error: error}, breaker: false}
  basic: {kind: http, url: "UPSTREAM/html", request: {q: "{{ last_user }}"}, response: {text: reply}, auth: {kind: basic, user: "${BASIC_USER}", password: "${BASIC_PASSWORD}"}, breaker: false}
  asked: {kind: http, url: "UPSTREAM/redirect", request: {q: "{{ last_user }}"}, response: {text: reply}, auth: {kind: query, name: key, value: "${QUERY_LOGIN}"}, breaker: false}
  oauth: {kind: http, url: "UPSTREAM/", request: {q: "{{ last_user }}"}, response: {text: reply}, auth: {kind: oauth2, token_url: "UPSTREAM/401", client_id: a, client_secret: "${OAUTH_SECRET}"}, breaker: false}
  signed: {kind: http, url: "UPSTREAM/401", request: {q: "{{ last_user }}"}, response: {text: reply}, auth: {kind: jwt, secret: "${JWT_SECRET}"}, breaker: false}
  other: {kind: openai, url: "UPSTREAM/429", key: "${BACKEND_KEY}", breaker: false}
  dead: {kind: openai, url: "http://127.0.0.1:1/v1", key: "${BACKEND_KEY}"}
  mine: {kind: python, target: "canary_module:broken"}
models: {plain: plain, basic: basic, asked: asked, oauth: oauth, signed: signed, other: other, dead: dead, mine: mine, hooked: plain}
hooks: ["canary_module:fussy"]
redis: "redis://:${REDIS_PASSWORD}@127.0.0.1:1/0"
keys:
  alice: {secret: "${CONFIG_KEY}", models: [plain, basic, asked, oauth, signed, other, dead, mine, hooked], rpm: 100}
  ops: {secret: "${ADMIN_KEY}", admin: true}
"""
REASONS = ("caller-path", "upstream-body", "upstream-event", "raised-by-function", "raised-by-hook")
"""What an operator's log says as the reason of a failure; callers never read it."""


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")


async def _upstream(connection, received):
    """Fails in every way, and tells a secret each time."""
    told = CANARIES
    head = received.head
    cookies = (f"Set-Cookie: id={told['upstream-cookie']}", f"X-Secret: {told['upstream-header']}")
    body = json.dumps({"error": {"message": told["upstream-body"]}}).encode()
    if "/html" in head:
        await connection.send(answer(f"<html>{told['upstream-html']}</html>".encode(), *cookies, type="text/html"))
    elif "/redirect" in head:
        await connection.send(answer(b"", f"Location: http://x/{told['upstream-redirect']}", status="302 Found"))
    elif "/401" in head:
        await connection.send(answer(body, *cookies, status="401 No"))
    elif "/429" in head:
        await connection.send(answer(body, *cookies, "Retry-After: 1", status="429 Slow"))
    elif b"stream" in received.body:
        event = f'data: {{"t": "so"}}\n\ndata: {{"error": "{told["upstream-event"]}"}}\n\n'.encode()
        await connection.send(answer(event, type="text/event-stream"))
    else:
        await connection.send(answer(body, *cookies, status="500 Broken"))


def _request(model: str, **more):
    told = CANARIES
    arguments = json.dumps({"password": told["tool-argument"]})
    calls = [{"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}]
    messages = [
        {"role": "system", "content": told["system"]},
        {"role": "user", "content": told["prompt"]},
        {"role": "assistant", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "c", "content": "ok"},
        {"role": "user", "content": told["prompt"]},
    ]
    beside = {"user": told["user"], "metadata": {"note": told["metadata"]}, "extra": told["extra-field"]}
    return {"model": model, "messages": messages, **beside, **more}


def _answers(told) -> list[tuple[str, dict[str, str], object]]:
    """Paths, headers and bodies that are posted."""
    good = {
        "authorization": f"Bearer {told['config-key']}",
        "cookie": told["caller-cookie"],
        "x-mine": told["caller-header"],
    }
    models = ("plain", "basic", "asked", "oauth", "signed", "other", "dead", "mine", "hooked")
    path = "/v1/chat/completions"
    calls = [(path, good, _request(model, stream=stream)) for model in models for stream in (False, True)]
    wrong = [
        {"authorization": f"Bearer {told['caller-authorization']}"},
        {"api-key": told["caller-api-key"]},
        {"x-api-key": told["caller-x-api-key"], "proxy-authorization": told["caller-proxy"]},
    ]
    calls += [(path, headers, _request("plain")) for headers in wrong]
    schema = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": told["schema"]}}}
    return [
        *calls,
        (f"{path}?api_key={told['caller-query']}", good, _request("plain")),
        (f"/v1/{told['caller-path']}?key={told['caller-query']}", good, _request("plain")),
        (path, good, _request("plain", response_format=schema)),
        (path, good, {**_request("plain"), "temperature": told["user"]}),
        (path, good, f'{{"model": "{told["bad-json-body"]}'.encode()),
        ("/admin/v1/keys", {"x-api-key": told["admin-key"]}, {"name": "made", "rpm": told["user"]}),
    ]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in IN_CONFIG:
        monkeypatch.setenv(_variable(name), CANARIES[name])
    values = {name.replace("-", "_"): value for name, value in CANARIES.items()}
    (tmp_path / "canary_module.py").write_text(MODULE.format(**values))
    return tmp_path


def _leaks(what: str, text: str | bytes, but: tuple[str, ...] = ()) -> list[str]:
    shown = text.decode(errors="replace") if isinstance(text, bytes) else text
    return [f"{name} in {what}" for name, value in CANARIES.items() if value in shown and name not in but]


def test_there_are_forty_of_them():
    assert len(set(CANARIES.values())) >= 40


async def test_no_secret_is_told_by_a_server_whatever_happens_to_it(folder):
    async with listening(_upstream) as upstream:
        (folder / "dragoman.yaml").write_text(CONFIG.replace("UPSTREAM", upstream.url))
        serve = [sys.executable, "-m", "dragoman", "serve", "--port", "0"]
        with (folder / "out").open("wb") as out, (folder / "err").open("wb") as err:
            process = subprocess.Popen(serve, stdout=out, stderr=err, cwd=folder)
            try:
                leaks, statuses = await _tried(folder, process)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(20)
    for file in ("out", "err", *(each.name for each in folder.glob("dragoman.db*"))):
        leaks += _leaks(file, (folder / file).read_bytes(), but=REASONS if file == "err" else ())
    assert not leaks, "\n".join(leaks)
    assert {401, 404, 422, 429, 500, 502} <= statuses


async def _tried(folder: Path, process) -> tuple[list[str], set[int]]:
    url = await _listening(folder / "out")
    leaks, statuses = [], set()
    async with aiohttp.ClientSession(url) as session:
        for path, headers, body in _answers(CANARIES):
            data = {"data": body} if isinstance(body, bytes) else {"json": body}
            async with session.post(path, headers=headers, **data) as got:
                text = f"{got.status} {dict(got.headers)} {await _whole(got)}"
                statuses.add(got.status)
            # a path or a schema that is wrong is named to whoever sent it
            leaks += _leaks(f"{path.split('?')[0][:24]} {got.status}", text, but=("caller-path", "schema"))
        (folder / "dragoman.yaml").write_text(f"backends: {{b: {{kind: nope, key: {CANARIES['wrong-file']}}}}}\n")
        process.send_signal(signal.SIGHUP)
        for path in ("/docs", "/openapi.json", "/v1/models", "/health", "/ready", "/admin/v1/keys", "/admin/v1/usage"):
            async with session.get(path, headers={"x-api-key": CANARIES["admin-key"]}) as got:
                leaks += _leaks(path, f"{dict(got.headers)} {await got.text()}")
    await asyncio.sleep(0.6)
    return leaks, statuses


async def _whole(got) -> str:
    read = b""
    try:
        async for piece in got.content.iter_any():
            read += piece
    except aiohttp.ClientPayloadError:
        pass
    return read.decode(errors="replace")


async def _listening(out: Path) -> str:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        if "listens on " in (text := out.read_text()):
            url = text.partition("listens on ")[2].split()[0]
            with suppress(aiohttp.ClientError):
                async with aiohttp.ClientSession() as session, session.get(f"{url}/health"):
                    return url
        await asyncio.sleep(0.05)
    raise AssertionError(f"the server did not start: {(out.parent / 'err').read_text()}")


async def test_no_secret_is_told_by_a_command(folder):
    (folder / "dragoman.yaml").write_text(CONFIG.replace("UPSTREAM", "http://127.0.0.1:1"))
    broken = (
        CONFIG.replace("UPSTREAM", "http://127.0.0.1:1") + f"store: postgresql://u:{CANARIES['store-password']}@h:x/d\n"
    )
    (folder / "broken.yaml").write_text(broken)
    down = CONFIG.replace("UPSTREAM", "http://127.0.0.1:1") + "store: postgresql://u:${STORE_PASSWORD}@127.0.0.1:1/d\n"
    (folder / "down.yaml").write_text(down)
    commands = (
        ["check", "dragoman.yaml"],
        ["check", "dragoman.yaml", "--try", "Hello", "--model", "mine"],
        ["check", "broken.yaml"],
        ["keys", "list"],
        ["keys", "show", "alice"],
        ["keys", "list", "--config", "down.yaml"],
        ["usage", "--config", "down.yaml"],
        ["usage"],
        ["schema"],
    )
    leaks = []
    for command in commands:
        _, out, err = await ran(*command)
        leaks += _leaks(" ".join(command), f"{out}{err}", but=REASONS)
    assert not leaks, "\n".join(leaks)
    assert os.environ["CONFIG_KEY"] == CANARIES["config-key"]
