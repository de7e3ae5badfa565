"""Tokens that are asked for: what is asked, when, how often, and what happens when the token endpoint does not work."""

import asyncio
import json
import socket
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs

import pytest

from dragoman.errors import UpstreamAuthError, UpstreamLoginFailed
from dragoman.outgoing import Outgoing
from dragoman.secret import hidden
from dragoman.upstream import Upstream
from tests.logins.reaching import ask, options, reached, refusals, target
from tests.upstream import Connection, Received, Script, always, answer, json_answer, listening
from tests.upstream import Upstream as Server

CLIENT = {"client_id": "me", "client_secret": "client-secret-1"}


@dataclass
class Sides:
    """A token endpoint, a backend that takes its tokens, and the way to it."""

    endpoint: Server
    backend: Server
    upstream: Upstream

    @property
    def tokens(self) -> list[str]:
        """The tokens that the backend got, in their order."""
        return [got.headers.get("authorization", "").removeprefix("Bearer ") for got in self.backend.requests]


def named(*tokens: str, pause: float = 0.0, **more: Any) -> Script:
    """Gives one token after the other, each for an hour."""
    rest = iter(tokens)

    async def script(connection: Connection, received: Received) -> None:
        await asyncio.sleep(pause)
        await connection.send(json_answer({"access_token": next(rest), "expires_in": 3600, **more}))

    return script


def numbered(**options: Any) -> Script:
    """Gives `token-1`, `token-2` …"""
    return named(*(f"token-{number}" for number in range(1, 10)), **options)


def wanting(*tokens: str) -> Script:
    """A backend that takes these tokens, and answers 401 to all others."""

    async def script(connection: Connection, received: Received) -> None:
        right = received.headers["authorization"].removeprefix("Bearer ") in tokens
        await connection.send(json_answer({}, status="200 OK" if right else "401 Unauthorized"))

    return script


@asynccontextmanager
async def sides(script: Script, backend: Script | None = None, **given: Any) -> AsyncIterator[Sides]:
    async with listening(script) as endpoint, listening(backend or always(json_answer({}))) as server:
        url = endpoint.url + given.pop("path", "/token")
        login = {"token_url": url, **({} if "parameters" in given else CLIENT), **given}
        async with reached(server.url, "oauth2", **login) as upstream:
            yield Sides(endpoint, server, upstream)


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Moves the clock of the tokens forward."""
    offset = 0.0

    class Loop:
        def __init__(self) -> None:
            self._loop = real()

        def time(self) -> float:
            return self._loop.time() + offset

        def __getattr__(self, name: str) -> Any:
            return getattr(self._loop, name)

    def move(seconds: float) -> None:
        nonlocal offset
        offset += seconds

    real = asyncio.get_running_loop
    monkeypatch.setattr("dragoman.tokens.asyncio.get_running_loop", Loop)
    return move


async def failure(upstream: Upstream) -> UpstreamLoginFailed:
    with pytest.raises(UpstreamLoginFailed) as caught:
        await ask(upstream)
    return caught.value


# What is asked


async def asked(**given: Any) -> Received:
    """The request that arrives at the token endpoint."""
    async with sides(numbered(), **given) as there:
        await ask(there.upstream)
        assert there.tokens == ["token-1"]
        (received,) = there.endpoint.requests
        return received


def fields(received: Received) -> dict[str, str]:
    return {name: value for name, (value,) in parse_qs(received.body.decode(), keep_blank_values=True).items()}


async def test_a_client_says_who_it_is_in_a_form():
    received = await asked(scope="a b", parameters={"audience": "x&y"}, **CLIENT)
    assert (received.head, received.headers["accept"]) == ("POST /token HTTP/1.1", "application/json")
    assert received.headers["content-type"] == "application/x-www-form-urlencoded"
    assert fields(received) == {**CLIENT, "grant_type": "client_credentials", "scope": "a b", "audience": "x&y"}


async def test_or_as_basic_encoded_twice_as_the_rfc_has_it():
    received = await asked(client_id="m:e", client_secret="ge/heim+1 ü", credentials="basic")
    assert received.headers["authorization"] == f"Basic {b64encode(b'm%3Ae:ge%2Fheim%2B1+%C3%BC').decode()}"
    assert fields(received) == {"grant_type": "client_credentials"}
    assert received.headers["authorization"] not in hidden(received.headers["authorization"])


async def test_or_in_the_query():
    received = await asked(credentials="query", path="/token?v=2")
    assert target(received) == "/token?v=2&client_id=me&client_secret=client-secret-1"
    assert fields(received) == {"grant_type": "client_credentials"}


@pytest.mark.parametrize("method", ["POST", "GET"])
async def test_everything_can_stand_in_the_query(method: str):
    received = await asked(format="query", method=method)
    said = "client_id=me&client_secret=client-secret-1&grant_type=client_credentials"
    assert (received.head, received.body) == (f"{method} /token?{said} HTTP/1.1", b"")


async def test_a_login_of_their_own_says_its_parameters_and_nothing_else():
    parameters = {"app_id": "a", "app_secret": "s" * 8}
    received = await asked(format="json", parameters=parameters, headers={"X-Id": "7", "content-type": "text/json"})
    assert received.json == parameters
    assert (received.headers["x-id"], received.headers["content-type"]) == ("7", "text/json")


async def test_a_grant_of_any_name_can_be_asked_for():
    received = await asked(grant="urn:ietf:params:oauth:grant-type:jwt-bearer", parameters={"assertion": "a.b.c"})
    assert fields(received) == {"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": "a.b.c"}


async def test_a_refresh_token_is_replaced_by_the_one_that_comes_back(later):
    async with sides(numbered(refresh_token="second-refresh"), refresh_token="first-refresh", **CLIENT) as there:
        await ask(there.upstream)
        later(4000)
        await ask(there.upstream)
        given = [fields(received) for received in there.endpoint.requests]
        assert [form["refresh_token"] for form in given] == ["first-refresh", "second-refresh"]
        assert {form["grant_type"] for form in given} == {"refresh_token"}
        assert hidden("second-refresh") == "(refresh_token)"


# What comes back, and where it goes


@pytest.mark.parametrize(
    ("place", "headers", "at"),
    [
        ({}, {"authorization": "Bearer t/1"}, "/chat"),
        ({"prefix": "OAuth "}, {"authorization": "OAuth t/1"}, "/chat"),
        ({"header": "X-Token"}, {"x-token": "t/1"}, "/chat"),
        ({"query": "access_token"}, {}, "/chat?access_token=t%2F1"),
    ],
)
async def test_a_token_stands_where_the_backend_wants_it(place: dict[str, str], headers: dict[str, str], at: str):
    script = always(json_answer({"data": [{"token": "t/1"}]}))
    async with sides(script, token="data[0].token", place=place) as there:
        await ask(there.upstream, Outgoing("POST", "/chat", {}, b"{}"))
        (received,) = there.backend.requests
        assert (received.headers | headers, target(received)) == (received.headers, at)


NOW = 1_700_000_000


@pytest.mark.parametrize(
    ("told", "lives"),
    [
        *[(3600, 3600), ("7200", 7200), (1.5, 1.5), (0.001, 1), (10**9, 86400)],
        *[(NOW + 500, 500), ((NOW + 500) * 1000, 500), (10**30, 86400)],
        *[(None, 300), (0, 300), (-5, 300), (NOW - 9, 300), (True, 300), ("soon", 300), ([1], 300), ("nan", 300)],
    ],
)
async def test_a_token_lives_as_long_as_it_is_said(later, monkeypatch, told: Any, lives: float):
    monkeypatch.setattr("dragoman.logins.oauth2.time.time", lambda: NOW)
    script = always(json_answer({"access_token": "t", "expires_in": told}))
    async with sides(script) as there:
        await ask(there.upstream)
        for wait, fetched in ((lives * 0.8, 1), (lives * 0.3, 2)):
            later(wait)
            await ask(there.upstream)
            assert len(there.endpoint.requests) == fetched


# How often


async def test_two_hundred_calls_at_once_fetch_one_token():
    async with sides(numbered(pause=0.05)) as there:
        await asyncio.gather(*(ask(there.upstream) for _ in range(200)))
        await ask(there.upstream)
        assert (len(there.endpoint.requests), there.tokens) == (1, ["token-1"] * 201)


async def test_a_caller_that_leaves_does_not_take_the_token_away_from_the_others():
    async with sides(numbered(pause=0.1)) as there:
        first, *others = [asyncio.create_task(ask(there.upstream)) for _ in range(5)]
        await asyncio.sleep(0.03)
        first.cancel()
        await asyncio.gather(*others)
        assert first.cancelled()
        assert (len(there.endpoint.requests), there.tokens) == (1, ["token-1"] * 4)


async def test_a_token_is_renewed_before_it_ends_and_nobody_waits_for_it(later):
    async with sides(numbered(pause=0.05)) as there:
        await ask(there.upstream)
        later(3600 - 61)
        await ask(there.upstream)
        assert len(there.endpoint.requests) == 1
        later(2)
        await asyncio.gather(*(ask(there.upstream) for _ in range(3)))
        assert there.tokens == ["token-1"] * 5
        await asyncio.sleep(0.1)
        await ask(there.upstream)
        assert (len(there.endpoint.requests), there.tokens[-1]) == (2, "token-2")


async def test_a_token_that_cannot_be_renewed_serves_until_its_end(later):
    async with sides(numbered()) as there:
        await ask(there.upstream)
        there.endpoint.script = always(json_answer({}, status="503 Service Unavailable"))
        later(3590)
        for asked in (2, 2, 3):
            await ask(there.upstream)
            await asyncio.sleep(0.03)
            assert len(there.endpoint.requests) == asked
            later(0.6)
        later(10)
        await failure(there.upstream)
        assert there.tokens == ["token-1"] * 4


# Refused by the backend


async def test_a_refused_token_is_fetched_anew_once():
    async with sides(numbered(), wanting("token-2")) as there:
        assert await ask(there.upstream) == b"{}"
        assert there.tokens == ["token-1", "token-2"]


async def test_fifty_refused_calls_fetch_one_token():
    async def slowly(connection: Connection, received: Received) -> None:
        number = int(received.headers["x-number"])
        await asyncio.sleep(number % 5 * 0.03)
        await wanting(*(["token-1"] if number == 0 else ["token-2"]))(connection, received)

    async with sides(numbered(pause=0.02), slowly) as there:
        await ask(there.upstream, Outgoing("POST", "/", {"X-Number": "0"}, b""))
        calls = [Outgoing("POST", "/", {"X-Number": str(number)}, b"") for number in range(1, 51)]
        await asyncio.gather(*(ask(there.upstream, call) for call in calls))
        assert len(there.endpoint.requests) == 2
        assert there.tokens.count("token-1") == 51


async def test_tokens_that_are_never_taken_are_not_fetched_on_and_on(later):
    async with sides(numbered(), wanting()) as there:
        for _ in range(5):
            with pytest.raises(UpstreamAuthError):
                await ask(there.upstream)
        assert len(there.endpoint.requests) == 2
        later(1.1)
        with pytest.raises(UpstreamAuthError):
            await ask(there.upstream)
        assert len(there.endpoint.requests) == 3


# The token endpoint does not work


def told(status: str, body: bytes = b"{}", *headers: str) -> Script:
    return always(answer(body, *headers, status=status))


async def cut(connection: Connection, received: Received) -> None:
    connection.writer.close()


async def silent(connection: Connection, received: Received) -> None:
    await connection.gone()


@pytest.mark.parametrize(
    ("script", "detail", "again"),
    [
        (told("401 Unauthorized", b'{"error":"invalid_client"}'), "status 401: {\"error\":\"invalid_client\"}", False),
        (told("400 Bad Request"), "upstream_rejected: status 400", False),
        (told("302 Found", b"", "Location: /elsewhere"), "upstream_redirect_refused: status 302", False),
        (told("200 OK", b"<html>"), "upstream_bad_response: not JSON", False),
        (told("200 OK", b"[]"), "`access_token` finds no token in a JSON list", False),
        (told("200 OK", b"{}"), "an object with no keys", False),
        (told("200 OK", b'{"code":9,"msg":"no app","tok":"hush"}'), "{'code': '9', 'msg': 'no app'}", False),
        (told("200 OK", b'{"access_token":""}'), "finds no token", False),
        (told("200 OK", b'{"access_token":"a\\r\\nX: y"}'), "finds no token", False),
        (told("200 OK", b'{"access_token":["a"]}'), "finds no token", False),
        (told("200 OK", b'{"access_token":"%b"}' % (b"x" * 16385)), "finds no token", False),
        (told("200 OK", b" " * 65537), "upstream_too_large: more than 65536 bytes", False),
        (always(b"SSH-2.0-x\r\n\r\n"), "upstream_protocol_error", True),
        (told("500 Internal Server Error"), "status 500", True),
        (told("429 Too Many Requests"), "upstream_rate_limited: status 429", True),
        (cut, "upstream_disconnected", True),
        (silent, "upstream_timeout: no answer began", True),
    ],
)  # fmt: skip
async def test_a_login_that_fails_has_a_name_and_a_reason(script: Script, detail: str, again: bool):
    async with sides(script, timeout={"first": "100ms"}) as there:
        failed = await failure(there.upstream)
        assert (failed.code, failed.status, there.backend.requests) == ("upstream_login_failed", 502, [])
        assert failed.message == "The gateway could not log in to the backend."
        assert failed.detail.startswith("the token endpoint: ")
        assert detail in failed.detail
        assert "hush" not in failed.detail
        assert failed.headers == ({} if again else {"x-should-retry": "false"})


async def test_a_token_endpoint_that_is_not_there_is_named_too():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        async with reached(url, "oauth2", token_url=url, **CLIENT) as upstream:
            assert "upstream_connect_error" in (await failure(upstream)).detail


async def test_a_failure_holds_for_a_moment_and_for_all(later):
    async with sides(told("500 Internal Server Error")) as there:
        failures = await asyncio.gather(*(failure(there.upstream) for _ in range(50)))
        failures.append(await failure(there.upstream))
        assert len({id(failed) for failed in failures}) == 51
        assert len({failed.detail for failed in failures}) == len(there.endpoint.requests) == 1
        there.endpoint.script = numbered()
        later(1.1)
        await ask(there.upstream)
        assert there.tokens == ["token-1"]


async def test_a_fetch_ends_with_its_backend():
    async with sides(silent) as there:
        waiting = asyncio.create_task(failure(there.upstream))
        await asyncio.sleep(0.05)
        (fetching,) = there.endpoint.connections
    assert (await waiting).detail == "the backend is closed"
    async with asyncio.timeout(1):
        await fetching.closed.wait()


# Secrets


async def test_nothing_that_fails_shows_a_secret():
    echoed: list[bytes] = []

    async def echo(connection: Connection, received: Received) -> None:
        echoed.append(received.body)
        said = json.dumps({"error": "invalid_client", "you_said": [received.body.decode(), *received.headers.values()]})
        await connection.send(answer(said.encode(), status="401 Unauthorized"))

    secrets = {"client_secret": "open/sesame", "refresh_token": "refresh&me", "parameters": {"password": "pass word1"}}
    for credentials in ("body", "basic"):
        async with sides(echo, client_id="me", credentials=credentials, **secrets) as there:
            failed = await failure(there.upstream)
            shown = (
                failed.detail + str(failed) + repr(failed) + repr(options("oauth2", token_url="http://x", **secrets))
            )
            for part in ("sesame", "refresh&me", "refresh%26me", "word1", b64encode(b"me:open%2Fsesame").decode()):
                assert part not in shown
            assert "me&client_" in failed.detail or "invalid_client" in failed.detail
    assert b"sesame" in echoed[0]


async def test_a_token_is_hidden_while_it_may_be_on_its_way(later):
    written = "alpha-token beta-token gamma-token."
    async with sides(named("alpha-token", "beta-token", "gamma-token")) as there:
        for shown in (
            "(access_token) beta-token gamma-token.",
            "(access_token) (access_token) gamma-token.",
            "alpha-token (access_token) (access_token).",
        ):
            await ask(there.upstream)
            later(4000)
            assert hidden(written) == shown


def test_options_that_cannot_work_are_refused():
    url = {"token_url": "https://x/token"}
    wrong = refusals("oauth2", token_url="x", expires="a b")
    assert wrong["token_url"] == "must be an http:// or https:// URL with a host"
    assert wrong["expires"].startswith("is not a JMESPath: ")
    assert refusals("oauth2", **url, credentials="basic") == {"": "`credentials: basic` needs `client_id`"}
    assert refusals("oauth2", **url, method="GET") == {"": "`method: GET` needs `format: query`"}
    assert refusals("oauth2", **url, client_secret="") == {"client_secret": "is empty"}
    assert refusals("oauth2", **url, headers={"A": "b\n"}) == {
        "headers.A": "must be printable ASCII, because it is sent in a header"
    }
