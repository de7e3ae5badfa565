"""Signatures with a shared secret, made again by the side that gets the request."""

import hashlib
import hmac
import time
from asyncio import run
from base64 import b64encode
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.errors import GatewayError
from dragoman.outgoing import Outgoing
from tests.logins.reaching import QUESTION, arrived, options, refusals, target

SECRET = "hmac-secret-1"
SIGNED = {"headers": {"X-Signature": "{{ signature }}", "X-Time": "{{ timestamp }}"}}


def made(text: str, digest: str = "sha256") -> bytes:
    return hmac.new(SECRET.encode(), text.encode(), digest).digest()


async def test_method_path_time_and_body_are_signed_as_they_were_sent():
    received = await arrived("hmac", secret=SECRET, **SIGNED)
    signed = f"POST\n/chat\n{received.headers['x-time']}\n{received.body.decode()}"
    assert received.headers["x-signature"] == made(signed).hex()
    assert abs(int(received.headers["x-time"]) - time.time()) < 5
    assert SECRET not in repr(options("hmac", secret=SECRET))


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "sha1"])
@pytest.mark.parametrize("encoding", ["hex", "base64"])
async def test_it_is_written_as_the_backend_wants_it(algorithm: str, encoding: str):
    form: dict[str, Any] = {"algorithm": algorithm, "encoding": encoding}
    received = await arrived("hmac", secret=SECRET, over="{{ body }}", **form, **SIGNED)
    digest = made(received.body.decode(), algorithm)
    assert received.headers["x-signature"] == (digest.hex() if encoding == "hex" else b64encode(digest).decode())


NAMES = ["method", "path", "query", "target", "host", "date", "timestamp_ms", "nonce", "body_sha256", "body_md5"]


async def test_whatever_of_a_request_can_be_signed_and_said():
    said = {f"X-{name}": f"{{{{ {name} }}}}" for name in NAMES}
    over = "|".join(said.values())
    received = await arrived("hmac", secret=SECRET, over=over, headers={**said, "X-Signature": "{{ signature }}"})
    got = {name: received.headers[f"x-{name}"] for name in NAMES}
    assert received.headers["x-signature"] == made("|".join(got.values())).hex()
    assert (got["method"], got["path"], got["query"], got["target"]) == ("POST", "/chat", "lang=en", target(received))
    assert (got["host"], len(got["nonce"])) == (received.headers["host"], 32)
    assert got["body_sha256"] == hashlib.sha256(received.body).hexdigest()
    assert got["body_md5"] == b64encode(hashlib.md5(received.body).digest()).decode()
    assert int(parsedate_to_datetime(got["date"]).timestamp()) == int(got["timestamp_ms"]) // 1000


async def test_the_query_is_signed_with_all_that_it_says_but_the_signature():
    query = {"app": "a b", "ts": "{{ timestamp }}", "sign": "{{ signature | upper }}"}
    received = await arrived("hmac", secret=SECRET, over="{{ target }}", query=query)
    signed, _, signature = target(received).partition("&sign=")
    assert signed.startswith("/chat?lang=en&app=a%20b&ts=")
    assert signature == made(signed).hex().upper()


async def test_a_signature_can_be_a_part_of_something_larger():
    """As websocket services have it: host, date and request line are signed, and all stands in one parameter."""
    over = "host: {{ host }}\ndate: {{ date }}\n{{ method }} {{ path }} HTTP/1.1"
    inner = """{{ ('api_key="id", algorithm="hmac-sha256", signature="' ~ signature ~ '"') | b64 }}"""
    query = {"authorization": inner, "date": "{{ date }}", "host": "{{ host }}"}
    asked = Outgoing("GET", "/v3.5/chat", {}, b"")
    received = await arrived("hmac", asked, secret=SECRET, over=over, encoding="base64", query=query)
    got = {name: value for name, (value,) in parse_qs(target(received).partition("?")[2]).items()}
    signature = b64encode(made(f"host: {got['host']}\ndate: {got['date']}\nGET /v3.5/chat HTTP/1.1")).decode()
    said = f'api_key="id", algorithm="hmac-sha256", signature="{signature}"'
    assert got["authorization"] == b64encode(said.encode()).decode()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_a_body_is_signed_to_the_last_byte(body: str):
    async def signed() -> Outgoing:
        async with options("hmac", secret=SECRET, over="{{ body }}", **SIGNED).opened() as login:
            return await login.signed(Outgoing("POST", "/", {}, body.encode()))

    assert run(signed()).headers["X-Signature"] == hmac.new(SECRET.encode(), body.encode(), "sha256").hexdigest()


@pytest.mark.parametrize(
    ("body", "headers"), [(b"\xff", {"X": "{{ signature }}"}), (QUESTION.body, {"X": "{{ body }}"})]
)
async def test_what_is_no_text_can_neither_be_signed_nor_said(body: bytes, headers: dict[str, str]):
    async with options("hmac", secret=SECRET, over="{{ body }}", headers=headers).opened() as login:
        with pytest.raises(GatewayError):
            await login.signed(Outgoing("POST", "/", {}, body))


def test_templates_that_speak_of_what_is_not_there_are_refused():
    assert "speaks of 'secret', which is not defined" in refusals("hmac", secret="s", over="{{ secret }}")["over"]
    assert "speaks of 'signature'" in refusals("hmac", secret="s", over="{{ signature }}")["over"]
    assert "speaks of 'sig'," in refusals("hmac", secret="s", headers={"X": "{{ sig }}"})["headers"]
    assert "is not a template" in refusals("hmac", secret="s", query={"q": "{{ "})["query"]
