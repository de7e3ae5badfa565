"""Who may: every door, with every kind of key."""

from urllib.parse import quote

import aiohttp
import pytest
from fastapi import FastAPI

from tests.meter.desk import desk, key
from tests.serving import QUESTION, gateway, http_backend, post, raw
from tests.upstream import always, json_answer, listening

FOR_EVERYBODY = {
    "/",
    "/health",
    "/ready",
    "/docs",
    "/redoc",
    "/openapi.json",
    "/docs/oauth2-redirect",
    "/demo/chatting",
}
KEYS = {"alice": key("alice"), "late": key("late", expires="2020-01-01")}


async def _raw(url: str, *headers: bytes, path: bytes = b"/v1/chat/completions") -> bytes:
    head = b"POST %b HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 2\r\n" % path
    return await raw(url, head + b"".join(header + b"\r\n" for header in headers) + b"\r\n{}")


async def test_whatever_is_wrong_with_a_key_the_answer_is_the_same(tmp_path):
    wrong = [
        (),
        (b"authorization:",),
        (b"authorization: Bearer",),
        (b"authorization: Bearer ",),
        (b"authorization: Bearer secret-nobody",),
        (b"authorization: Bearer secret-late",),
        (b"authorization: Basic c2VjcmV0LWFsaWNl",),
        (b"authorization: Bearer dm-00000000000000000000000000000000000000",),
        (b"authorization: Bearer \xff\xfe\xe4",),
        ("authorization: Bearer ключ".encode(),),
        (b"api-key: ' OR 1=1 --",),
        (b"x-api-key: " + b"a" * 8000,),
        (b"cookie: key=secret-alice",),
    ]
    async with desk(KEYS, tmp_path, limits={"failed_logins": 1000}) as place:
        answers = {await _answer(place.url, *headers) for headers in wrong}
        answers.add(await _answer(place.url, path=b"/v1/chat/completions?api_key=secret-alice&key=secret-alice"))
        assert place.upstream.requests == []
    assert len(answers) == 1
    head, body = answers.pop()
    assert head == b"HTTP/1.1 401 Unauthorized"
    assert b'"code":"invalid_api_key"' in body
    assert b'"param":null' in body


async def _answer(url: str, *headers: bytes, path: bytes = b"/v1/chat/completions") -> tuple[bytes, bytes]:
    head, _, body = (await _raw(url, *headers, path=path)).partition(b"\r\n\r\n")
    return head.split(b"\r\n")[0], body


@pytest.mark.parametrize(
    "header", ["authorization: Bearer KEY", "authorization: bearer KEY", "api-key: KEY", "x-api-key: KEY"]
)
async def test_a_key_is_taken_from_each_header_that_clients_send(tmp_path, header):
    async with desk(KEYS, tmp_path) as place:
        got = await _answer(place.url, header.replace("KEY", "secret-alice").encode())
    assert got[0] == b"HTTP/1.1 422 Unprocessable Entity"  # the body is {}, and that is all that is wrong


async def test_every_route_asks_for_a_key_or_is_known_to_be_for_everybody(tmp_path):
    many = {"failed_logins": 1000}
    async with desk(KEYS, tmp_path, limits=many) as place, aiohttp.ClientSession() as session:
        closed = [(path, method) for path, method in _doors(place.gateway.app) if path not in FOR_EVERYBODY]
        assert {("/admin/v1/keys", "POST"), ("/models", "GET"), ("/chat/completions", "POST")} <= set(closed)
        for path, method in closed:
            async with session.request(method, place.url + path.replace("{id:path}", "m").replace("{id}", "k")) as got:
                error = (await got.json())["error"]
                told = (got.status, error.get("code", error["type"]))
                assert told in ((401, "invalid_api_key"), (401, "authentication_error")), (method, path)


def _doors(app: FastAPI) -> list[tuple[str, str]]:
    """Every path with its methods, those that are not documented, too."""
    plain = [("", route) for route in app.routes if getattr(route, "methods", None)]
    included = [
        (each.include_context.prefix, route)
        for each in app.routes
        if hasattr(each, "original_router")
        for route in each.original_router.routes
    ]
    return [(prefix + route.path, method) for prefix, route in plain + included for method in route.methods - {"HEAD"}]


async def test_a_key_sees_only_its_models(tmp_path):
    keys = {"alice": key("alice", models=["m"]), "bob": key("bob", models=["o*"]), "all": key("all")}
    async with desk(keys, tmp_path) as place, aiohttp.ClientSession(place.url) as session:
        for name, seen in (("alice", ["m"]), ("bob", ["other"]), ("all", ["m", "other"])):
            headers = {"authorization": f"Bearer secret-{name}"}
            async with session.get("/v1/models", headers=headers) as got:
                assert [model["id"] for model in (await got.json())["data"]] == seen
            for model in ("m", "other"):
                async with session.get(f"/v1/models/{model}", headers=headers) as got:
                    assert got.status == (200 if model in seen else 404)
                assert (await place.ask(name, model)).status == (200 if model in seen else 403)


async def test_one_address_cannot_go_on_guessing_while_others_come_in(tmp_path):
    async with desk(KEYS, tmp_path, limits={"failed_logins": 5}) as place:
        statuses = [(await place.ask("nobody")).status for _ in range(8)]
        assert statuses == [401] * 5 + [429] * 3
        assert (await place.ask("alice")).status == 200


async def test_a_key_reads_nothing_but_its_own_name_in_the_log(tmp_path, caplog):
    caplog.set_level("DEBUG", "dragoman")
    async with desk(KEYS, tmp_path) as place:
        await place.ask("alice")
        await place.ask("nobody")
        await _raw(place.url, path=b"/v1/chat/completions?" + quote("secret-alice").encode())
    assert "alice" in caplog.text
    assert "secret-alice" not in caplog.text
    assert "secret-nobody" not in caplog.text


async def test_without_any_key_everybody_may_and_the_log_says_so(caplog):
    async with listening(always(json_answer({"reply": "ok"}))) as upstream, gateway(http_backend(upstream.url)) as url:
        assert (await post(url, QUESTION))[0] == 200
        assert (await post(url, QUESTION, authorization="Bearer anything"))[0] == 200
        async with aiohttp.ClientSession(url) as session, session.get("/admin/v1/keys") as got:
            assert got.status == 401
    assert "whoever reaches this server may use it" in caplog.text
