"""Signed tokens, verified. Needs the extra `jwt`."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Self

from pydantic import ValidationError

from dragoman.call import Key
from dragoman.errors import ConfigError, KeysUnavailable, UpstreamFailure
from dragoman.grants import Grant
from dragoman.issuer.options import DISCOVERY, Issuer, KeyFile
from dragoman.json import loaded
from dragoman.logs import log
from dragoman.outgoing import Outgoing
from dragoman.paths import found
from dragoman.reach import origin_of
from dragoman.secret import hidden
from dragoman.upstream import Upstream

try:
    import jwt
except ImportError:
    INSTALLED = False
else:
    INSTALLED = True

LONGEST = 16 * 1024
LONGEST_ID = 200
REMEMBERED = 10_000
UNKNOWN_SECONDS = 30.0
"""Between two fetches for the sake of tokens whose key nobody knows."""
FETCH_SECONDS = 5.0
REQUIRED = ["exp", "iss", "aud"]


class Verified:
    """Knows the issuer's public keys, and the tokens that they have verified."""

    def __init__(self, options: Issuer) -> None:
        """Raises ConfigError if its library is not there, or the file of keys cannot be used."""
        if not INSTALLED:
            raise ConfigError("jwt: this needs an extra; install it with `pip install 'dragoman[jwt]'`")
        self._options = options
        self._id = found(options.key)
        self._claims = {name: found(path) for name, path in options.grant if path is not None}
        self._keys: Mapping[str | None, Any] = {}
        self._fetched = self._tried = -float("inf")
        self._fetching: asyncio.Task[None] | None = None
        self._known: OrderedDict[str, tuple[Key, float]] = OrderedDict()
        if isinstance(options.jwks, KeyFile):
            try:
                self._keys = _public(loaded(options.jwks.file.read_bytes()))
            except (OSError, ValueError) as error:
                raise ConfigError(f"jwt.jwks: {options.jwks.file} holds no keys that can be used") from error

    async def __aenter__(self) -> Self:
        self._fetch()
        await self._settled()
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._fetching:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def known(self, digest: str) -> Key | None:
        """The key of a token that was verified before and is valid now, by its SHA-256 in hexadecimal."""
        key, until = self._known.get(digest, (None, 0.0))
        return key if time.time() < until else None

    async def key(self, token: str) -> Key | None:
        """The key of a token; None if anything is wrong with it. Raises KeysUnavailable."""
        if token.count(".") != 2 or len(token) > LONGEST:
            return None
        try:
            head = jwt.get_unverified_header(token)
        except jwt.PyJWTError:
            return None
        if head.get("alg") not in self._options.algorithms or "crit" in head:
            return None
        public = await self._public(head.get("kid"))
        return self._verified(token, public) if public is not None else None

    async def _public(self, id: Any) -> Any:
        """The issuer's key of that id; of a single one, whatever the token calls it."""
        if time.monotonic() - self._fetched > self._options.refresh:
            self._fetch()
        if id not in self._keys and time.monotonic() - self._tried > UNKNOWN_SECONDS:
            self._fetch()
        if id not in self._keys:
            await self._settled()
        if not self._keys:
            raise KeysUnavailable()
        only = next(iter(self._keys.values())) if id is None and len(self._keys) == 1 else None
        return self._keys.get(id, only)

    def _verified(self, token: str, public: Any) -> Key | None:
        options = self._options
        try:
            claims = jwt.decode(
                token,
                public,
                algorithms=list(options.algorithms),
                audience=options.audience,
                issuer=options.issuer,
                leeway=options.leeway,
                options={"require": REQUIRED},
            )
            until = float(claims["exp"])
            key = Key(f"jwt:{_id(self._id(claims))}", self._grant(claims, until))
        except (jwt.PyJWTError, ValidationError, ValueError, TypeError, OverflowError, OSError, RecursionError):
            return None
        self._remember(token, key, until + options.leeway)
        return key

    def _grant(self, claims: Mapping[str, Any], until: float) -> Grant:
        """What the claims say. Raises ValueError."""
        said: dict[str, Any] = {name: find(claims) for name, find in self._claims.items()}
        if "models" in said:
            said["models"] = _models(said["models"])
        said["expires"] = datetime.fromtimestamp(until, UTC)
        return Grant.model_validate({name: value for name, value in said.items() if value is not None})

    def _remember(self, token: str, key: Key, until: float) -> None:
        self._known[sha256(token.encode()).hexdigest()] = key, until
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)

    async def _settled(self) -> None:
        """Waits for the keys that are being fetched, but not for long."""
        if self._fetching and not self._fetching.done():
            with suppress(TimeoutError):
                async with asyncio.timeout(FETCH_SECONDS):
                    await asyncio.shield(self._fetching)

    def _fetch(self) -> None:
        """Begins to fetch the keys, unless that is going on."""
        if isinstance(self._options.jwks, KeyFile) or (self._fetching and not self._fetching.done()):
            return
        self._tried = time.monotonic()
        self._fetching = asyncio.get_running_loop().create_task(self._fetched_anew())

    async def _fetched_anew(self) -> None:
        try:
            place = self._options.jwks
            if place is None:
                place = (await _asked(f"{self._options.issuer.rstrip('/')}{DISCOVERY}"))["jwks_uri"]
            self._keys, self._fetched = _public(await _asked(str(place))), time.monotonic()
        except UpstreamFailure as failure:
            log.error("issuer not reached", code=failure.code, detail=hidden(failure.detail))
        except (KeyError, TypeError, ValueError, TimeoutError) as error:
            log.error("issuer not understood", message=f"{type(error).__name__}: its keys cannot be read")


async def _asked(url: str) -> Any:
    """A JSON document of the issuer's. Raises UpstreamFailure, ValueError."""
    origin = origin_of(url)
    async with Upstream(origin) as upstream, asyncio.timeout(FETCH_SECONDS):
        return await upstream.json(Outgoing("GET", url[len(origin) :] or "/", {}, b""), "the issuer")


def _public(document: Any) -> Mapping[str | None, Any]:
    """The keys of a set, by their ids; what is of another kind is left out. Raises ValueError."""
    try:
        keys = {key.key_id: key for key in jwt.PyJWKSet.from_dict(document).keys}
    except (jwt.PyJWTError, AttributeError, TypeError) as error:
        raise ValueError("no key set") from error
    return {id: key for id, key in keys.items() if key.key_type in ("RSA", "EC", "OKP")}


def _id(said: Any) -> str:
    if not isinstance(said, str) or not 0 < len(said) <= LONGEST_ID or not said.isprintable():
        raise ValueError("no id")
    return said


def _models(said: Any) -> list[str]:
    models = said.split() if isinstance(said, str) else said
    if not isinstance(models, list) or not models or not all(isinstance(model, str) for model in models):
        raise ValueError("no models")
    return models
