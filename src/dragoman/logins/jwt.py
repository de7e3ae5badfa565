"""JSON Web Tokens that are made here, signed with a shared secret (RFC 7519, RFC 7518 section 3.2)."""

import hmac
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict

from dragoman.json import dumped
from dragoman.outgoing import Login, Outgoing, Place
from dragoman.secret import Secret, hide
from dragoman.templates import Template, speaking_of
from dragoman.units import Seconds

NAMES = frozenset({"timestamp", "timestamp_ms", "expires", "expires_ms"})


class JWT(BaseModel):
    """`kind: jwt`: a token of our own making."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)

    kind: Literal["jwt"]
    secret: Secret
    """What both sides know."""
    algorithm: Literal["HS256", "HS384", "HS512"] = "HS256"
    """The hash."""
    header: dict[str, Any] = {}
    """Beside `alg` and `typ`."""
    claims: Annotated[dict[str, Any], speaking_of(NAMES)] = {"iat": "{{ timestamp }}", "exp": "{{ expires }}"}
    """A template with `timestamp` and `expires` (seconds), `timestamp_ms` and `expires_ms`."""
    ttl: Seconds = 300.0
    """From `timestamp` to `expires`. A token is sent for half of that time."""
    place: Place = Place()
    """Where the token stands; by default it is a bearer token."""

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Login]:
        yield _Tokens(self)


class _Tokens:
    """Makes a token, and another one when it has served for half of its time."""

    def __init__(self, options: JWT) -> None:
        self._options = options
        self._key = options.secret.get_secret_value().encode()
        self._header = {"alg": options.algorithm, "typ": "JWT", **options.header}
        self._claims = Template(options.claims, NAMES, "auth.claims")
        self._token, self._made = "", 0.0

    async def signed(self, asked: Outgoing) -> Outgoing:
        now = time.time()
        if not self._token or not 0 <= now - self._made < self._options.ttl / 2:
            before, self._token, self._made = self._token, self._at(now), now
            hide(self._token, "token", instead_of=before)
        return self._options.place.filled(asked, self._token)

    def refused(self) -> bool:
        return False

    def _at(self, now: float) -> str:
        expires = now + self._options.ttl
        moments = {"timestamp": int(now), "timestamp_ms": int(now * 1000)}
        ends = {"expires": int(expires), "expires_ms": int(expires * 1000)}
        claims = self._claims.filled({**moments, **ends})
        signed = f"{_part(dumped(self._header))}.{_part(dumped(claims))}"
        signature = hmac.digest(self._key, signed.encode(), f"sha{self._options.algorithm[2:]}")
        return f"{signed}.{_part(signature)}"


def _part(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
