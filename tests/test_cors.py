"""Pages that may call from a browser, and pages that may not."""

import asyncio
import shutil

import aiohttp
import openai
import pytest

from dragoman import Config, ConfigError, Gateway
from dragoman.config import schema
from tests.serving import QUESTION, gateway, http_backend, served
from tests.upstream import json_answer, listening

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"]
FLAGS += ["--disable-background-networking", "--disable-component-update", "--virtual-time-budget=8000", "--dump-dom"]
SDK_HEADERS = (
    "authorization,content-type,openai-organization,x-stainless-arch,x-stainless-helper-method,x-stainless-lang,"
    "x-stainless-os,x-stainless-package-version,x-stainless-retry-count,x-stainless-runtime,x-stainless-timeout"
)
CHAT = "/v1/chat/completions"


async def always(connection, received):
    await connection.send(json_answer({"reply": "Hi there"}))


def config(url, *origins, **more):
    return {**http_backend(url), **({"cors": {"origins": list(origins)}} if origins else {}), **more}


async def asked(url, path=CHAT, origin="https://chat.example", **more):
    options = {"method": "OPTIONS", "headers": {}, **more}
    headers = {"Origin": origin, **options["headers"]} if origin else options["headers"]
    method = options["method"]
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, url + path, headers=headers, json=options.get("json")) as got,
    ):
        return got.status, {name.lower(): value for name, value in got.headers.items()}, await got.read()


PREFLIGHT = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": SDK_HEADERS}


async def test_a_preflight_is_answered_before_anybody_asks_for_a_key():
    keys = {"keys": {"k": {"secret": "sk-secret-of-theirs"}}}
    async with listening(always) as upstream, gateway(config(upstream.url, "https://chat.example", **keys)) as url:
        for path in (CHAT, "/v1/models", "/openai/deployments/m/chat/completions", "/v1/nowhere"):
            status, headers, _ = await asked(url, path, headers=PREFLIGHT)
            assert (path, status) == (path, 200)
            assert headers["access-control-allow-origin"] == "https://chat.example"
            assert headers["access-control-allow-headers"] == SDK_HEADERS
            assert "POST" in headers["access-control-allow-methods"]
            assert "access-control-allow-credentials" not in headers
            assert "Origin" in headers["vary"]
            assert headers["x-request-id"]
        assert (await asked(url, method="POST", json=QUESTION))[0] == 401


async def test_an_answer_may_be_read_by_the_page_that_asked_streams_and_failures_too():
    async with listening(always) as upstream, gateway(config(upstream.url, "https://chat.example")) as url:
        for body, status in ((QUESTION, 200), ({**QUESTION, "stream": True}, 200), ({}, 422)):
            got, headers, _ = await asked(url, method="POST", json=body)
            assert got == status
            assert headers["access-control-allow-origin"] == "https://chat.example"
            shown = headers["access-control-expose-headers"].split(", ")
            assert {"x-request-id", "retry-after", "x-ratelimit-remaining-tokens", "x-dragoman-backend"} <= set(shown)
        assert (await asked(url, "/nowhere", method="GET"))[1]["access-control-allow-origin"] == "https://chat.example"


async def test_whoever_is_not_in_a_browser_sees_nothing_of_it():
    async with listening(always) as upstream, gateway(config(upstream.url, "https://chat.example")) as url:
        status, headers, _ = await asked(url, method="POST", json=QUESTION, origin=None)
    assert status == 200
    assert not [name for name in headers if name.startswith("access-control-allow")]


@pytest.mark.parametrize("origin", ["https://evil.example", "http://chat.example", "https://chat.example.evil", "null"])
async def test_another_page_is_refused_in_the_envelope_and_reads_nothing(origin):
    async with listening(always) as upstream, gateway(config(upstream.url, "https://chat.example")) as url:
        status, headers, body = await asked(url, origin=origin, headers=PREFLIGHT)
        _, told, _ = await asked(url, origin=origin, method="POST", json=QUESTION)
    assert status == 403
    assert b'"code":"origin_not_allowed"' in body
    assert "cors.origins" in body.decode()
    assert "access-control-allow-origin" not in headers.keys() | told.keys()


@pytest.mark.parametrize(
    ("pattern", "origin", "fine"),
    [
        ("*", "https://any.example", True),
        ("https://*.example.com", "https://a.b.example.com", True),
        ("https://*.example.com", "https://example.com", False),
        ("https://*.example.com", "https://evil.com/.example.com", False),
        ("https://*.example.com", "https://aXexample.com", False),
        ("http://localhost:*", "http://localhost:3000", True),
        ("http://localhost:*", "http://localhost.evil.example:3000", False),
        ("app://obsidian.md", "app://obsidian.md", True),
    ],
)
async def test_origins_are_named_or_by_a_pattern(pattern, origin, fine):
    async with listening(always) as upstream, gateway(config(upstream.url, pattern)) as url:
        status, headers, _ = await asked(url, origin=origin, headers=PREFLIGHT)
    assert status == (200 if fine else 403)
    assert headers.get("access-control-allow-origin") == (("*" if pattern == "*" else origin) if fine else None)


async def test_without_configuration_no_page_may_call():
    async with listening(always) as upstream, gateway(config(upstream.url)) as url:
        status, headers, _ = await asked(url, headers=PREFLIGHT)
        _, told, _ = await asked(url, method="POST", json=QUESTION)
    assert status == 405
    assert not [name for name in headers.keys() | told.keys() if name.startswith("access-control")]


@pytest.mark.parametrize(
    "origin", ["https://chat.example/", "chat.example", "https://chat.example/path", "", "https://"]
)
def test_what_is_no_origin_is_refused_at_the_start(origin):
    with pytest.raises(ConfigError, match=r"cors\.origins"):
        Config.of(config("http://127.0.0.1:1", origin))


def test_the_schema_for_editors_knows_of_it():
    assert "origins" in schema()["$defs"]["Cors"]["properties"]


PAGE = """<!DOCTYPE html><p id="told">nothing yet</p><script>
const told = text => document.getElementById("told").textContent = text;
fetch("%s/v1/chat/completions", {
    method: "POST",
    headers: {"Content-Type": "application/json", "Authorization": "Bearer sk-test", "X-Stainless-Lang": "js"},
    body: JSON.stringify({model: "m", messages: [{role: "user", content: "Hello"}]}),
}).then(async got => {
    const said = (await got.json()).choices[0].message.content;
    told(said + " by " + got.headers.get("x-dragoman-backend"));
}).catch(error => told("refused: " + error.name));
</script>"""


@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
async def test_a_real_browser_lets_the_allowed_page_read_the_answer_and_no_other(tmp_path):
    async def page(scope, receive, send):
        if scope["type"] == "http":
            await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/html")]})
            await send({"type": "http.response.body", "body": (PAGE % gate).encode()})

    told = []
    async with (
        listening(always) as upstream,
        served(page, lifespan="off") as allowed,
        gateway(config(upstream.url, allowed)) as gate,
    ):
        for site in (allowed, allowed.replace("127.0.0.1", "localhost")):
            command = [CHROMIUM, *FLAGS, f"--user-data-dir={tmp_path / str(len(told))}", site]
            process = await asyncio.create_subprocess_exec(*command, stdout=-1, stderr=-3)
            told.append((await asyncio.wait_for(process.communicate(), 60))[0].decode())
    assert "Hi there by b" in told[0]
    assert "refused: TypeError" in told[1]


async def test_a_reload_changes_who_may_call():
    async with listening(always) as upstream:
        made = Gateway(config(upstream.url))
        async with gateway(made) as url:
            assert (await asked(url, headers=PREFLIGHT))[0] == 405
            await made.reload(config(upstream.url, "https://chat.example"))
            assert (await asked(url, headers=PREFLIGHT))[0] == 200
            async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key="k", max_retries=0) as client:
                assert (await client.chat.completions.create(**QUESTION)).model == "m"
