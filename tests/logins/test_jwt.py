"""Tokens of our own making, read as any other reader of JSON Web Tokens would."""

import hashlib
import hmac
import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest

from dragoman.secret import hidden
from tests.logins.reaching import arrived, ask, options, reached, refusals, target
from tests.upstream import always, json_answer, listening

NOW = 1_700_000_000.25


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, which a test may change."""
    time = [NOW]
    monkeypatch.setattr("dragoman.logins.jwt.time.time", lambda: time[0])
    return time


def read(token: str, secret: str, digest: str = "sha256") -> tuple[Any, Any]:
    """Header and claims of a token whose signature is right (RFC 7515, section 5.2)."""
    header, claims, signature = (urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in token.split("."))
    assert hmac.new(secret.encode(), token.rpartition(".")[0].encode(), digest).digest() == signature
    assert "=" not in token
    return json.loads(header), json.loads(claims)


async def test_a_token_is_signed_and_says_when_it_was_made_and_ends(clock):
    received = await arrived("jwt", secret="jwt-secret-1")
    scheme, token = received.headers["authorization"].split(" ")
    assert scheme == "Bearer"
    assert read(token, "jwt-secret-1") == ({"alg": "HS256", "typ": "JWT"}, {"iat": 1_700_000_000, "exp": 1_700_000_300})
    assert hidden(token) == "(token)"
    assert "jwt-secret-1" not in repr(options("jwt", secret="jwt-secret-1"))


@pytest.mark.parametrize("bits", ["256", "384", "512"])
async def test_claims_are_templates_and_the_header_may_say_more(clock, bits: str):
    claims = {
        "api_key": "id",
        "exp": "{{ expires_ms }}",
        "timestamp": "{{ timestamp_ms }}",
        "nbf": "{{ timestamp - 5 }}",
        "aud": ["a", {"of": "until {{ expires }}"}],
    }
    more: dict[str, Any] = {"algorithm": f"HS{bits}", "header": {"sign_type": "SIGN"}, "ttl": "10s"}
    received = await arrived("jwt", secret="ключ", claims=claims, place={"query": "jwt"}, **more)
    header, said = read(target(received).partition("jwt=")[2], "ключ", getattr(hashlib, f"sha{bits}"))
    assert header == {"alg": f"HS{bits}", "typ": "JWT", "sign_type": "SIGN"}
    assert said == {
        "api_key": "id",
        "exp": 1_700_000_010_250,
        "timestamp": 1_700_000_000_250,
        "nbf": 1_699_999_995,
        "aud": ["a", {"of": "until 1700000010"}],
    }


async def test_a_token_serves_for_half_of_its_time(clock):
    async with (
        listening(always(json_answer({}))) as server,
        reached(server.url, "jwt", secret="s" * 32, ttl="100s", place={"header": "X-Token"}) as upstream,
    ):
        for clock[0] in (NOW, NOW + 49, NOW + 51, NOW - 1000):
            await ask(upstream)
        made = [read(got.headers["x-token"], "s" * 32)[1]["iat"] - int(NOW) for got in server.requests]
        assert made == [0, 0, 51, -1000]


def test_claims_that_are_no_templates_are_refused():
    assert "speaks of 'now_is'" in refusals("jwt", secret="s", claims={"a": ["{{ now_is }}"]})["claims"]
    assert refusals("jwt", secret="s", algorithm="none")["algorithm"].startswith("Input should be 'HS256'")
    both = {"header": "X", "query": "q"}
    assert refusals("jwt", secret="s", place=both) == {"place": "a token stands either in a `header` or in the `query`"}
