"""Logins that say the same with every request."""

from base64 import b64decode
from typing import Any

import pytest

from dragoman.errors import UpstreamAuthError
from dragoman.outgoing import Outgoing
from dragoman.secret import hidden
from tests.logins.reaching import arrived, ask, options, reached, refusals, target
from tests.upstream import always, json_answer, listening

KINDS: list[tuple[str, dict[str, Any]]] = [
    ("bearer", {"token": "bearer-secret-1"}),
    ("basic", {"user": "ann", "password": "basic-secret-1"}),
    ("header", {"name": "X-Key", "value": "header-secret-1"}),
    ("query", {"name": "key", "value": "query/secret+1"}),
]


async def test_a_bearer_token_stands_in_the_authorization():
    assert (await arrived("bearer", token="t0ken")).headers["authorization"] == "Bearer t0ken"


@pytest.mark.parametrize(("user", "password"), [("Aladdin", "open sesame"), ("", "x"), ("ann", "a:b"), ("é", "ß☃")])
async def test_a_name_and_a_password_stand_there_in_base64(user: str, password: str):
    scheme, said = (await arrived("basic", user=user, password=password)).headers["authorization"].split(" ")
    assert (scheme, b64decode(said).decode()) == ("Basic", f"{user}:{password}")


async def test_a_header_has_its_own_name_and_takes_the_place_of_another():
    asked = Outgoing("POST", "/chat", {"x-KEY": "not mine", "X-Other": "o"}, b"{}")
    received = await arrived("header", asked, name="X-Key", value="mine")
    assert (received.headers["x-key"], received.headers["x-other"]) == ("mine", "o")


@pytest.mark.parametrize(
    ("asked", "sent"),
    [
        ("/chat", "/chat?key=a%2Fb%20%26c"),
        ("/chat?", "/chat?key=a%2Fb%20%26c"),
        ("/chat?a=1&b", "/chat?a=1&b&key=a%2Fb%20%26c"),
        ("/chat?key=theirs&a=1&k%65y=theirs", "/chat?a=1&key=a%2Fb%20%26c"),
    ],
)
async def test_a_parameter_is_encoded_and_cannot_be_given_twice(asked: str, sent: str):
    received = await arrived("query", Outgoing("GET", asked, {}, b""), name="key", value="a/b &c")
    assert target(received) == sent


@pytest.mark.parametrize(("kind", "given"), KINDS)
async def test_what_is_refused_is_not_said_again(kind: str, given: dict[str, Any]):
    async with (
        listening(always(json_answer({}, status="401 Unauthorized"))) as server,
        reached(server.url, kind, **given) as upstream,
    ):
        with pytest.raises(UpstreamAuthError):
            await ask(upstream)
        assert len(server.requests) == 1


@pytest.mark.parametrize(("kind", "given"), KINDS)
async def test_nothing_shows_the_secret(kind: str, given: dict[str, Any]):
    secret = next(value for value in given.values() if "secret" in value)
    received = await arrived(kind, **given)
    assert secret not in repr(options(kind, **given)) + str(options(kind, **given).model_dump())
    shown = hidden("\n".join((received.head, *received.headers.values())))
    assert f"({'password' if kind == 'basic' else [*given][-1]})" in shown
    assert "secret" not in shown


def test_options_that_cannot_be_said_are_refused():
    header = "must be printable ASCII, because it is sent in a header"
    assert refusals("bearer", token="a\nb") == {"token": header}
    assert refusals("header", name="a b", value="ü") == {
        "name": "a header's name is made of letters, digits and hyphens",
        "value": header,
    }
    assert refusals("basic", user="a:b", password="") == {
        "user": "a user's name is printable, and without a colon (RFC 7617)",
        "password": "is empty",
    }
    assert refusals("query", name="", value="x") == {"name": "String should have at least 1 character"}
    assert refusals("bearer", token="t", more=1) == {"more": "Extra inputs are not permitted"}
