"""Keeps secrets out of what is written: each becomes an environment variable with a telling name."""

import re
from base64 import b64decode
from binascii import Error
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from dragoman.adapt.asked import Asked, plain, variable, variables_in
from dragoman.adapt.guessed import Guessed
from dragoman.adapt.texts import name_of, words_of
from dragoman.adapt.vocabulary import PLAIN, SECRET, words

LEAST = 6
"""Characters of a secret that is searched for in everything that is written."""
IN_BODY = words(
    "api_key apikey access_token secret client_secret password auth_token secret_key app_key appkey app_secret token "
    "auth_key private_key license_key access_key api_token api_secret bearer_token authorization"
)

_KNOWN = re.compile(
    r"(?:sk|pk|rk|gsk|hf|r8|xai|pplx|nvapi|ghp|gho|xox[abp]|pat|fw|key|tok|shpat|glpat|dop_v1)[-_]\S{8,}"
)
_SHAPES = re.compile(r"eyJ[\w-]+\.[\w.-]+|AIza[\w-]{20,}|AKIA[A-Z0-9]{12,}|ya29\.\S+")
_A_WORD = re.compile(r"[A-Za-z_-]{,20}|<[^<>]*>|\{[^{}]*\}")
"""What is no secret, but a word that stands in its place."""
_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22}", re.IGNORECASE)


@dataclass
class Secrets:
    """The secrets that were found, and the variables that stand for them."""

    host: str
    """The backend's name."""
    names: dict[str, str] = field(default_factory=dict)
    """Variables by the value that they stand for."""
    about: dict[str, str] = field(default_factory=dict)
    """What each variable is, in our own words."""

    def hidden(self, value: str, name: str, about: str) -> str:
        """The value with a variable in its place. One that is made of variables stays."""
        if found := variables_in(value):
            self.about.update({variable: about for variable in found if variable not in self.about})
            return value
        if value not in self.names:
            self.names[value] = self._free(name)
        self.about.setdefault(self.names[value], about)
        return variable(self.names[value])

    def _free(self, name: str) -> str:
        base = f"{self.host.upper()}_{_suffix(name, self.host)}".strip("_")
        base = re.sub(r"\W+|^(?=\d)", "_", base, flags=re.ASCII)
        names = [base, *(f"{base}_{number}" for number in range(2, len(self.names) + 2))]
        return next(name for name in names if name not in self.names.values())

    def without(self, value: Any, instead: str | None = None) -> Any:
        """Texts, alone or in JSON, without any secret: variables instead, or another word."""
        if isinstance(value, Guessed):
            return replace(value, value=self.without(value.value, instead))
        if isinstance(value, dict):
            return {key: self.without(inner, instead) for key, inner in value.items()}
        if isinstance(value, list):
            return [self.without(inner, instead) for inner in value]
        for secret, name in sorted(self.names.items(), key=lambda pair: -len(pair[0])):
            if isinstance(value, str) and len(secret) >= LEAST and not _A_WORD.fullmatch(secret):
                value = value.replace(secret, f"${{{name}}}" if instead is None else instead)
        return value


def _suffix(name: str, host: str) -> str:
    """`API_KEY` for `X-Goog-Api-Key`, `CSRF_TOKEN` for `x-csrf-token`."""
    words = [word for word in words_of(name) if word not in ("x", *words_of(host), host)]
    joined = "_".join(words).upper()
    return "API_KEY" if joined.endswith("API_KEY") or joined in ("KEY", "APIKEY", "") else joined


def is_secret(name: str, value: str) -> bool:
    """Whether a header's or a parameter's value is one, by its name or by its looks."""
    parts = words_of(name)
    if SECRET.intersection(parts) and not PLAIN.intersection(parts):
        return True
    return looks_secret(value)


def looks_secret(value: str) -> bool:
    """Whether a text is as random as only keys are: its kinds of signs change all the time."""
    if _KNOWN.fullmatch(value) or _SHAPES.fullmatch(value):
        return True
    if len(value) < 24 or _UUID.fullmatch(value) or not re.fullmatch(r"[\w.~+/=-]+", value, re.ASCII):
        return False
    kinds = [(sign.isdigit(), sign.isupper()) for sign in value if sign.isalnum()]
    return sum(one != other for one, other in pairwise(kinds)) > 0.3 * len(value)


@dataclass(frozen=True, slots=True)
class LoggedIn:
    """A request whose secrets are variables, and how it logs in."""

    auth: dict[str, Any] | None
    headers: dict[str, str]
    query: tuple[tuple[str, str], ...]


def logged_in(asked: Asked, secrets: Secrets) -> LoggedIn:
    """How a request logs in, and what is left of its headers and its query."""
    headers, auth = dict(asked.headers), _given(asked, secrets)
    for name in asked.headers:
        if name.lower() == "authorization":
            auth = auth or _authorization(headers.pop(name), secrets)
    for name, value in list(headers.items()):
        if name.lower() == "cookie":
            headers[name] = secrets.hidden(value, "cookie", "the Cookie header")
        elif is_secret(name, value) and name_of(name) not in ("idempotency_key", "x_idempotency_key"):
            headers[name] = secrets.hidden(value, name, f"the header {name}")
            if auth is None:
                auth = {"kind": "header", "name": name, "value": plain(headers.pop(name))}
    query = []
    for name, value in asked.query:
        if not is_secret(name, value):
            query.append((name, value))
            continue
        hidden = secrets.hidden(value, name, "a parameter of the URL")
        if auth is None:
            auth = {"kind": "query", "name": name, "value": plain(hidden)}
        else:
            query.append((name, hidden))
    return LoggedIn(auth, headers, tuple(query))


def _given(asked: Asked, secrets: Secrets) -> dict[str, Any] | None:
    if asked.auth and asked.auth.get("kind") == "sigv4":
        access = secrets.hidden(asked.auth["access_key"], "access_key_id", "the access key's id")
        secret = secrets.hidden(asked.auth["secret_key"], "secret_access_key", "the secret access key")
        return {**asked.auth, "access_key": plain(access), "secret_key": plain(secret)}
    return asked.auth or (_basic(*asked.user, secrets) if asked.user else None)


def _basic(user: str, password: str, secrets: Secrets) -> dict[str, Any]:
    if not password:
        hidden = secrets.hidden(user, "api key", "the user's name, a key")
        return {"kind": "basic", "user": plain(hidden), "password": ""}
    shown = secrets.hidden(user, "user", "the user's name") if looks_secret(user) else user
    hidden = secrets.hidden(password, "password", "the password")
    return {"kind": "basic", "user": plain(shown), "password": plain(hidden)}


def _authorization(value: str, secrets: Secrets) -> dict[str, Any]:
    """How an Authorization header logs in."""
    scheme, space, credentials = value.strip().partition(" ")
    credentials = credentials.strip()
    if not space:
        hidden = secrets.hidden(scheme, "api key", "the Authorization header")
        return {"kind": "header", "name": "Authorization", "value": plain(hidden)}
    if scheme.lower() == "bearer":
        return {"kind": "bearer", "token": plain(secrets.hidden(credentials, "api key", "the bearer token"))}
    if scheme.lower() == "basic" and (pair := _decoded(credentials)):
        return _basic(*pair, secrets)
    hidden = secrets.hidden(credentials, "api key", f"the Authorization header, behind {scheme}")
    return {"kind": "header", "name": "Authorization", "value": f"{plain(scheme)} {plain(hidden)}"}


def _decoded(credentials: str) -> tuple[str, str] | None:
    try:
        user, colon, password = b64decode(credentials, validate=True).decode().partition(":")
    except (Error, ValueError):
        return None
    return (user, password) if colon else None
