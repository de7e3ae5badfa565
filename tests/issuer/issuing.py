"""An issuer of signed tokens on the loopback."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.upstream import Connection, Received, Upstream, json_answer, listening

ALGORITHMS = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}


@cache
def private(algorithm: str, id: str = "") -> Any:
    """A key of the issuer's."""
    match algorithm:
        case "RS256":
            return rsa.generate_private_key(65537, 2048)
        case "ES256":
            return ec.generate_private_key(ec.SECP256R1())
        case _:
            return ed25519.Ed25519PrivateKey.generate()


@dataclass
class Issuing:
    url: str
    upstream: Upstream
    ids: dict[str, str] = field(default_factory=lambda: {"one": "RS256", "two": "ES256", "three": "EdDSA"})
    """The keys that are published, and how each signs."""

    def public(self) -> dict[str, Any]:
        keys = (
            (id, name, ALGORITHMS[name].to_jwk(private(name, id).public_key(), as_dict=True))
            for id, name in self.ids.items()
        )
        return {"keys": [{**key, "kid": id, "use": "sig", "alg": name} for id, name, key in keys]}

    def token(self, id: str = "one", *, headers: dict[str, Any] | None = None, **claims: Any) -> str:
        now = time.time()
        said = {"iss": self.url, "aud": "dragoman", "sub": "ada", "exp": now + 600, "iat": now, **claims}
        said = {name: value for name, value in said.items() if value is not None}
        name = self.ids.get(id, "RS256")
        return jwt.encode(said, private(name, id), algorithm=name, headers={"kid": id, **(headers or {})})


@asynccontextmanager
async def issuing() -> AsyncIterator[Issuing]:
    async def script(connection: Connection, received: Received) -> None:
        if "openid-configuration" in received.head:
            await connection.send(json_answer({"issuer": made.url, "jwks_uri": f"{made.url}/keys"}))
        else:
            await connection.send(json_answer(made.public()))

    async with listening(script) as upstream:
        made = Issuing(upstream.url, upstream)
        yield made


def decoded(part: str) -> Any:
    return json.loads(jwt.utils.base64url_decode(part))
