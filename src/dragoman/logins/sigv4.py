"""AWS Signature Version 4, which Amazon Bedrock wants (AWS IAM user guide, signing AWS API requests)."""

import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import Annotated, Literal
from urllib.parse import quote, unquote_to_bytes

from pydantic import BaseModel, ConfigDict, Field

from dragoman.outgoing import Login, Outgoing
from dragoman.secret import HeaderSecret, Secret

ALGORITHM = "AWS4-HMAC-SHA256"
CHANGED_ON_THE_WAY = frozenset({"connection", "expect", "transfer-encoding", "user-agent", "x-amzn-trace-id"})
"""Headers that are sent but not signed."""

ScopePart = Annotated[str, Field(pattern=r"^[A-Za-z0-9-]{1,64}$")]


class SigV4(BaseModel):
    """`kind: sigv4`: AWS signatures."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)

    kind: Literal["sigv4"]
    region: ScopePart
    """Such as `us-east-1`."""
    service: ScopePart
    """The service's name in signatures: `bedrock` for all of Amazon Bedrock, `sagemaker`, `execute-api`."""
    access_key: HeaderSecret
    """The access key's id."""
    secret_key: Secret
    """The key itself."""
    session_token: HeaderSecret | None = None
    """Of temporary credentials."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Login]:
        yield _Signing(self)


class _Signing:
    def __init__(self, options: SigV4) -> None:
        self._options = options
        self._access_key = options.access_key.get_secret_value()
        self._key = lru_cache(2)(self._day_key)

    async def signed(self, asked: Outgoing) -> Outgoing:
        moment = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time()))
        digest = sha256(asked.body).hexdigest()
        asked = replace(asked.with_headers(self._headers(moment, digest)), target=_target(asked.target))
        names, request = self._canonical(asked, digest)
        scope = f"{moment[:8]}/{self._options.region}/{self._options.service}/aws4_request"
        text = f"{ALGORITHM}\n{moment}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        signature = _keyed(self._key(moment[:8]), text).hex()
        credential = f"Credential={self._access_key}/{scope}"
        proof = f"{ALGORITHM} {credential}, SignedHeaders={names}, Signature={signature}"
        return asked.with_headers({"Authorization": proof})

    def refused(self) -> bool:
        return False

    def _headers(self, moment: str, digest: str) -> dict[str, str]:
        headers = {"X-Amz-Date": moment}
        if self._options.session_token:
            headers["X-Amz-Security-Token"] = self._options.session_token.get_secret_value()
        if self._options.service == "s3":
            headers["X-Amz-Content-SHA256"] = digest
        return headers

    def _canonical(self, asked: Outgoing, digest: str) -> tuple[str, str]:
        """The names of the signed headers, and the request in the one form that both sides sign."""
        path, _, query = asked.target.partition("?")
        if self._options.service != "s3":
            path = quote(_normal(path), safe="/-_.~")
        sent = {"host": asked.host, **{name.lower(): value for name, value in asked.headers.items()}}
        headers = {name: " ".join(value.split()) for name, value in sent.items()}
        signed = sorted(headers.keys() - CHANGED_ON_THE_WAY - {"authorization"})
        lines = "".join(f"{name}:{headers[name]}\n" for name in signed)
        names = ";".join(signed)
        return names, f"{asked.method}\n{path}\n{query}\n{lines}\n{names}\n{digest}"

    def _day_key(self, day: str) -> bytes:
        key = f"AWS4{self._options.secret_key.get_secret_value()}".encode()
        for part in (day, self._options.region, self._options.service, "aws4_request"):
            key = _keyed(key, part)
        return key


def _keyed(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")


def _target(target: str) -> str:
    """Path and query written in the one way that signatures know, so that no two readings of them differ."""
    path, _, query = target.partition("?")
    path = "/".join(map(_encoded, path.split("/")))
    pairs = sorted(_pair(part) for part in query.split("&") if part)
    return f"{path}?{'&'.join(f'{name}={value}' for name, value in pairs)}" if pairs else path


def _pair(part: str) -> tuple[str, str]:
    name, _, value = part.replace("+", "%20").partition("=")
    return _encoded(name), _encoded(value)


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(text), safe="-_.~")


def _normal(path: str) -> str:
    """The path without `.`, `..` and empty segments (RFC 3986, section 5.2.4, and as AWS has it)."""
    segments: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del segments[-1:]
        elif segment not in ("", "."):
            segments.append(segment)
    ends = "/" if segments and path.endswith("/") else ""
    return f"/{'/'.join(segments)}{ends}"
