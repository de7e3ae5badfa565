"""What callers do to the server's port, and that each of them gets an answer it can read."""

import asyncio
import gzip
import itertools
import json
from collections.abc import AsyncIterator
from functools import partial

import pytest
import pytest_asyncio
import requests

from tests.http11 import CLOSE, PATH, answer_to, answers, asking, connected, exchanged, head
from tests.serving import QUESTION, gateway, http_backend
from tests.upstream import Connection, Received, Upstream, json_answer, listening

pytestmark = pytest.mark.asyncio(loop_scope="module")

MIB = 1024 * 1024
CHUNKED = "Transfer-Encoding: chunked"
WHOLE = asking(QUESTION)
BODY = WHOLE.partition(b"\r\n\r\n")[2]


async def echo(connection: Connection, received: Received) -> None:
    await connection.send(json_answer({"reply": received.json["q"]}))


def saying(text: str, *headers: str, **options: str) -> bytes:
    return asking({"model": "m", "messages": [{"role": "user", "content": text}]}, *headers, **options)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream() -> AsyncIterator[Upstream]:
    async with listening(echo) as upstream:
        yield upstream


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url(upstream: Upstream) -> AsyncIterator[str]:
    async with gateway(http_backend(upstream.url)) as url:
        yield url


PATHS = [
    ("GET", "/nowhere", 404, None, ""),
    ("POST", "/v1/nowhere", 404, None, "POST /v1/nowhere"),
    ("POST", "/v1/chat", 404, None, ""),
    ("POST", "/v1/v1/chat/completions", 404, None, "already ends in /v1"),
    ("GET", "/v1/models/none", 404, "model_not_found", ""),
    ("GET", "/%00%0d%0a/%f0%9f", 404, None, ""),
    ("GET", "/" + "x" * 5000, 404, None, ""),
    ("GET", PATH, 405, "method_not_supported", "POST"),
    ("PUT", "/chat/completions/", 405, "method_not_supported", "POST"),
    ("OPTIONS", PATH, 405, "method_not_supported", "POST"),
    ("DELETE", "/v1/models", 405, "method_not_supported", "GET"),
    ("PATCH", "/v1/models/m", 405, "method_not_supported", "GET"),
    ("POST", "/health", 405, "method_not_supported", "GET"),
    ("TRACE", "/ready", 405, "method_not_supported", "GET"),
]


@pytest.mark.parametrize(("method", "path", "status", "code", "told"), PATHS)
async def test_every_path_and_method_is_answered_in_the_envelope(
    url: str, method: str, path: str, status: int, code: str | None, told: str
):
    answered = await answer_to(url, head(CLOSE, method=method, path=path))
    assert (answered.status, answered.error["code"]) == (status, code)
    assert answered.error["type"] == "invalid_request_error"
    assert told in answered.error["message"]
    assert len(answered.body) < 1000
    assert (answered.headers.get("allow") or "") == (told if status == 405 else "")


@pytest.mark.parametrize("path", ["/", "/nowhere", PATH, "/health", "/v1/models"])
async def test_a_head_request_is_answered_without_a_body(url: str, path: str):
    got = await exchanged(url, head(CLOSE, method="HEAD", path=path))
    (answered,) = answers(got, bodiless=True)
    assert answered.status in (200, 404, 405)
    assert answered.headers["x-request-id"]


@pytest.mark.parametrize("path", [PATH, PATH + "/", "/chat/completions", "/chat/completions/", PATH + "?api-version=1"])
async def test_the_chat_path_has_many_spellings(url: str, path: str):
    assert (await answer_to(url, saying("Hi", CLOSE, path=path))).text == "Hi"


LARGE = b" " * (9 * MIB)
TOO_LARGE = {
    "announced": [head("Content-Length: 9000000")],
    "announced and sent": [asking(LARGE)],
    "sent to be closed": [asking(LARGE, CLOSE)],
    "sent in old HTTP": [asking(LARGE).replace(b"HTTP/1.1", b"HTTP/1.0")],
    "with digits without end": [head("Content-Length: " + "9" * 18)],
    "in chunks": [head(CHUNKED)] + [b"100000\r\n" + b" " * MIB + b"\r\n"] * 9,
    "in one chunk": [head(CHUNKED), b"900000\r\n" + LARGE],
    "100 MB": [head("Content-Length: 104857600")] + [b"x" * MIB] * 100,
    "100 MB to be closed": [head("Content-Length: 104857600", CLOSE)] + [b"x" * MIB] * 100,
    "100 MB in chunks": [head(CHUNKED)] + [b"100000\r\n" + b" " * MIB + b"\r\n"] * 100 + [b"0\r\n\r\n"],
}


@pytest.mark.parametrize("pieces", [pytest.param(pieces, id=name) for name, pieces in TOO_LARGE.items()])
async def test_a_body_too_large_is_refused_with_an_answer(url: str, pieces: list[bytes]):
    answered = await answer_to(url, *pieces)
    assert (answered.status, answered.error["code"]) == (413, "request_too_large")
    assert str(8 * MIB) in answered.error["message"]


@pytest.mark.parametrize("connection", ["keep-alive", "close"])
@pytest.mark.parametrize("megabytes", [9, 100])
async def test_clients_that_send_everything_first_read_the_refusal(url: str, megabytes: int, connection: str):
    send = partial(requests.post, data=b"x" * megabytes * MIB, headers={"Connection": connection}, timeout=10)
    answered = await asyncio.to_thread(send, url + PATH)
    assert (answered.status_code, answered.json()["error"]["code"]) == (413, "request_too_large")


async def test_the_largest_body_is_configured(upstream: Upstream):
    async with gateway(http_backend(upstream.url, bounds={"body": "1KiB"})) as url:
        assert (await answer_to(url, asking(BODY.ljust(1024)))).status == 200
        assert (await answer_to(url, asking(BODY.ljust(1025)))).status == 413


def filled(count: int, size: int = 1) -> list[str]:
    return [f"x-{number}: {'v' * size}" for number in range(count)]


HEADS = {
    "100 headers": (200, [saying("Hi", *filled(97), CLOSE)]),
    "101 headers": (431, [saying("Hi", *filled(98), CLOSE)]),
    "10,000 headers": (431, [saying("Hi", *filled(10_000), CLOSE)]),
    "30 KiB": (200, [saying("Hi", *filled(1, 30 * 1024), CLOSE)]),
    "33 KiB": (431, [saying("Hi", *filled(1, 33 * 1024), CLOSE)]),
    "33 KiB elsewhere": (431, [head(*filled(33, 1024), CLOSE, method="GET", path="/health")]),
    "101 headers nowhere": (431, [head(*filled(101), CLOSE, method="GET", path="/nowhere")]),
    "an endless header": (431, [head()[:-2] + b"x: ", *[b"v" * 8192] * 100]),
    "an endless name": (431, [head()[:-2], *[b"v" * 8192] * 100]),
    "an endless path": (431, [b"GET /", *[b"v" * 8192] * 100]),
}


@pytest.mark.parametrize(("status", "pieces"), [pytest.param(*row, id=name) for name, row in HEADS.items()])
async def test_a_head_has_at_most_100_headers_and_32_kib(url: str, status: int, pieces: list[bytes]):
    answered = await answer_to(url, *pieces)
    assert answered.status == status
    assert status == 200 or answered.error["code"] == "headers_too_large"


SLOW = {
    "a head byte by byte": [WHOLE[place : place + 1] for place in range(40)],
    "half a head": [WHOLE[:20]],
    "a body that never comes": [head("Content-Length: 5")],
    "a body that stops": [WHOLE[:-5]],
    "a body byte by byte": [WHOLE[:-40], *(WHOLE[place : place + 1] for place in range(-40, 0))],
    "chunks byte by byte": [head(CHUNKED), *[b"1\r\n \r\n"] * 40],
}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.server.HEAD_SECONDS", 0.3)
    monkeypatch.setattr("dragoman.edge.BODY_SECONDS", 0.3)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("pieces", [pytest.param(pieces, id=name) for name, pieces in SLOW.items()])
async def test_a_request_that_does_not_come_in_time_is_refused(url: str, pieces: list[bytes]):
    answered = await answer_to(url, *pieces, pause=0.05, wait=1.5)
    assert (answered.status, answered.error["code"]) == (408, "request_timeout")


@pytest.mark.usefixtures("impatient")
async def test_a_second_request_has_a_deadline_of_its_own(url: str):
    first, second = answers(await exchanged(url, WHOLE, *[WHOLE[place : place + 1] for place in range(40)], pause=0.05))
    assert (first.status, second.status) == (200, 408)


@pytest.mark.usefixtures("impatient")
async def test_a_caller_that_says_nothing_is_hung_up_on(url: str):
    assert await exchanged(url, wait=1.5) == b""


@pytest.mark.usefixtures("impatient")
async def test_a_slow_answer_is_no_slow_request(upstream: Upstream, url: str, monkeypatch: pytest.MonkeyPatch):
    async def slowly(connection: Connection, received: Received) -> None:
        await asyncio.sleep(0.8)
        await echo(connection, received)

    monkeypatch.setattr(upstream, "script", slowly)
    assert (await answer_to(url, saying("Hi", CLOSE))).text == "Hi"


MALFORMED = {
    "two ways of length": head(f"Content-Length: {len(BODY)}", CHUNKED) + b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY),
    "two lengths": head("Content-Length: 5", f"Content-Length: {len(BODY)}") + BODY,
    "a list of lengths": head(f"Content-Length: {len(BODY)}, {len(BODY)}") + BODY,
    "a negative length": head("Content-Length: -1") + BODY,
    "a length with a sign": head(f"Content-Length: +{len(BODY)}") + BODY,
    "an unknown coding": head("Transfer-Encoding: cunked", "Content-Length: 0"),
    "bare line feeds": WHOLE.replace(b"\r\n", b"\n"),
    "a folded header": asking(QUESTION, "x-a: b", " c"),
    "a space before the colon": asking(QUESTION, "x-a : b"),
    "a NUL in a header": asking(QUESTION, "x-a: b\0c"),
    "a bare CR in a header": asking(QUESTION, "x-a: b\rc"),
    "a bad chunk size": head(CHUNKED) + b"zz\r\nabc\r\n0\r\n\r\n",
    "a chunk size of 17 digits": head(CHUNKED) + b"1" * 17 + b"\r\nabc",
    "a chunk longer than it says": head(CHUNKED) + b"2\r\nabcd\r\n0\r\n\r\n",
    "no Host": asking(QUESTION, host="x: y"),
    "two Hosts": asking(QUESTION, "Host: y"),
    "an unknown method": head(method="BREW"),
    "an unknown version": WHOLE.replace(b"HTTP/1.1", b"HTTP/7.3"),
    "a tunnel": b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n",
    "no HTTP": b"hello there, are you an FTP server?\r\n\r\n",
    "TLS": bytes.fromhex("16030102000100") + b"\x01" * 300,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
}


@pytest.mark.parametrize("request_", [pytest.param(request, id=name) for name, request in MALFORMED.items()])
async def test_malformed_http_is_refused_and_reaches_no_backend(upstream: Upstream, url: str, request_: bytes):
    asked = len(upstream.requests)
    (answered,) = answers(await exchanged(url, request_ + saying("smuggled")))
    assert (answered.status, answered.error["code"]) == (400, "malformed_http")
    assert answered.headers["connection"] == "close"
    assert len(upstream.requests) == asked


async def test_http_1_0_needs_no_host(url: str):
    request = asking(QUESTION, host="x: y").replace(b"HTTP/1.1", b"HTTP/1.0")
    assert (await answer_to(url, request)).text == "Hello"


@pytest.mark.parametrize("coding", ["gzip", "br", "zstd", "GZIP", "identity, gzip"])
async def test_compressed_bodies_are_refused(url: str, coding: str):
    answered = await answer_to(url, asking(gzip.compress(BODY), f"Content-Encoding: {coding}", CLOSE))
    assert (answered.status, answered.error["code"]) == (415, "unsupported_content_encoding")


@pytest.mark.parametrize(
    "header",
    ["X: y", "Content-Type:", "Content-Type: application/x-www-form-urlencoded", "Content-Encoding: identity"],
)
async def test_json_is_accepted_whatever_it_is_called(url: str, header: str):
    assert (await answer_to(url, asking(QUESTION, header, CLOSE))).text == "Hello"


HARMLESS = ["a", "req_1.2-3", "x" * 128]
HARMFUL = ["", "x" * 129, "a b", "a\tb", "<b>", "a/b", "é", 'a"b', "a;b"]


@pytest.mark.parametrize("id", HARMLESS + HARMFUL)
@pytest.mark.parametrize("path", [PATH, "/health", "/nowhere"])
async def test_a_request_id_of_the_caller_is_kept_if_it_is_harmless(url: str, id: str, path: str):
    answered = await answer_to(url, asking(QUESTION, f"X-Request-ID: {id}", CLOSE, path=path))
    told = answered.headers["x-request-id"]
    assert told == id if id in HARMLESS else told.startswith("req_")


async def test_pipelined_requests_are_answered_in_order(url: str):
    texts = [f"number {number}" for number in range(20)]
    got = await exchanged(url, b"".join(saying(text) for text in texts) + saying("last", CLOSE))
    assert [answered.text for answered in answers(got)] == [*texts, "last"]


async def test_a_kept_connection_is_answered_again_and_again(url: str):
    reader, writer = await connected(url)
    for number in range(20):
        writer.write(saying(f"number {number}"))
        top = await reader.readuntil(b"\r\n\r\n")
        size = int(top.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        assert json.loads(await reader.readexactly(size))["choices"][0]["message"]["content"] == f"number {number}"
    writer.close()


async def test_a_refused_request_leaves_the_connection_usable(url: str):
    wrong = asking({"model": "m"}) + head(method="GET", path="/nowhere") + asking(b"{", "Content-Encoding: br")
    got = answers(await exchanged(url, wrong + saying("Hi", CLOSE)))
    assert [answered.status for answered in got] == [422, 404, 415, 200]


async def test_a_request_may_come_in_any_pieces(url: str):
    in_chunks = head(CHUNKED, CLOSE) + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n"
    for request, size in itertools.product((in_chunks, asking(QUESTION, CLOSE)), (1, 7, 100)):
        pieces = [request[place : place + size] for place in range(0, len(request), size)]
        assert (await answer_to(url, *pieces)).text == "Hello"


async def test_a_caller_that_expects_100_continue_gets_it(url: str):
    request = asking(QUESTION, "Expect: 100-continue", CLOSE)
    top, body = request[: -len(BODY)], request[-len(BODY) :]
    got = answers(await exchanged(url, top, body, pause=0.1))
    assert [answered.status for answered in got] == [100, 200]


OFFER = ["Connection: Upgrade, HTTP2-Settings", "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA"]


@pytest.mark.parametrize("protocol", ["h2c", "websocket"])
@pytest.mark.parametrize("size", [1, 100, MIB], ids=["by bytes", "in pieces", "at once"])
async def test_an_offered_upgrade_is_declined(url: str, protocol: str, size: int):
    """Java's HTTP client and `curl --http2` make such an offer with every request to a plain http address."""
    requests = [saying(text, f"Upgrade: {protocol}", *OFFER) for text in ("one", "two")]
    requests += [head(f"Upgrade: {protocol}", *OFFER, method="GET", path="/health"), saying("end", CLOSE)]
    sent = b"".join(requests)
    got = await exchanged(url, *[sent[place : place + size] for place in range(0, len(sent), size)])
    first, second, third, last = answers(got)
    assert (first.text, second.text, third.status, last.text) == ("one", "two", 200, "end")
