"""AWS signatures: as AWS publishes them, and as botocore makes them for whatever is sent."""

from asyncio import run
from typing import Any

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st

from dragoman.outgoing import Outgoing
from tests.logins.reaching import arrived, options, refusals, target

SUITE = {
    "region": "us-east-1",
    "service": "service",
    "access_key": "AKIDEXAMPLE",
    "secret_key": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
}
S3 = {
    "region": "us-east-1",
    "service": "s3",
    "access_key": "AKIAIOSFODNN7EXAMPLE",
    "secret_key": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
}
SUITE_MOMENT, S3_MOMENT = 1_440_938_160, 1_369_353_600
TOKEN = "6e86291e8372ff2a2260956d9b8aae1d763fbf315fa00fa31553b73ebf194267"
UNRESERVED = "-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
FORM = "application/x-www-form-urlencoded"


def signed(asked: Outgoing, **given: Any) -> Outgoing:
    async def sign() -> Outgoing:
        async with options("sigv4", **given).opened() as login:
            return await login.signed(asked)

    return run(sign())


def proof(asked: Outgoing) -> tuple[str, str]:
    """The names of the signed headers, and the signature."""
    _, names, signature = asked.headers["Authorization"].split(", ")
    return names.removeprefix("SignedHeaders="), signature.removeprefix("Signature=")


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> Any:
    return lambda seconds: monkeypatch.setattr("dragoman.logins.sigv4.time.time", lambda: seconds)


# AWS's own examples: aws-sig-v4-test-suite, and "Signature calculations" in the S3 API reference


@pytest.mark.parametrize(
    ("method", "path", "signature"),
    [
        ("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        ("GET", f"/{UNRESERVED}", "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f"),
        ("GET", "/example/..", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("GET", "/example1/example2/../..", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("GET", "//", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("GET", "/./", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("GET", "/./example", "ef75d96142cf21edca26f06005da7988e4f8dc83a165a80865db7089db637ec5"),
        ("GET", "//example//", "9a624bd73a37c9a373b5312afbebe7a714a789de108f0bdfe846570885f57e84"),
        ("POST", "/?Param1=value1", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
        ("GET", "/?Param1=value1", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
        ("GET", "/?Param2=value2&Param1=value1", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        ("GET", "/?Param1=value2&Param1=Value1", "eedbc4e291e521cf13422ffca22be7d2eb8146eecf653089df300a15b2382bd1"),
        ("GET", "/?Param1=value2&Param1=value1", "5772eed61e12b33fae39ee5e7012498b51d56abc0abb7c60486157bd471c4694"),
        ("GET", "/?ሴ=bar", "2cdec8eed098649ff3a119c94853b13c643bcf08f8b0a1d91e12c9027818dd04"),
        (
            *("GET", "/?Param-3=Value3&Param=Value2&%E1%88%B4=Value1"),
            "371d3713e185cc334048618a97f809c9ffe339c62934c032af5a0e595648fcac",
        ),
        (
            *("GET", f"/?{UNRESERVED}={UNRESERVED}"),
            "9c3e54bfcdf0b19771a7f523ee5669cdf59bc7cc0884027167c21bb143a40197",
        ),
    ],
)
def test_paths_and_queries_are_signed_as_aws_has_it(moment, method: str, path: str, signature: str):
    moment(SUITE_MOMENT)
    got = signed(Outgoing(method, path, {}, b"", "example.amazonaws.com"), **SUITE)
    assert proof(got) == ("host;x-amz-date", signature)
    assert got.headers["X-Amz-Date"] == "20150830T123600Z"
    scope = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
    assert got.headers["Authorization"].startswith(scope)


@pytest.mark.parametrize(
    ("headers", "body", "signature"),
    [
        ({"My-Header1": "value1"}, b"", "c5410059b04c1ee005303aed430f6e6645f61f4dc9e1461ec8f8916fdf18852c"),
        ({"My-Header1": "VALUE1"}, b"", "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d"),
        ({"Content-Type": FORM}, b"Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
        (
            *({"Content-Type": f"{FORM}; charset=utf8"}, b"Param1=value1"),
            "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
        ),
    ],
)
def test_headers_and_bodies_are_signed_as_aws_has_it(moment, headers: dict[str, str], body: bytes, signature: str):
    moment(SUITE_MOMENT)
    got = signed(Outgoing("POST", "/", headers, body, "example.amazonaws.com"), **SUITE)
    (name,) = headers
    assert proof(got) == (";".join(sorted(["host", "x-amz-date", name.lower()])), signature)


def test_white_space_in_headers_counts_once(moment):
    moment(SUITE_MOMENT)
    headers = {"My-Header1": " value1", "My-Header2": ' "a   b   c"'}
    got = signed(Outgoing("GET", "/", headers, b"", "example.amazonaws.com"), **SUITE)
    assert proof(got)[1] == "acc3ed3afb60bb290fc8d2dd0098b9911fcaa05412b367055dee359757a9c736"


def test_a_session_token_is_sent_and_signed(moment):
    moment(SUITE_MOMENT)
    got = signed(Outgoing("GET", "/", {}, b"", "example.amazonaws.com"), **SUITE, session_token=TOKEN)
    names, signature = proof(got)
    assert (got.headers["X-Amz-Security-Token"], names) == (TOKEN, "host;x-amz-date;x-amz-security-token")
    assert signature == "07ec1639c89043aa0e3e2de82b96708f198cceab042d4a97044c66dd9f74e7f8"


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "signature"),
    [
        (
            *("GET", "/test.txt", {"Range": "bytes=0-9"}, b""),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
        ),
        (
            *("PUT", "/test%24file.text"),
            *({"Date": "Fri, 24 May 2013 00:00:00 GMT", "X-Amz-Storage-Class": "REDUCED_REDUNDANCY"},),
            *(b"Welcome to Amazon S3.", "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"),
        ),
        ("GET", "/?lifecycle", {}, b"", "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        (
            *("GET", "/?prefix=J&max-keys=2", {}, b""),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
        ),
    ],
)
def test_s3_has_its_own_way(moment, method: str, path: str, headers: dict[str, str], body: bytes, signature: str):
    moment(S3_MOMENT)
    got = signed(Outgoing(method, path, headers, body, "examplebucket.s3.amazonaws.com"), **S3)
    assert proof(got)[1] == signature


# botocore signs what we send


def as_botocore_signs(sent: Outgoing, given: dict[str, str]) -> str:
    kept = {name: value for name, value in sent.headers.items() if name.lower() != "authorization"}
    request = AWSRequest(sent.method, f"https://{sent.host}{sent.target}", {**kept, "Host": sent.host}, sent.body)
    request.context["timestamp"] = sent.headers["X-Amz-Date"]
    signer = (S3SigV4Auth if given["service"] == "s3" else SigV4Auth)(
        Credentials(given["access_key"], given["secret_key"], given.get("session_token")),
        given["service"],
        given["region"],
    )
    text = signer.string_to_sign(request, signer.canonical_request(request))
    signer._inject_signature_to_request(request, signer.signature(text, request))
    return request.headers["Authorization"]


PATHS = st.lists(st.sampled_from(["", ".", "..", "model", "a%2Fb", "v1:0", "a%20b", "%E1%88%B4", "a+b", "é", "*"]))
QUERIES = st.lists(st.sampled_from(["a=1", "a", "b=x+y", "a=%2B", "ä=ö", "=", "a=1=2", "Z=:/?@", "%7E=~", "&"]))
NAMES = st.sampled_from(["Accept", "X-Amz-Target", "Content-Type", "x-b", "User-Agent", "X-Amzn-Trace-Id", "Expect"])
VALUES = st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=20)


@given(
    method=st.sampled_from(["GET", "POST", "PUT"]),
    path=PATHS,
    query=QUERIES,
    headers=st.dictionaries(NAMES, VALUES),
    body=st.binary(max_size=50),
    service=st.sampled_from(["bedrock", "s3"]),
    host=st.sampled_from(["bedrock-runtime.eu-west-1.amazonaws.com", "localhost:8080"]),
    token=st.sampled_from([None, TOKEN]),
)
def test_botocore_comes_to_the_same_signature(method, path, query, headers, body, service, host, token):
    given = {**SUITE, "service": service, **({"session_token": token} if token else {})}
    sent = signed(Outgoing(method, f"/{'/'.join(path)}?{'&'.join(query)}".rstrip("?"), headers, body, host), **given)
    assert sent.headers["Authorization"] == as_botocore_signs(sent, given)
    again = signed(sent, **given)
    assert again.target == sent.target
    assert again.headers.keys() == sent.headers.keys()


async def test_what_arrives_is_what_was_signed():
    asked = Outgoing("POST", "/model/anthropic.claude-v2:0/invoke?b=2&a=1+1", {"Content-Type": "a/b"}, b"{}")
    received = await arrived("sigv4", asked, **SUITE)
    assert target(received) == "/model/anthropic.claude-v2%3A0/invoke?a=1%201&b=2"
    names = received.headers["authorization"].split("SignedHeaders=")[1].split(",")[0].split(";")
    headers = {name: received.headers[name] for name in names if name != "host"}
    headers["X-Amz-Date"] = headers.pop("x-amz-date")
    sent = Outgoing("POST", target(received), headers, received.body, received.headers["host"])
    assert received.headers["authorization"] == as_botocore_signs(sent, SUITE)


def test_secrets_do_not_show_and_a_scope_has_no_slashes():
    assert SUITE["secret_key"] not in repr(options("sigv4", **SUITE))
    wrong = refusals("sigv4", **{**SUITE, "region": "eu/west", "session_token": "a\r\nb: c"})
    assert wrong == {
        "region": "String should match pattern '^[A-Za-z0-9-]{1,64}$'",
        "session_token": "must be printable ASCII, because it is sent in a header",
    }
