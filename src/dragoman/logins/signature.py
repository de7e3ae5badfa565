"""Signs what is sent with a shared secret (HMAC), over whatever a backend wants signed."""

import hmac
import secrets
import time
from base64 import b64encode
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email.utils import formatdate
from hashlib import md5, sha256
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dragoman.errors import GatewayError
from dragoman.outgoing import Login, Outgoing
from dragoman.reach import HeaderName, HeaderText
from dragoman.secret import Secret
from dragoman.templates import Text, speaking_of

REQUEST = frozenset({"method", "path", "query", "target", "host", "body", "body_sha256", "body_md5"})
MOMENT = frozenset({"timestamp", "timestamp_ms", "date", "nonce"})
SIGNED = REQUEST | MOMENT
"""What the signed text can speak of."""
SAID = SIGNED | {"signature"}
"""What headers and query can speak of."""


def _over(template: str) -> str:
    Text(template, SIGNED)
    return template


class HMAC(BaseModel):
    """`kind: hmac`: a signature by a shared secret."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)

    kind: Literal["hmac"]
    secret: Secret
    """What both sides know."""
    over: Annotated[str, AfterValidator(_over)] = "{{ method }}\n{{ path }}\n{{ timestamp }}\n{{ body }}"
    """The text that is signed: a template with `method`, `path`, `query`, `target` (path and query), `host`, `body`,
    `body_sha256` (hexadecimal), `body_md5` (base64), `timestamp`, `timestamp_ms`, `date` and `nonce`."""
    algorithm: Literal["sha256", "sha512", "sha1"] = "sha256"
    """The hash."""
    encoding: Literal["hex", "base64"] = "hex"
    """How the signature is written."""
    headers: Annotated[dict[HeaderName, HeaderText], speaking_of(SAID)] = {}
    """Templates, with `signature` too."""
    query: Annotated[dict[Annotated[str, Field(min_length=1)], str], speaking_of(SAID)] = {}
    """The same. Those that do not speak of `signature` are in the query before it is signed."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Login]:
        yield _Signing(self)


class _Signing:
    def __init__(self, options: HMAC) -> None:
        self._key = options.secret.get_secret_value().encode()
        self._algorithm = options.algorithm
        self._written = bytes.hex if options.encoding == "hex" else _base64
        self._over = Text(options.over, SIGNED, "auth.over")
        self._headers = _texts(options.headers, "auth.headers")
        query = _texts(options.query, "auth.query")
        self._signed_query = {name: text for name, text in query.items() if "signature" not in text.names}
        self._query = {name: text for name, text in query.items() if "signature" in text.names}

    async def signed(self, asked: Outgoing) -> Outgoing:
        moment = _moment()
        asked = asked.with_query(_filled(self._signed_query, asked, moment))
        over = self._over.filled(_values(asked, moment, self._over.names))
        signature = self._written(hmac.digest(self._key, over.encode(), self._algorithm))
        said = {**moment, "signature": signature}
        headers, query = _filled(self._headers, asked, said), _filled(self._query, asked, said)
        return asked.with_headers(_checked(headers)).with_query(query)

    def refused(self) -> bool:
        return False


def _texts(templates: Mapping[str, str], key: str) -> dict[str, Text]:
    return {name: Text(template, SAID, f"{key}.{name}") for name, template in templates.items()}


def _filled(texts: Mapping[str, Text], asked: Outgoing, said: dict[str, Any]) -> dict[str, str]:
    return {name: text.filled(_values(asked, said, text.names)) for name, text in texts.items()}


def _moment() -> dict[str, Any]:
    now = time.time()
    return {
        "timestamp": int(now),
        "timestamp_ms": int(now * 1000),
        "date": formatdate(now, usegmt=True),
        "nonce": secrets.token_hex(16),
    }


_OF_REQUEST: dict[str, Callable[[Outgoing], str]] = {
    "method": lambda asked: asked.method,
    "path": lambda asked: asked.target.partition("?")[0],
    "query": lambda asked: asked.target.partition("?")[2],
    "target": lambda asked: asked.target,
    "host": lambda asked: asked.host,
    "body": lambda asked: _body(asked),
    "body_sha256": lambda asked: sha256(asked.body).hexdigest(),
    "body_md5": lambda asked: _base64(md5(asked.body, usedforsecurity=False).digest()),
}


def _values(asked: Outgoing, said: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """What these names stand for."""
    return {name: _OF_REQUEST[name](asked) if name in _OF_REQUEST else said[name] for name in names}


def _body(asked: Outgoing) -> str:
    try:
        return asked.body.decode()
    except UnicodeDecodeError:
        raise GatewayError(code="template_failed", detail="auth: the body is no text; use body_sha256") from None


def _base64(data: bytes) -> str:
    return b64encode(data).decode()


def _checked(headers: dict[str, str]) -> dict[str, str]:
    for name, value in headers.items():
        if not value.isascii() or not value.isprintable():
            raise GatewayError(code="template_failed", detail=f"auth.headers.{name}: not printable ASCII")
    return headers
