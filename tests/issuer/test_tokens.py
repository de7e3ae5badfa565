"""Signed tokens as keys: those of the issuer open, whatever is wrong with others."""

import asyncio
import base64
import json
import time

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from dragoman.config import Config
from dragoman.errors import ConfigError, KeysUnavailable
from dragoman.issuer import Issuer, opened
from tests.issuer.issuing import issuing, private
from tests.meter.desk import desk
from tests.upstream import always, answer


def options(url, **more):
    return Issuer(issuer=url, audience="dragoman", **more)


@pytest.fixture
async def issuer():
    async with issuing() as made:
        yield made


@pytest.mark.parametrize("id", ["one", "two", "three"])
@pytest.mark.parametrize("discovered", [True, False])
async def test_a_token_of_the_issuers_is_a_key(issuer, id, discovered):
    more = {} if discovered else {"jwks": f"{issuer.url}/keys"}
    async with opened(options(issuer.url, **more)) as tokens:
        key = await tokens.key(issuer.token(id))
    assert key.id == "jwt:ada"
    assert key.grant.models is None
    assert key.grant.expires.timestamp() > time.time()


async def test_a_token_is_verified_once_and_then_known_until_it_ends(issuer):
    from dragoman.access.credentials import digest

    async with opened(options(issuer.url, leeway=0.001)) as tokens:
        token = issuer.token(exp=time.time() + 1)
        assert tokens.known(digest(token)) is None
        key = await tokens.key(token)
        assert tokens.known(digest(token)) is key
        await asyncio.sleep(1.1)
        assert tokens.known(digest(token)) is None
        assert await tokens.key(token) is None


def _unsigned(issuer, alg, secret=b""):
    head = base64.urlsafe_b64encode(json.dumps({"alg": alg, "typ": "JWT", "kid": "one"}).encode()).rstrip(b"=").decode()
    body = issuer.token().split(".")[1]
    if alg == "none":
        return f"{head}.{body}."
    algorithm = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = algorithm.sign(f"{head}.{body}".encode(), secret)
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _wrong(issuer):
    pem = private("RS256", "one").public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )  # fmt: skip
    now = time.time()
    yield "none", _unsigned(issuer, "none")
    yield "the public key as a shared secret", _unsigned(issuer, "HS256", pem)
    yield "over", issuer.token(exp=now - 31)
    yield "not yet", issuer.token(nbf=now + 3600)
    yield "without an end", issuer.token(exp=None)
    yield "of another issuer", issuer.token(iss="https://evil.example")
    yield "for somebody else", issuer.token(aud="billing")
    yield "without an audience", issuer.token(aud=None)
    yield "without a name", issuer.token(sub=None)
    yield "a name that is no text", issuer.token(sub="a\nb")
    yield "a long name", issuer.token(sub="a" * 201)
    yield "signed by a key that nobody knows", issuer.token("four")
    yield "signed by another than it says", issuer.token("four", headers={"kid": "one"})
    yield "its own key", issuer.token("four", headers={"jku": f"{issuer.url}/keys", "jwk": issuer.public()["keys"][0]})
    yield "critical", issuer.token(headers={"crit": ["exp"]})
    yield "large", issuer.token(more="x" * 20_000)
    yield "an end that is none", issuer.token(exp=10**300)
    yield "no token", "a.b.c"
    yield "no token at all", "dm-0000"


async def test_whatever_is_wrong_with_a_token_it_opens_nothing(issuer):
    async with opened(options(issuer.url)) as tokens:
        for what, token in _wrong(issuer):
            assert await tokens.key(token) is None, what
        assert await tokens.key(issuer.token()) is not None


async def test_no_change_of_one_character_leaves_a_token_valid(issuer):
    async with opened(options(issuer.url)) as tokens:
        token = issuer.token("three")
        whole = [base64.urlsafe_b64decode(part + "==") for part in token.split(".")]
        loop = asyncio.get_running_loop()

        @settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
        @given(some.integers(0, len(token) - 1), some.sampled_from("AZaz09-_."))
        def changed(place, character):
            other = f"{token[:place]}{character}{token[place + 1 :]}"
            parts = [_bytes(part) for part in other.split(".")]
            if parts != whole:  # not all bits of the last character of a part count
                assert asyncio.run_coroutine_threadsafe(tokens.key(other), loop).result(10) is None

        await asyncio.to_thread(changed)


def _bytes(part):
    try:
        return base64.urlsafe_b64decode(part + "==")
    except ValueError:
        return None


async def test_a_new_key_of_the_issuers_is_found_when_a_token_needs_it(issuer, monkeypatch):
    monkeypatch.setattr("dragoman.issuer.tokens.UNKNOWN_SECONDS", 0.0)
    async with opened(options(issuer.url)) as tokens:
        issuer.ids = {"five": "ES256"}
        assert await tokens.key(issuer.token("five")) is not None
        assert await tokens.key(issuer.token("one")) is None


async def test_unknown_keys_do_not_make_us_ask_the_issuer_again_and_again(issuer):
    async with opened(options(issuer.url)) as tokens:
        before = len(issuer.upstream.requests)
        for number in range(50):
            assert await tokens.key(issuer.token("four", headers={"kid": f"k{number}"})) is None
        assert len(issuer.upstream.requests) <= before + 2


async def test_known_keys_serve_on_while_the_issuer_is_down(issuer, monkeypatch):
    async with opened(options(issuer.url, refresh="1ms")) as tokens:
        issuer.upstream.script = always(answer(b"down", status="503 Down"))
        for _ in range(3):
            assert await tokens.key(issuer.token()) is not None


async def test_an_issuer_that_was_never_reached_is_not_the_callers_fault(issuer):
    issuer.upstream.script = always(answer(b"down", status="503 Down"))
    async with opened(options(issuer.url)) as tokens:
        with pytest.raises(KeysUnavailable):
            await tokens.key(issuer.token())


async def test_keys_may_stand_in_a_file(issuer, tmp_path):
    file = tmp_path / "keys.json"
    file.write_text(json.dumps(issuer.public()))
    async with opened(options(issuer.url, jwks={"file": str(file)})) as tokens:
        assert await tokens.key(issuer.token()) is not None
    file.write_text("{}")
    with pytest.raises(ConfigError, match="holds no keys"):
        opened(options(issuer.url, jwks={"file": str(file)}))


@pytest.mark.parametrize(
    ("claims", "grant"),
    [
        ({"scope": "a b*"}, {"models": ["a", "b*"]}),
        ({"scope": ["a"], "limits": {"rpm": 5}}, {"models": ["a"], "rpm": 5}),
        ({"scope": []}, None),
        ({"scope": 5}, None),
        ({}, None),
        ({"scope": "a", "limits": {"rpm": "many"}}, None),
    ],
)
async def test_claims_say_what_a_token_may(issuer, claims, grant):
    mapped = options(issuer.url, grant={"models": "scope", "rpm": "limits.rpm"})
    async with opened(mapped) as tokens:
        key = await tokens.key(issuer.token(**claims))
    assert (key and key.grant.model_dump(include={"models", "rpm"}, exclude_none=True)) == grant


def test_what_cannot_work_is_found_in_the_configuration():
    base = {"backends": {"b": {"kind": "demo"}}, "models": {"m": "b"}}
    told = {"issuer": "https://id.example", "audience": "x"}
    for wrong in (
        {"algorithms": ["HS256"]},
        {"algorithms": ["none"]},
        {"key": "a[", "x": 1},
        {"grant": {"models": "f("}},
    ):
        with pytest.raises(ConfigError, match="jwt"):
            Config.of({**base, "jwt": {**told, **wrong}})


async def test_tokens_open_a_server_for_what_they_may(issuer, tmp_path):
    mapped = {"issuer": issuer.url, "audience": "dragoman", "grant": {"models": "models", "rpm": "rpm"}}
    async with desk({}, tmp_path, jwt=mapped) as place:
        good = {"authorization": f"Bearer {issuer.token(models=['m'], rpm=2)}"}
        statuses = [(await place.asking(good)).status for _ in range(3)]
        assert statuses == [200, 200, 429]
        assert (await place.asking(good, model="other")).status == 403
        bad = [f"Bearer {token}" for _, token in _wrong(issuer) if "\n" not in token and len(token) < 8000]
        told = {(each.status, each.body) for each in [await place.asking({"authorization": one}) for one in bad]}
        assert {status for status, _ in told} == {401}
        assert len(told) == 1
        rows = await place.rows(4)
    assert {row["key"] for row in rows} == {"jwt:ada"}
