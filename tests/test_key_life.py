"""The life of a key, as a new user would live it: real commands, a real server, the official SDK."""

import asyncio
import json
import time
from contextlib import asynccontextmanager

import aiohttp
import openai
import pytest

from dragoman.access.credentials import made
from tests.forking import ran
from tests.life import running as process
from tests.life.running import running
from tests.serving import QUESTION, TRUSTED, raw

CONFIG = {
    "backends": {"b": {"kind": "python", "target": "mine:answer"}},
    "models": {"m": {"backend": "b", "price": {"prompt": 1000, "completion": 1000}}, "other": "b", "team-x": "b"},
    "keys": {"ops": {"secret": "${OPS_KEY}", "admin": True}},
    "limits": {"failed_logins": 1_000_000},
}
OPS = "ops-secret-of-the-environment"
ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
ADMIN = {"authorization": f"Bearer {OPS}"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPS_KEY", OPS)
    monkeypatch.setattr(process, "reachable", reachable)
    (tmp_path / "mine.py").write_text("def answer():\n    return 'Hi there'\n")
    return tmp_path


async def reachable(url):
    """Waits until a server accepts, whether it needs a key or not."""
    assert await status(url, OPS) in (200, 401)


async def keys(*arguments):
    """The JSON that `dragoman keys …` prints."""
    status, out, err = await ran("keys", *arguments, "--config", "c.yaml", "--json")
    assert status == 0, err
    return json.loads(out)


async def revoked(name):
    status, _, err = await ran("keys", "revoke", name, "--config", "c.yaml")
    assert status == 0, err


@asynccontextmanager
async def caller(url, secret, **options):
    """The official SDK with a key; it counts what it sends."""
    sent = []

    async def count(request):
        sent.append(request)

    http = openai.DefaultAsyncHttpxClient(verify=TRUSTED, event_hooks={"request": [count]})
    async with openai.AsyncOpenAI(base_url=f"{url}/v1", api_key=secret, http_client=http, **options) as client:
        client.sent = sent
        yield client


async def says(client, **more):
    return (await client.chat.completions.create(**{**ASK, **more})).choices[0].message.content


async def refused(client, kind, **more):
    """What a call is refused with, which must be of that kind."""
    with pytest.raises(kind) as refusal:
        await client.chat.completions.create(**{**ASK, **more})
    return refusal.value


async def within(seconds, so):
    """Whether something becomes so, soon."""
    end = time.monotonic() + seconds
    while not (got := await so()) and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    return got


async def status(url, secret):
    async with aiohttp.ClientSession() as session:
        headers = {"authorization": f"Bearer {secret}"}
        async with session.post(f"{url}/v1/chat/completions", json=QUESTION, headers=headers) as got:
            await got.read()
            return got.status


async def test_a_key_works_at_once_in_a_running_server_and_only_for_its_models(folder):
    async with running(folder, CONFIG) as server:
        key = await keys("create", "alice", "--models", "m,team-*")
        async with caller(server.url, key["secret"], max_retries=0) as client:
            assert await says(client) == await says(client, model="team-x") == "Hi there"
            stream = await client.chat.completions.create(**ASK, stream=True)
            assert "".join([chunk.choices[0].delta.content or "" async for chunk in stream]) == "Hi there"
            assert [model.id async for model in client.models.list()] == ["m", "team-x"]
            denied = await refused(client, openai.PermissionDeniedError, model="other")
            assert (denied.status_code, denied.code, denied.type) == (403, "model_not_allowed", "permission_error")
            for model in ("M", "m ", "*", "team"):
                await refused(client, openai.NotFoundError, model=model)
            with pytest.raises(openai.NotFoundError):
                await client.models.retrieve("other")
        async with caller(server.url, OPS, max_retries=0) as client:
            assert [model.id async for model in client.models.list()] == ["m", "other", "team-x"]


async def test_a_key_is_taken_from_each_of_three_headers(folder):
    async with running(folder, CONFIG) as server, aiohttp.ClientSession() as session:
        secret = (await keys("create", "alice"))["secret"]
        given = [{"Authorization": f"bearer {secret}"}, {"API-Key": secret}, {"X-Api-Key": secret}]
        given.append({"Authorization": "Basic YTpi", "api-key": secret})
        for headers in given:
            for path in ("/v1/chat/completions", "/chat/completions"):
                async with session.post(server.url + path, json=ASK, headers=headers) as got:
                    assert got.status == 200, headers


async def test_the_limit_of_requests_is_told_as_openai_tells_it(folder):
    async with running(folder, CONFIG) as server:
        secret = (await keys("create", "alice", "--rpm", "2"))["secret"]
        async with caller(server.url, secret, max_retries=0) as client:
            first = await client.chat.completions.with_raw_response.create(**ASK)
            assert first.headers["x-ratelimit-limit-requests"] == "2"
            assert first.headers["x-ratelimit-remaining-requests"] == "1"
            await says(client)
            limited = await refused(client, openai.RateLimitError)
        assert (limited.status_code, limited.code, limited.type) == (429, "rate_limit_exceeded", "requests")
        headers = limited.response.headers
        assert 1 <= int(headers["retry-after"]) <= 30
        assert (headers["x-ratelimit-limit-requests"], headers["x-ratelimit-remaining-requests"]) == ("2", "0")
        assert headers["x-ratelimit-reset-requests"].endswith("s")
        assert "x-should-retry" not in headers


async def test_the_sdk_gets_through_a_limit_by_waiting(folder):
    async with running(folder, CONFIG) as server:
        secret = (await keys("create", "alice", "--rpm", "40"))["secret"]
        async with caller(server.url, secret, max_retries=3) as client:
            for _ in range(41):
                assert await says(client) == "Hi there"
            assert len(client.sent) > 41


async def test_a_budget_that_is_spent_is_not_tried_again(folder):
    async with running(folder, CONFIG) as server:
        key = await keys("create", "alice", "--budget", "0.001/month")
        async with caller(server.url, key["secret"], max_retries=5) as client:
            assert await says(client) == "Hi there"
            before = len(client.sent)
            spent = await refused(client, openai.RateLimitError)
            assert len(client.sent) == before + 1
            assert await says(client, model="other", extra_headers={"authorization": f"Bearer {OPS}"})
        assert (spent.status_code, spent.code, spent.type) == (429, "insufficient_quota", "insufficient_quota")
        assert spent.response.headers["x-should-retry"] == "false"

        async def noted():
            shown = await keys("show", "alice")
            return shown if shown["this_month"]["calls"] == 2 else None

        shown = await within(20, noted)
        assert shown["this_month"]["failed"] == 1
        assert shown["budgets"][0]["left"] == 0


async def test_an_old_secret_ends_with_its_grace(folder):
    async with running(folder, CONFIG) as server:
        first = await keys("create", "alice")
        second = await keys("rotate", "alice", "--grace", "20s")
        assert await status(server.url, first["secret"]) == await status(server.url, second["secret"]) == 200
        third = await keys("rotate", "alice")
        assert await status(server.url, third["secret"]) == 200
        for old in (first, second):
            assert await within(3, lambda old=old: answered(server.url, old["secret"], 401))
        fourth = await keys("rotate", "alice", "--grace", "3s")
        assert await status(server.url, fourth["secret"]) == 200
        assert await within(8, lambda: answered(server.url, third["secret"], 401))
        assert await status(server.url, fourth["secret"]) == 200


async def answered(url, secret, expected):
    return await status(url, secret) == expected


async def test_a_revoked_key_ends_within_moments(folder):
    async with running(folder, CONFIG) as server:
        key = await keys("create", "alice")
        async with caller(server.url, key["secret"], max_retries=0) as client:
            await says(client)
            await revoked("alice")
            assert await within(3, lambda: answered(server.url, key["secret"], 401))
            ended = await refused(client, openai.AuthenticationError)
            assert (ended.status_code, ended.code) == (401, "invalid_api_key")
        again = await keys("create", "alice")
        assert again["id"] != key["id"]
        assert await status(server.url, again["secret"]) == 200
        assert await status(server.url, key["secret"]) == 401


async def test_a_key_ends_when_it_expires(folder):
    async with running(folder, CONFIG) as server:
        key = await keys("create", "alice", "--expires", "6s")
        assert await status(server.url, key["secret"]) == 200
        assert await within(12, lambda: answered(server.url, key["secret"], 401))
        assert (await keys("show", "alice"))["state"] == "expired"


async def test_whatever_is_wrong_with_a_key_is_answered_the_same(folder):
    async with running(folder, CONFIG) as server:
        ended, over = await keys("create", "ended"), await keys("create", "over", "--expires", "1s")
        await revoked("ended")
        for each in (ended, over):
            assert await within(5, lambda each=each: answered(server.url, each["secret"], 401))
        valid = OPS.encode()
        shown = [b"authorization: Bearer " + secret.encode() for secret in (made(), ended["secret"], over["secret"])]
        shown += [b"authorization: Bearer ", b"authorization: Bearer", b"authorization: ", b"x-nothing: 1"]
        shown += [b"authorization: Basic " + valid, b"authorization: " + valid, b"cookie: api-key=" + valid]
        shown += [
            b"authorization: Bearer " + each for each in (valid + b"x", valid[:-1], valid.upper(), b"\xff\xfe\xe9")
        ]
        shown += [
            b"authorization: Bearer a b c",
            b"api-key: null",
            b"x-api-key: ' OR '1'='1",
            b"api-key: " + b"a" * 9000,
        ]
        shown += [b"authorization: Bearer a.b.c", b"authorization: Bearer eyJhbGciOiJub25lIn0.e30."]
        answers = [await asked(server.url, header) for header in shown]
        answers.append(
            await asked(server.url, b"x-nothing: 1", f"?api-key={OPS}&api_key={OPS}&authorization=Bearer+{OPS}")
        )
        assert {answer[0] for answer in answers} == {b"HTTP/1.1 401 Unauthorized"}
        assert len({answer[1] for answer in answers}) == 1
        assert json.loads(answers[0][1])["error"]["code"] == "invalid_api_key"
        assert (await asked(server.url, b"authorization: Bearer " + valid))[0] == b"HTTP/1.1 200 OK"


async def asked(url, header, query=""):
    """The status line and the body that a request with one more header gets."""
    body = json.dumps(ASK).encode()
    head = f"POST /v1/chat/completions{query} HTTP/1.1\r\nhost: h\r\ncontent-length: {len(body)}\r\n".encode()
    reply = await raw(url, head + header + b"\r\nconnection: close\r\n\r\n" + body)
    begin, _, rest = reply.partition(b"\r\n\r\n")
    return begin.partition(b"\r\n")[0], rest


async def test_guessing_is_slowed_down_but_not_those_who_know(folder):
    async with running(folder, {**CONFIG, "limits": {"failed_logins": 5}}) as server:
        got = [await status(server.url, made()) for _ in range(10)]
        assert got[:5] == [401] * 5
        assert got[-1] == 429
        assert await status(server.url, OPS) == 200


async def test_no_secret_is_in_the_log_or_in_the_database(folder):
    async with running(folder, CONFIG, "--log-level", "debug") as server:
        key = await keys("create", "alice")
        assert await status(server.url, key["secret"]) == 200
        wrong = made()
        assert await status(server.url, wrong) == 401
        await server.logs("refused")
        kept = server.log.read_bytes() + b"".join(file.read_bytes() for file in folder.glob("dragoman.db*"))
        for secret in (key["secret"], wrong, OPS):
            assert secret.encode() not in kept
        assert b"alice" in kept


async def test_an_administrator_does_all_of_it_over_http(folder):
    async with running(folder, CONFIG) as server, aiohttp.ClientSession() as session:

        async def admin(method, path, given=None, headers=ADMIN):
            async with session.request(method, f"{server.url}/admin/v1{path}", json=given, headers=headers) as got:
                return got.status, await got.json()

        grant = {"models": ["m"], "rpm": 60, "budget": "20/month", "admin": True}
        created, lead = await admin("POST", "/keys", {"name": "lead", **grant})
        assert created == 200
        theirs = {"authorization": f"Bearer {lead['secret']}"}
        got, told = await admin("POST", "/keys", {"name": "bob", "models": ["m", "other"], "rpm": 1}, theirs)
        assert (got, told["error"]["code"], told["error"]["param"]) == (403, "grant_exceeds", "models")
        got, bob = await admin("POST", "/keys", {"name": "bob", "models": ["m"], "rpm": 5, "budget": "1/month"}, theirs)
        assert (got, bob["by"]) == (200, lead["id"])
        assert await status(server.url, bob["secret"]) == 200
        plain = {"api-key": bob["secret"]}
        assert [(await admin("GET", "/keys", headers=headers))[0] for headers in (plain, {})] == [403, 401]
        assert (await admin("POST", "/keys", {"name": "x"}, plain))[0] == 403
        got, rotated = await admin("POST", "/keys/bob/rotate", {"grace": "1h"}, theirs)
        assert await status(server.url, bob["secret"]) == await status(server.url, rotated["secret"]) == 200
        assert (await admin("DELETE", f"/keys/{bob['id']}", headers=theirs))[0] == 200
        for secret in (bob["secret"], rotated["secret"]):
            assert await within(3, lambda secret=secret: answered(server.url, secret, 401))
        assert [key["name"] for key in (await admin("GET", "/keys"))[1]["data"]] == ["lead", "bob"]
        names = [line["name"] for line in server.logged("key created")]
        assert names == ["lead", "bob"]

        async def counted():
            _, told = await admin("GET", "/usage?by=key")
            answered = {row["key"]: row["calls"] - row["failed"] for row in told["data"]}
            return 3 <= answered.get(bob["id"], 0) <= 5  # at most its limit

        assert await within(10, counted)


async def test_a_server_is_open_until_its_first_key(folder):
    config = {name: value for name, value in CONFIG.items() if name != "keys"}
    async with running(folder, config) as server:
        assert await status(server.url, "anything") == 200
        assert (await asked(server.url, b"x-nothing: 1"))[0] == b"HTTP/1.1 200 OK"
        key = await keys("create", "alice")
        assert await within(3, lambda: answered(server.url, "anything", 401))
        assert await status(server.url, key["secret"]) == 200
        await revoked("alice")
        assert await within(3, lambda: answered(server.url, key["secret"], 401))
        assert await status(server.url, "anything") == 401  # it does not open again


async def test_all_workers_know_a_key_at_once_and_forget_it_soon(folder):
    async with running(folder, CONFIG, workers=3) as server:
        key = await keys("create", "alice")
        assert {await status(server.url, key["secret"]) for _ in range(20)} == {200}
        await revoked("alice")

        async def everywhere():
            return {await status(server.url, key["secret"]) for _ in range(20)} == {401}

        assert await within(5, everywhere)


async def test_a_server_without_keys_listens_to_this_machine_only(folder):
    (folder / "c.yaml").write_text("backends: {b: {kind: demo}}\nmodels: {m: b}\n")
    status, _, err = await ran("serve", "c.yaml", "--host", "0.0.0.0", "--port", "0")
    assert status == 2
    assert "dragoman keys create" in err


INJECTIONS = ["x'); DROP TABLE keys; --", 'a" OR ""="', "${OPS_KEY}", "{{ 7*7 }}", "%s%n", "../../etc", "<b>", "$1"]


async def test_no_name_or_id_or_header_is_more_than_a_text(folder):
    async with running(folder, CONFIG) as server:
        for name in INJECTIONS[:3]:
            key = await keys("create", name, "--models", name)
            assert (await keys("show", name))["id"] == key["id"]
            assert key["grant"]["models"] == [name]
            async with caller(server.url, key["secret"], max_retries=0) as client:
                await refused(client, openai.PermissionDeniedError)
                with pytest.raises(openai.APIStatusError) as told:
                    await says(client, model=name)
                assert told.value.status_code == 404
        async with caller(server.url, OPS, max_retries=0) as client:
            for text in INJECTIONS:
                assert await says(client, extra_headers={"x-request-id": text}, extra_query={"by": text}) == "Hi there"
                await refused(client, openai.NotFoundError, model=text)
            await refused(client, openai.AuthenticationError, extra_headers={"authorization": "Bearer ' OR '1'='1' --"})
        assert [key["name"] for key in (await keys("list"))["data"]] == ["ops", *INJECTIONS[:3]]
