"""Keys and usage over HTTP."""

import asyncio
import json
import re
import shutil
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest
from jsonschema import Draft202012Validator

from dragoman import Gateway
from dragoman.store import opened
from tests.serving import QUESTION, gateway, raw

ADMIN = {"authorization": "Bearer ops-secret"}
KEYS = {
    "ops": {"secret": "ops-secret", "admin": True},
    "lead": {"secret": "lead-secret", "admin": True, "models": ["m"], "rpm": 60, "budget": "20/month"},
    "plain": {"secret": "plain-secret"},
}
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


@pytest.fixture(scope="module")
def empty(tmp_path_factory):
    """A database with nothing in it, which takes a second to make."""
    folder = tmp_path_factory.mktemp("empty")

    async def make():
        async with opened(f"sqlite:///{folder}/keys.db"):
            pass

    asyncio.run(make())
    return folder


@dataclass
class Admin:
    """Calls the routes of administration."""

    url: str
    session: aiohttp.ClientSession
    prefix: str = "/admin/v1"

    async def ask(self, method: str, path: str, given: Any = None, **options: Any) -> tuple[int, Any]:
        """Status and JSON of an answer; `raw=` is a body as it is, `headers=` stand for the admin's."""
        headers = options.pop("headers", ADMIN)
        data = {"data": options.pop("raw")} if "raw" in options else {"json": given} if given is not None else {}
        async with self.session.request(
            method, self.url + self.prefix + path, headers=headers, **data, **options
        ) as got:
            assert "traceback" not in (await got.text()).lower()
            return got.status, await got.json()

    async def made(self, name: str, **grant: Any) -> dict[str, Any]:
        status, key = await self.ask("POST", "/keys", {"name": name, **grant})
        assert status == 200, key
        return key

    async def chat(self, secret: str, **more: Any) -> int:
        headers = {"authorization": f"Bearer {secret}"}
        async with self.session.post(f"{self.url}/v1/chat/completions", json=QUESTION | more, headers=headers) as got:
            await got.read()
            return got.status


@asynccontextmanager
async def serving(folder, **more):
    backend = {"kind": "python", "target": lambda: "Hi there"}
    store = {"store": f"sqlite:///{folder}/keys.db"}
    config = {"backends": {"b": backend}, "models": {"m": "b", "x": "b"}, "keys": KEYS, **store, **more}
    async with gateway(Gateway(config)) as url, aiohttp.ClientSession() as session:
        yield Admin(url, session)


@pytest.fixture
async def admin(tmp_path, empty):
    shutil.copytree(empty, tmp_path, dirs_exist_ok=True)
    async with serving(tmp_path) as admin:
        yield admin


PATHS = [("GET", "/keys"), ("POST", "/keys"), ("GET", "/keys/x"), ("DELETE", "/keys/x"), ("POST", "/keys/x/rotate")]
PATHS += [("GET", "/usage")]


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_every_route_needs_an_admin(admin, method, path):
    plain = {"authorization": "Bearer plain-secret"}
    for headers, status, code in (({}, 401, "invalid_api_key"), (plain, 403, "not_allowed")):
        got, told = await admin.ask(method, path, headers=headers)
        assert (got, told["error"]["code"]) == (status, code)
    assert (await admin.ask(method, path, headers={"authorization": "Bearer ops-secreT"}))[0] == 401


async def test_there_is_no_admin_where_there_are_no_keys(tmp_path, empty):
    shutil.copytree(empty, tmp_path, dirs_exist_ok=True)
    async with serving(tmp_path, keys={}) as admin:
        assert await admin.chat("") == 200
        assert (await admin.ask("POST", "/keys", {"name": "a", "admin": True}, headers={}))[0] == 401


async def test_a_key_that_was_made_is_told_once_and_works_at_once(admin):
    status, key = await admin.ask(
        "POST", "/keys", {"name": "alice", "models": ["m"], "budget": "20/month", "rpm": "1k"}
    )
    assert status == 200
    assert await admin.chat(key["secret"]) == 200
    assert await admin.chat(key["secret"], model="x") == 403
    grant = {"models": ["m"], "rpm": 1000, "tpm": None, "concurrent": None, "budget": ["20/month"]}
    assert key["grant"] == {**grant, "per_model": {}, "expires": None, "admin": False}
    assert (key["object"], key["state"], key["by"], key["revoked"]) == ("key", "active", "ops", None)
    assert key["hint"] == key["secret"][-4:]
    assert ISO.fullmatch(key["created"])


async def test_no_answer_but_that_of_its_making_holds_a_secret_or_a_digest(admin):
    key = await admin.made("alice")
    _, rotated = await admin.ask("POST", f"/keys/{key['id']}/rotate", {"grace": "1h"})
    shown = [await admin.ask("GET", path) for path in ("/keys", f"/keys/{key['id']}", "/usage")]
    shown.append(await admin.ask("DELETE", f"/keys/{key['id']}"))
    text = json.dumps(shown)
    assert "alice" in text
    assert "secret" not in set(shown[1][1]) | set(shown[3][1])
    for secret in (key["secret"], rotated["secret"]):
        assert secret not in text
        assert secret[3:20] not in text
    assert not re.search(r"[0-9a-f]{64}", text + json.dumps([key, rotated]))


async def test_answers_with_a_secret_are_not_to_be_stored(admin):
    async with admin.session.post(f"{admin.url}/admin/v1/keys", json={"name": "a"}, headers=ADMIN) as got:
        assert got.headers["cache-control"] == "no-store"
    async with admin.session.post(f"{admin.url}/admin/v1/keys/a/rotate", headers=ADMIN) as got:
        assert (got.status, got.headers["cache-control"]) == (200, "no-store")


async def test_all_about_a_grant_can_be_given(admin):
    each = {"m": {"rpm": 5, "budget": "1/day"}}
    grant = {"tpm": "90k", "concurrent": 4, "budget": ["20/month", "5M tokens/day"], "per_model": each}
    key = await admin.made("alice", **grant, expires="2126-01-31", admin=True)
    assert key["grant"]["per_model"] == {"m": {"rpm": 5, "tpm": None, "concurrent": None, "budget": ["1/day"]}}
    assert key["grant"]["budget"] == ["20/month", "5000000 tokens/day"]
    assert key["expires"] == key["grant"]["expires"] == "2126-01-31T00:00:00Z"
    assert (key["grant"]["tpm"], key["grant"]["concurrent"], key["grant"]["admin"]) == (90000, 4, True)
    again = await admin.made("bob", **{name: value for name, value in key["grant"].items() if name != "per_model"})
    assert again["grant"] == {**key["grant"], "per_model": {}}


@pytest.mark.parametrize(
    ("given", "param"),
    [
        ({}, "name"),
        ({"name": 1}, "name"),
        ({"name": ""}, "name"),
        ({"name": "a\n"}, "name"),
        ({"name": "a" * 101}, "name"),
        ({"name": "a", "rpm": 0}, "rpm"),
        ({"name": "a", "rpm": "many"}, "rpm"),
        ({"name": "a", "tpm": -1}, "tpm"),
        ({"name": "a", "concurrent": 10**10}, "concurrent"),
        ({"name": "a", "budget": "20"}, "budget[0]"),
        ({"name": "a", "models": [1]}, "models[0]"),
        ({"name": "a", "per_model": {"m": {"rpm": 0}}}, "per_model.m.rpm"),
        ({"name": "a", "expires": "soon"}, "expires"),
        ({"name": "a", "expires": "2020-01-01"}, "expires"),
        ({"name": "a", "admin": []}, "admin"),
        ({"name": "a", "secret": "mine"}, "secret"),
        ({"name": "a", "id": "key_1"}, "id"),
    ],
)
@pytest.mark.parametrize(("style", "status"), [("specified", 422), ("openai", 400)])
async def test_what_is_wrong_is_told_with_its_place(tmp_path, empty, given, param, style, status):
    shutil.copytree(empty, tmp_path, dirs_exist_ok=True)
    async with serving(tmp_path, errors=style) as admin:
        got, told = await admin.ask("POST", "/keys", given)
        assert (got, told["error"]["type"], told["error"]["param"]) == (status, "invalid_request_error", param)
        assert (await admin.ask("GET", "/keys"))[1]["data"] == []


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b'{"name": "\\ud800"}', b'{"name":"a"}x', b"[" * 9999]
)
async def test_what_is_no_json_object_is_refused(admin, body):
    got, told = await admin.ask("POST", "/keys", raw=body)
    assert (got, told["error"]["code"]) == (422, "invalid_json")


async def test_a_large_body_is_refused_before_it_is_there(admin):
    got, told = await admin.ask("POST", "/keys", {"name": "a", "models": ["m" * 250] * 1000})
    assert (got, told["error"]["code"]) == (413, "request_too_large")
    head = b"POST /admin/v1/keys HTTP/1.1\r\nhost: h\r\ncontent-length: 9000000\r\n"
    started = time.monotonic()
    assert b" 401 " in (await raw(admin.url, head + b"connection: close\r\n\r\n", wait=5)).split(b"\r\n")[0]
    assert time.monotonic() - started < 4


async def test_a_name_stands_for_one_key(admin):
    key = await admin.made("alice")
    got, told = await admin.ask("POST", "/keys", {"name": "alice"})
    assert (got, told["error"]["code"], told["error"]["param"]) == (409, "name_taken", "name")
    assert (await admin.ask("GET", "/keys/alice"))[1]["id"] == key["id"]


async def test_a_key_goes_on_for_its_grace_and_ends_when_it_is_revoked(admin):
    key = await admin.made("alice")
    got, rotated = await admin.ask("POST", "/keys/alice/rotate", {"grace": "1h"})
    assert (got, rotated["id"]) == (200, key["id"])
    assert [each["until"] is None for each in rotated["secrets"]] == [False, True]
    assert await admin.chat(rotated["secret"]) == await admin.chat(key["secret"]) == 200
    got, told = await admin.ask("DELETE", f"/keys/{key['id']}")
    assert (got, told["state"]) == (200, "revoked")
    assert ISO.fullmatch(told["revoked"])
    assert await within(3, lambda: admin.chat(rotated["secret"]), 401)
    assert await admin.chat(key["secret"]) == 401
    assert (await admin.ask("DELETE", f"/keys/{key['id']}"))[1] == told
    assert (await admin.ask("POST", f"/keys/{key['id']}/rotate"))[0] == 404


async def within(seconds, ask, status):
    """Whether a call is answered with that status, soon."""
    end = time.monotonic() + seconds
    while (got := await ask()) != status and time.monotonic() < end:  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    return got == status


@pytest.mark.parametrize("grace", ["soon", -1, "400d", [], {}, True, None])
async def test_a_grace_is_a_duration(admin, grace):
    await admin.made("alice")
    got, told = await admin.ask("POST", "/keys/alice/rotate", {"grace": grace})
    assert (got, told["error"]["param"]) == (422, "grace")


LEAD = {"authorization": "Bearer lead-secret"}


async def test_an_admin_gives_no_more_than_it_has(admin):
    within = {"name": "a", "models": ["m"], "rpm": 60, "budget": "20/month"}
    for more, what in (({"models": ["*"]}, "models"), ({"rpm": 61}, "rpm"), ({"budget": []}, "budget")):
        got, told = await admin.ask("POST", "/keys", {**within, **more}, headers=LEAD)
        assert (got, told["error"]["type"], told["error"]["code"]) == (403, "permission_error", "grant_exceeds")
        assert told["error"]["param"] == what
    got, key = await admin.ask("POST", "/keys", within, headers=LEAD)
    assert (got, key["by"]) == (200, "lead")


async def test_an_admin_takes_over_no_key_that_may_more(admin):
    boss = await admin.made("boss", admin=True)
    for method, path in (("POST", "/keys/boss/rotate"), ("DELETE", "/keys/boss")):
        got, told = await admin.ask(method, path, headers=LEAD)
        assert (got, told["error"]["code"]) == (403, "grant_exceeds")
        assert "dm-" not in json.dumps(told)
    assert await admin.chat(boss["secret"]) == 200


INJECTIONS = ["' OR '1'='1", "x'; DROP TABLE keys; --", "%27", "..", "%2e%2e%2f", "%00", "%0d%0aset-cookie:a=b", "%ff"]


@pytest.mark.parametrize("text", INJECTIONS)
async def test_an_id_is_never_more_than_an_id(admin, text):
    await admin.made("alice")
    for method, path in (("GET", ""), ("DELETE", ""), ("POST", "/rotate")):
        reply = await raw(
            admin.url,
            f"{method} /admin/v1/keys/{text.replace(' ', '%20')}{path} HTTP/1.1\r\nhost: h\r\n"
            f"authorization: Bearer ops-secret\r\nconnection: close\r\ncontent-length: 0\r\n\r\n".encode(),
        )
        head = reply.partition(b"\r\n\r\n")[0].lower()
        assert head.startswith((b"http/1.1 404", b"http/1.1 405"))
        assert b"\r\nset-cookie" not in head
    assert [key["name"] for key in (await admin.ask("GET", "/keys"))[1]["data"]] == ["alice"]


@pytest.mark.parametrize("name", ["x'); DROP TABLE keys; --", '"; --', "$1", "<script>", "Ü 日本", "{{ 7*7 }}"])
async def test_a_name_is_never_more_than_a_name(admin, name):
    key = await admin.made(name)
    assert (await admin.ask("GET", f"/keys/{key['id']}"))[1]["name"] == name


@pytest.mark.parametrize(
    ("params", "param"),
    [
        ({"by": "password"}, "by"),
        ({"by": "key; DROP TABLE usage"}, "by"),
        ({"since": "yesterday"}, "since"),
        ({"since": "1' OR 1=1"}, "since"),
        ({"until": "9" * 400}, "until"),
        ({"since": "\0"}, "since"),
    ],
)
async def test_what_is_wrong_with_a_sum_is_told(admin, params, param):
    got, told = await admin.ask("GET", "/usage", params=params)
    assert (got, told["error"]["param"]) == (422, param)


async def test_the_usage_sums_up_what_was_used(tmp_path, empty):
    shutil.copytree(empty, tmp_path, dirs_exist_ok=True)
    models = {"m": {"backend": "b", "price": {"prompt": 1e6, "completion": 1e6}}, "x": "b"}
    async with serving(tmp_path, models=models) as admin:
        key = await admin.made("alice")
        assert [await admin.chat(key["secret"]) for _ in range(3)] == [200] * 3
        assert await admin.chat("plain-secret", model="x") == 200
        rows = await summed(admin, 4, by="key,model")
        mine = next(row for row in rows if row["key"] == key["id"])
        assert (mine["model"], mine["calls"], mine["failed"]) == ("m", 3, 0)
        assert mine["prompt_tokens"] > 0 < mine["completion_tokens"]
        assert mine["cost"] == pytest.approx(mine["prompt_tokens"] + mine["completion_tokens"])
        assert next(row for row in rows if row["key"] == "plain")["cost"] == 0
        [total] = await summed(admin, 4, by="")
        assert set(total) == {*COUNTED, "cost", "seconds"}
        [day] = await summed(admin, 4, by="day")
        assert day["day"] == time.strftime("%Y-%m-%d", time.gmtime())
        _, told = await admin.ask("GET", "/usage", params={"since": "2020-01-01", "until": "2020-02-01"})
        assert told == {
            **told,
            "object": "usage",
            "since": "2020-01-01T00:00:00Z",
            "until": "2020-02-01T00:00:00Z",
            "data": [],
        }


COUNTED = ("calls", "failed", "prompt_tokens", "completion_tokens", "estimated")


async def summed(admin, calls, **params):
    """The sums, once so many calls are in the ledger."""
    end = time.monotonic() + 10
    while True:
        status, told = await admin.ask("GET", "/usage", params=params)
        assert (status, told["object"]) == (200, "usage")
        if sum(row["calls"] for row in told["data"]) == calls or time.monotonic() > end:
            return told["data"]
        await asyncio.sleep(0.05)


async def test_a_store_that_is_down_is_told(tmp_path):
    (tmp_path / "keys.db").write_text("this is no database " * 100)
    async with serving(tmp_path) as admin:
        for method, path in (("GET", "/keys"), ("DELETE", "/keys/a"), ("GET", "/usage")):
            got, told = await admin.ask(method, path)
            assert (got, told["error"]["code"]) == (503, "keys_unavailable")
            assert str(tmp_path) not in json.dumps(told)
        got, told = await admin.ask("POST", "/keys", {"name": "a"})
        assert (got, told["error"]["code"]) == (503, "keys_unavailable")
        assert await admin.chat("plain-secret") == 200


def test_the_document_describes_the_routes(tmp_path):
    paths = Gateway().app.openapi()["paths"]
    assert {path for path in paths if path.startswith("/admin")} == {
        *("/admin/v1/keys", "/admin/v1/keys/{id}", "/admin/v1/keys/{id}/rotate", "/admin/v1/usage")
    }
    body = paths["/admin/v1/keys"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    assert "$ref" not in json.dumps(body)
    validator = Draft202012Validator(body)
    good = {"name": "a", "rpm": 5, "budget": "20/month", "per_model": {"m": {"tpm": "90k"}}, "expires": "90d"}
    assert validator.is_valid(good)
    assert not validator.is_valid({"rpm": 5})
    assert not validator.is_valid({"name": "a", "secret": "b"})
    assert not validator.is_valid({"name": "a", "per_model": {"m": {"models": []}}})
