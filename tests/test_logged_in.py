"""Backends that want to know who asks: every kind of login, verified by the side that gets the request."""

import asyncio
import hmac
import json
import logging
import re
import ssl
import time
from base64 import b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus

import pytest
import trustme
import yaml
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from dragoman import Gateway
from dragoman.errors import ConfigError
from tests.mapping.asking import Heard, ask, mapped
from tests.serving import gateway
from tests.upstream import LAST_CHUNK, Connection, Received, Upstream, chunked, json_answer, listening, sse, stream_head

CALLERS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
SECRETS = {
    "TOKEN": "tok-0123456789abcdef",
    "PASSWORD": 'p&s "wörd" %41+/=',
    "CLIENT_SECRET": "client:secret&+ /=?",
    "REFRESH": "refresh-0123456789",
    "SHARED": "shared-secret-0123",
    "ACCESS_KEY": "AKIDEXAMPLE012345",
    "SECRET_KEY": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
    "SESSION": "session/token+0123456789==",
}


@dataclass
class Guarded:
    """A backend that answers whom it knows, and tells all others everything that they said."""

    knows: Callable[[Received], bool]
    refuses: int = 0
    """So many requests are refused whoever asks."""
    broken: bool = False
    """It answers 500, and says all that it was told."""

    async def __call__(self, connection: Connection, received: Received) -> None:
        self.refuses -= 1
        echo = {"error": f"{received.head} {received.body.decode()}", **received.headers}
        if self.broken:
            await connection.send(json_answer(echo, status="500 Oops"))
        elif self.refuses >= 0 or not self.knows(received):
            await connection.send(json_answer(echo, status="401 Unauthorized"))
        elif received.json.get("live"):
            await connection.send(stream_head() + chunked(*sse({"reply": "Hi, "}, {"reply": "you."})) + LAST_CHUNK)
        else:
            await connection.send(json_answer({"reply": "Hi, you."}))


class Tokens:
    """A token endpoint: each token is another one, and only the last is good."""

    def __init__(self, asks: Callable[[Received], bool] = lambda received: True) -> None:
        self.asks, self.count = asks, 0
        self.answer: bytes | None = None
        """What is answered in place of a token."""

    async def __call__(self, connection: Connection, received: Received) -> None:
        await asyncio.sleep(0.01)
        if self.answer is None and self.asks(received):
            self.count += 1
            await connection.send(json_answer({"access_token": self.token, "expires_in": 3600}))
        else:
            echo = {"error": f"{received.head} {received.body.decode()}", **received.headers}
            await connection.send(self.answer or json_answer(echo, status="400 Bad Request"))

    @property
    def token(self) -> str:
        return f"access-token-number-{self.count}"

    def known(self, received: Received) -> bool:
        return received.headers.get("authorization") == f"Bearer {self.token}"


# Who is known


def target(received: Received) -> str:
    return received.head.split(" ")[1]


def by_bearer(received: Received) -> bool:
    return received.headers.get("authorization") == f"Bearer {SECRETS['TOKEN']}"


def by_password(received: Received) -> bool:
    said = b64encode(f"ann:{SECRETS['PASSWORD']}".encode()).decode()
    return received.headers.get("authorization") == f"Basic {said}"


def by_header(received: Received) -> bool:
    return received.headers.get("x-key") == SECRETS["TOKEN"]


def by_query(received: Received) -> bool:
    return parse_qsl(target(received).partition("?")[2]) == [("lang", "en"), ("key", SECRETS["PASSWORD"])]


def by_signature(received: Received) -> bool:
    moment, signature = received.headers.get("x-time", "0"), received.headers.get("x-signature", "")
    path, _, query = target(received).partition("?")
    over = f"{received.head.split(' ')[0]}\n{path}\n{query}\n{moment}\n{received.body.decode()}"
    made = hmac.new(SECRETS["SHARED"].encode(), over.encode(), "sha512").digest()
    return abs(int(moment) - time.time()) < 5 and signature == b64encode(made).decode()


def by_own_token(received: Received) -> bool:
    token = received.headers.get("x-token", "..")
    head, claims, signature = token.split(".")
    made = hmac.new(SECRETS["SHARED"].encode(), f"{head}.{claims}".encode(), "sha256").digest()
    if signature != urlsafe_b64encode(made).rstrip(b"=").decode():
        return False
    said, claimed = (json.loads(urlsafe_b64decode(f"{part}===")) for part in (head, claims))
    now = time.time()
    assert abs(claimed["iat"] - now) < 5
    return said == {"alg": "HS256", "typ": "JWT", "kid": "k1"} and claimed["exp"] - claimed["iat"] == 600


def by_botocore(received: Received) -> bool:
    proof = re.fullmatch(r"AWS4-.+SignedHeaders=(\S+), Signature=(\w+)", received.headers.get("authorization", ""))
    if not proof:
        return False
    keys = Credentials(SECRETS["ACCESS_KEY"], SECRETS["SECRET_KEY"], SECRETS["SESSION"])
    signing = SigV4Auth(keys, "bedrock", "eu-central-1")
    headers = {name: received.headers[name] for name in proof[1].split(";")}
    url = f"http://{headers.pop('host')}{target(received)}"
    request = AWSRequest(received.head.split(" ")[0], url, headers, received.body)
    request.context["timestamp"] = headers["x-amz-date"]
    text = signing.string_to_sign(request, signing.canonical_request(request))
    return {"x-amz-date", "x-amz-security-token"} <= headers.keys() and signing.signature(text, request) == proof[2]


def asks_in_form(received: Received) -> bool:
    return dict(parse_qsl(received.body.decode())) == {
        "grant_type": "refresh_token",
        "client_id": "dragoman",
        "client_secret": SECRETS["CLIENT_SECRET"],
        "refresh_token": SECRETS["REFRESH"],
    }


def asks_by_basic(received: Received) -> bool:
    said = b64encode(f"dragoman:{quote_plus(SECRETS['CLIENT_SECRET'])}".encode()).decode()
    told = {"grant_type": "client_credentials", "scope": "chat"}
    return received.headers.get("authorization") == f"Basic {said}" and received.json == told


def asks_in_query(received: Received) -> bool:
    told = {"client_id": "dragoman", "client_secret": SECRETS["CLIENT_SECRET"], "grant_type": "client_credentials"}
    return dict(parse_qsl(target(received).partition("?")[2])) == {**told, "api_key": SECRETS["TOKEN"]}


@dataclass(frozen=True)
class Login:
    """A login's options, in which `$NAME` stands for a secret, and who verifies it."""

    kind: str
    options: dict[str, Any]
    knows: Callable[[Received], bool] | None = None
    asks: Callable[[Received], bool] | None = None


SIGNED = {
    "over": "{{ method }}\n{{ path }}\n{{ query }}\n{{ timestamp }}\n{{ body }}",
    "algorithm": "sha512",
    "encoding": "base64",
    "headers": {"X-Signature": "{{ signature }}", "X-Time": "{{ timestamp }}"},
}
CLAIMED = {"header": {"kid": "k1"}, "ttl": "10m", "place": {"header": "X-Token"}}
CLIENT = {"token_url": "ENDPOINT/token", "client_id": "dragoman", "client_secret": "$CLIENT_SECRET"}
AWS = {"region": "eu-central-1", "service": "bedrock", "access_key": "$ACCESS_KEY", "secret_key": "$SECRET_KEY"}
LOGINS = {
    "bearer": Login("bearer", {"token": "$TOKEN"}, by_bearer),
    "basic": Login("basic", {"user": "ann", "password": "$PASSWORD"}, by_password),
    "header": Login("header", {"name": "X-Key", "value": "$TOKEN"}, by_header),
    "query": Login("query", {"name": "key", "value": "$PASSWORD"}, by_query),
    "hmac": Login("hmac", {"secret": "$SHARED", **SIGNED}, by_signature),
    "jwt": Login("jwt", {"secret": "$SHARED", **CLAIMED}, by_own_token),
    "sigv4": Login("sigv4", {**AWS, "session_token": "$SESSION"}, by_botocore),
    "oauth2-form": Login("oauth2", {**CLIENT, "refresh_token": "$REFRESH"}, asks=asks_in_form),
    "oauth2-basic": Login(
        "oauth2", {**CLIENT, "credentials": "basic", "format": "json", "scope": "chat"}, asks=asks_by_basic
    ),
    "oauth2-query": Login(
        "oauth2",
        {**CLIENT, "method": "GET", "format": "query", "parameters": {"api_key": "$TOKEN"}},
        asks=asks_in_query,
    ),
}
EVERY = pytest.mark.parametrize("name", LOGINS)


@dataclass
class Behind:
    """A gateway before a guarded backend."""

    url: str
    guarded: Guarded
    upstream: Upstream
    tokens: Tokens
    endpoint: Upstream

    async def ask(self, stream: bool = False, said: str = "Grüß dich!") -> Heard:
        return await ask(self.url, stream, messages=[{"role": "user", "content": said}])


@asynccontextmanager
async def behind(
    name: str, made: Callable[[dict[str, Any]], Gateway] = Gateway, login: dict[str, Any] | None = None, **more: Any
) -> AsyncIterator[Behind]:
    """A gateway that logs in by this name; `made` makes it of a configuration in which `$NAME` is a secret."""
    described = LOGINS[name]
    tokens = Tokens(described.asks or (lambda received: True))
    guarded = Guarded(described.knows or tokens.known)
    async with listening(guarded) as upstream, listening(tokens) as endpoint:
        options = {"kind": described.kind, **described.options, **(login or {})}
        auth = json.loads(json.dumps(options).replace("ENDPOINT", endpoint.url))
        live = {"framing": "sse", "request": {"live": True}}
        config = mapped(f"{upstream.url}/v1/{{{{ model }}}}/chät?lang=en", auth=auth, stream=live, **more)
        if made is Gateway:
            config = with_secrets(config, lambda name: SECRETS[name])
        async with gateway(made(config)) as url:
            yield Behind(url, guarded, upstream, tokens, endpoint)


def with_secrets(value: Any, place: Callable[[str], Any]) -> Any:
    """A configuration with something in place of each `$NAME`."""
    if isinstance(value, dict):
        return {key: with_secrets(inner, place) for key, inner in value.items()}
    return place(value[1:]) if isinstance(value, str) and value[1:] in SECRETS else value


@CALLERS
@EVERY
async def test_a_login_proves_who_we_are(name: str, stream: bool):
    async with behind(name) as here:
        for said in ("one", "zwei ÄÖÜ 👋", "three"):
            heard = await here.ask(stream, said)
            assert (heard.error, heard.text) == ({}, "Hi, you.")
        assert here.tokens.count == (1 if LOGINS[name].asks else 0)


@CALLERS
@EVERY
async def test_who_is_not_known_gets_no_answer(name: str, stream: bool):
    """And what the backend says of it is not for callers."""
    async with behind(name) as here:
        here.guarded.refuses = 9
        heard = await here.ask(stream)
        assert (heard.status, heard.error["code"]) == (502, "upstream_auth_error")
        assert heard.headers["x-should-retry"] == "false"
        assert not leaked(f"{heard.headers} {heard.error}")


# Tokens that are fetched


async def test_many_calls_fetch_one_token():
    async with behind("oauth2-form") as here:
        heard = await asyncio.gather(*(here.ask(bool(number % 2)) for number in range(10)))
        assert {one.text for one in heard} == {"Hi, you."}
        assert len(here.endpoint.requests) == 1


@CALLERS
@pytest.mark.parametrize("concurrency", [1000, 1])
async def test_a_token_that_is_no_longer_good_is_fetched_again(concurrency: int, stream: bool):
    """That the call was refused once takes no second place at the backend."""
    async with behind("oauth2-form", concurrency=concurrency) as here:
        await here.ask()
        here.tokens.count += 1  # which makes the token that is in use a bad one
        heard = await here.ask(stream)
        assert (heard.error, heard.text) == ({}, "Hi, you.")
        assert (len(here.upstream.requests), len(here.endpoint.requests)) == (3, 2)


@CALLERS
async def test_a_new_token_that_is_refused_too_is_the_end(stream: bool):
    async with behind("oauth2-form") as here:
        here.guarded.refuses = 2
        assert (await here.ask(stream)).error["code"] == "upstream_auth_error"
        assert (len(here.upstream.requests), len(here.endpoint.requests)) == (2, 2)


DOWN = {
    "500": json_answer({}, status="500 Oops"),
    "401": json_answer({"error": "invalid_client"}, status="401 Unauthorized"),
    "no token": json_answer({"token": "elsewhere"}),
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\noops",
    "no HTTP": b"oops\r\n\r\n",
    "elsewhere": json_answer({}, "Location: http://127.0.0.1:9/token", status="302 Found"),
}


@CALLERS
@pytest.mark.parametrize("down", DOWN)
async def test_a_token_endpoint_that_fails_has_a_name(down: str, stream: bool):
    async with behind("oauth2-form") as here:
        here.tokens.answer = DOWN[down]
        heard = await here.ask(stream)
        assert (heard.status, heard.error["code"]) == (502, "upstream_login_failed")
        assert not leaked(f"{heard.headers} {heard.error}")
        assert here.endpoint.url.rpartition(":")[2] not in heard.error["message"]
        assert not here.upstream.requests


@CALLERS
async def test_a_token_endpoint_that_is_not_there_has_a_name(stream: bool):
    async with behind("oauth2-form", login={"token_url": "http://127.0.0.1:9/token"}) as here:
        heard = await here.ask(stream)
        assert (heard.status, heard.error["code"]) == (502, "upstream_login_failed")
        assert "127.0.0.1" not in str(heard.error)


# Certificates


@dataclass
class Certified:
    """Certificates, and where they are."""

    folder: Path
    authority: trustme.CA

    @property
    def ca(self) -> str:
        self.authority.cert_pem.write_to_path(self.folder / "ca.pem")
        return str(self.folder / "ca.pem")

    def proof(self, authority: trustme.CA | None = None, apart: bool = True) -> dict[str, str]:
        """Our own certificate: `cert` and `key`, or both in one file."""
        made = (authority or self.authority).issue_cert("dragoman@example.com")
        cert, key = self.folder / "cert.pem", self.folder / "key.pem"
        for place, blob in enumerate(made.cert_chain_pems):
            blob.write_to_path(cert, append=place > 0)
        if not apart:
            made.private_key_pem.write_to_path(cert, append=True)
            return {"cert": str(cert)}
        made.private_key_pem.write_to_path(key)
        return {"cert": str(cert), "key": str(key)}

    def asking_back(self) -> ssl.SSLContext:
        """A server that wants to see a certificate of our authority."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
        self.authority.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
        return context


@pytest.fixture
def certified(tmp_path: Path) -> Certified:
    return Certified(tmp_path, trustme.CA())


async def naming(connection: Connection, received: Received) -> None:
    """Says who asks."""
    certificate = connection.writer.get_extra_info("peercert")
    await connection.send(json_answer({"reply": certificate["subjectAltName"][0][1]}))


@pytest.mark.parametrize("apart", [True, False], ids=["two files", "one file"])
async def test_a_certificate_proves_who_we_are(certified: Certified, apart: bool):
    tls = {"ca": certified.ca, **certified.proof(apart=apart)}
    async with (
        listening(naming, ssl=certified.asking_back()) as upstream,
        gateway(mapped(upstream.url.replace("http:", "https:"), tls=tls)) as url,
    ):
        assert (await ask(url)).text == "dragoman@example.com"
        assert (await ask(url, stream=True)).text == "dragoman@example.com"


@pytest.mark.parametrize("proof", ["none", "of another authority"])
async def test_without_the_right_certificate_nobody_answers(certified: Certified, proof: str):
    ours = {} if proof == "none" else certified.proof(trustme.CA())
    async with listening(naming, ssl=certified.asking_back()) as upstream:
        config = mapped(upstream.url.replace("http:", "https:"), tls={"ca": certified.ca, **ours})
        async with gateway(config) as url:
            heard = await ask(url)
        assert heard.status in (500, 502)
        assert heard.error["code"] in ("upstream_tls_error", "upstream_disconnected")
        assert not upstream.requests


async def test_a_server_of_another_authority_hears_nothing(certified: Certified):
    others = Certified(certified.folder, trustme.CA()).asking_back()
    async with listening(naming, ssl=others) as upstream:
        tls = {"ca": certified.ca, **certified.proof()}
        async with gateway(mapped(upstream.url.replace("http:", "https:"), tls=tls)) as url:
            heard = await ask(url)
        assert (heard.status, heard.error["code"]) == (500, "upstream_tls_error")
        assert not upstream.requests


async def test_a_certificate_and_a_token_go_together(certified: Certified):
    tls = {"ca": certified.ca, **certified.proof()}
    async with listening(Guarded(by_bearer), ssl=certified.asking_back()) as upstream:
        auth = {"kind": "bearer", "token": SECRETS["TOKEN"]}
        async with gateway(mapped(upstream.url.replace("http:", "https:"), tls=tls, auth=auth)) as url:
            assert (await ask(url)).text == "Hi, you."


# Where secrets come from, and where they never go


def leaked(text: str) -> list[str]:
    """The secrets in a text, however they are written."""
    tokens = {f"access {number}": f"access-token-number-{number}" for number in range(1, 4)}
    basic = {"basic": b64encode(f"ann:{SECRETS['PASSWORD']}".encode()).decode()}
    basic["client"] = b64encode(f"dragoman:{quote_plus(SECRETS['CLIENT_SECRET'])}".encode()).decode()
    everywhere = {**SECRETS, **tokens, **basic}
    return [name for name, value in everywhere.items() if any(shape in text for shape in shapes(value))]


def shapes(value: str) -> Iterator[str]:
    yield from (value, quote(value), quote(value, safe=""), quote_plus(value))
    yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1])


@dataclass
class Writing:
    """Writes configurations to a file, secrets in the environment or in files of their own."""

    folder: Path
    patch: pytest.MonkeyPatch
    how: str = "environment"
    record: Path | None = None

    def __call__(self, config: dict[str, Any]) -> Gateway:
        return Gateway(str(self.written(config)), record=self.record)

    def written(self, config: dict[str, Any]) -> Path:
        file = self.folder / "dragoman.yaml"
        file.write_text(yaml.safe_dump(with_secrets(config, self.placed), sort_keys=False))
        return file

    def placed(self, name: str) -> Any:
        if self.how == "literal":
            return SECRETS[name]
        if self.how == "environment":
            self.patch.setenv(name, SECRETS[name])
            return f"${{{name}}}"
        (self.folder / name).write_text(f"{SECRETS[name]}\n")
        return {"file": str(self.folder / name)}


@pytest.fixture
def writing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Writing:
    return Writing(tmp_path, monkeypatch)


@EVERY
@pytest.mark.parametrize("how", ["environment", "file"])
async def test_secrets_go_to_the_backend_and_nowhere_else(name: str, how: str, writing: Writing, caplog: Any):
    """Neither into the log at debug level, nor into errors, nor into recordings, even if the backend says them."""
    caplog.set_level(logging.DEBUG)
    writing.how, writing.record = how, writing.folder / "tape"
    async with behind(name, writing) as here:
        for stream in (False, True):
            assert (await here.ask(stream)).text == "Hi, you."
        here.guarded.refuses = 2
        heard = [await here.ask(), await here.ask(stream=True)]
        here.guarded.broken = True
        heard += [await here.ask(), await here.ask(stream=True)]
        here.tokens.asks = lambda received: False
        here.guarded.broken, here.guarded.refuses = False, 9
        heard += [await here.ask(), await here.ask(stream=True)]
    said = [str((one.headers, one.error)) for one in heard if one.error]
    assert len(said) > 3
    assert [leaked(text) for text in said] == [[]] * len(said)
    logged = "\n".join(f"{record.getMessage()} {record.args} {record.exc_text}" for record in caplog.records)
    assert "upstream_auth_error" in logged
    assert not leaked(logged)
    recorded = sorted((writing.folder / "tape").iterdir())
    assert len(recorded) > 5
    assert not leaked("".join(file.read_text() + file.name for file in recorded))


async def test_what_was_recorded_is_answered_again_without_the_secrets(writing: Writing):
    """The query is part of the recording's address; what was hidden in it stands for anything."""
    writing.record = writing.folder / "tape"
    async with behind("query", writing) as here:
        await here.ask()
    for name in SECRETS:
        writing.patch.delenv(name, raising=False)
    replayed = Gateway.replayed(writing.folder / "dragoman.yaml", writing.folder / "tape")
    async with gateway(replayed) as url:
        assert (await ask(url, messages=[{"role": "user", "content": "Grüß dich!"}])).text == "Hi, you."


SECRET_PLACES = [
    (name, place)
    for name, login in LOGINS.items()
    for place, value in login.options.items()
    if str(value).startswith("$")
]


@pytest.mark.parametrize(("name", "place"), SECRET_PLACES, ids=lambda part: part)
def test_a_secret_that_stands_in_the_file_is_refused(name: str, place: str, writing: Writing):
    login = LOGINS[name]
    others = {key: value for key, value in login.options.items() if key != place}
    literal = SECRETS[login.options[place][1:]]
    auth = {"kind": login.kind, **others, place: literal}
    file = writing.written(
        mapped("http://127.0.0.1:9", auth=json.loads(json.dumps(auth).replace("ENDPOINT", "http://a")))
    )
    line = next(n for n, text in enumerate(file.read_text().splitlines(), 1) if text.strip().startswith(f"{place}:"))
    with pytest.raises(ConfigError) as caught:
        Gateway(str(file))
    assert str(caught.value).startswith(f"{file}:{line}: backends.b.auth.{place}: must come from the environment")
    assert not leaked(str(caught.value))


@pytest.mark.parametrize(
    ("secret", "problem"),
    [
        ("${NOBODY_SET_THIS}", "the environment variable NOBODY_SET_THIS is not set"),
        ({"file": "/nowhere/at/all"}, "cannot be read"),
        ({"file": "/dev/null"}, "is empty"),
        ({"files": "/dev/null"}, "must be a text, or the file that holds it"),
        (7, "must be a text, or the file that holds it"),
        ("", "is empty"),
    ],
    ids=str,
)
def test_a_secret_that_is_not_there_is_refused(secret: Any, problem: str, writing: Writing):
    file = writing.written(mapped("http://127.0.0.1:9", auth={"kind": "bearer", "token": secret}))
    with pytest.raises(ConfigError, match=rf"^{file}:\d+: backends\.b\.auth\.token.*: .*{problem}"):
        Gateway(str(file))


def test_a_literal_beside_the_environment_is_as_good(writing: Writing):
    """Such as a prefix that a vendor wants."""
    writing.patch.setenv("TOKEN", SECRETS["TOKEN"])
    file = writing.written(mapped("http://127.0.0.1:9", auth={"kind": "bearer", "token": "sk-${TOKEN}"}))
    assert Gateway(str(file))
