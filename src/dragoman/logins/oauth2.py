"""Logins that ask for a token first: OAuth 2.0 (RFC 6749), and what backends have of their own that is like it."""

import re
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any, Literal, Self
from urllib.parse import quote_plus, urlencode

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from dragoman.errors import (
    UpstreamAuthError,
    UpstreamBadResponse,
    UpstreamFailure,
    UpstreamLoginFailed,
    UpstreamRedirectRefused,
    UpstreamRejected,
    UpstreamTLSError,
    UpstreamTooLarge,
)
from dragoman.json import dumped, loaded
from dragoman.outgoing import Login, Outgoing, Place
from dragoman.paths import Path, found
from dragoman.reach import HTTPURL, TLS, HeaderName, Reach, Timeouts
from dragoman.secret import PerhapsHeaderSecret, PerhapsSecret, Secret, hidden, hide
from dragoman.tokens import Tokens
from dragoman.upstream import Upstream

LARGEST_ANSWER = 64 * 1024
LONGEST_TOKEN = 16 * 1024
UNTOLD_LIFETIME = 300.0
"""Seconds that a token is used for when nobody says how long it lives."""
LONGEST_LIFETIME = 24 * 3600.0
LOGGED = 500
TELLING = ("error", "error_description", "code", "message", "msg", "errcode", "errmsg")
LASTING = (
    *(UpstreamAuthError, UpstreamBadResponse, UpstreamRedirectRefused),
    *(UpstreamRejected, UpstreamTLSError, UpstreamTooLarge),
)
"""What will not be over when a caller tries again."""

TYPES = {"form": "application/x-www-form-urlencoded", "json": "application/json"}
UNIX_SECONDS, UNIX_MILLISECONDS = 1e9, 1e11
"""Numbers from which on an end is a moment, and not a time from now."""
PLAIN = re.compile(r"[\w.]+(?:\[\d+\][\w.]*)*", re.ASCII)

NonEmpty = Annotated[str, Field(min_length=1)]


class OAuth2(BaseModel):
    """`kind: oauth2`: a token that is fetched, used as long as it lives, and fetched again."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)

    kind: Literal["oauth2"]
    token_url: HTTPURL
    """Where tokens come from."""
    client_id: NonEmpty | None = None
    """Who we are there."""
    client_secret: Secret | None = None
    """What proves it."""
    refresh_token: Secret | None = None
    """If an answer brings another one, that takes its place until the process ends."""
    scope: NonEmpty | None = None
    """What the token is for."""
    grant: NonEmpty | None = None
    """Without it `refresh_token` if there is one, `client_credentials` if there is a `client_id`, otherwise none."""
    parameters: dict[NonEmpty, PerhapsSecret] = {}
    """What else the request says; for logins of a backend's own, all of it."""
    method: Literal["POST", "GET"] = "POST"
    """How the token is asked for."""
    headers: dict[HeaderName, PerhapsHeaderSecret] = {}
    """Sent with that request."""
    format: Literal["form", "json", "query"] = "form"
    """How it is sent."""
    credentials: Literal["body", "basic", "query"] = "body"
    """Where `client_id` and `client_secret` stand; `body`: with all the rest, as `format` has it."""
    token: Path = "access_token"  # noqa: S105
    """Where the token stands in the answer."""
    expires: Path = "expires_in"
    """A number of seconds from now, or a moment as Unix seconds or milliseconds; 300 seconds if it is not found."""
    place: Place = Place()
    """Where it stands in requests to the backend; by default it is a bearer token."""
    timeout: Timeouts = Timeouts(first=10.0, idle=10.0, total=20.0)
    """How long the token endpoint may take."""
    tls: TLS | None = None
    """How both sides prove who they are there."""

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if self.credentials == "basic" and not self.client_id:
            raise ValueError("`credentials: basic` needs `client_id`")
        if self.method == "GET" and self.format != "query":
            raise ValueError("`method: GET` needs `format: query`")
        return self

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[Login]:
        reach = Reach(timeout=self.timeout, tls=self.tls, max_answer=LARGEST_ANSWER)
        async with Upstream(self.token_url, reach) as endpoint:
            tokens = Tokens(_Asking(self, endpoint).token)
            try:
                yield _Bearing(tokens, self.place)
            finally:
                await tokens.close()


class _Bearing:
    """Puts the token that is in use into every request."""

    def __init__(self, tokens: Tokens, place: Place) -> None:
        self._tokens, self._place = tokens, place

    async def signed(self, asked: Outgoing) -> Outgoing:
        return self._place.filled(asked, await self._tokens.current())

    def refused(self) -> bool:
        return self._tokens.refused()


class _Asking:
    """Asks for a token, and reads the answer."""

    def __init__(self, options: OAuth2, endpoint: Upstream) -> None:
        self._options, self._endpoint = options, endpoint
        self._refresh_token = _plain(options.refresh_token)
        self._find, self._find_expires = found(options.token), found(options.expires)
        self._find_refresh_token = found(_beside(options.token))

    async def token(self) -> tuple[str, float]:
        """A token and its lifetime in seconds. Raises UpstreamLoginFailed."""
        try:
            return self._read(await self._answer())
        except UpstreamFailure as failure:
            detail = hidden(f"the token endpoint: {failure.code}: {failure.detail}")[:LOGGED]
            headers = {"x-should-retry": "false"} if isinstance(failure, LASTING) else {}
            raise UpstreamLoginFailed(detail=detail, headers=headers) from failure

    async def _answer(self) -> Any:
        async with AsyncExitStack() as open:
            body = await (await self._endpoint.send(open, self._request())).whole()
        try:
            return loaded(body)
        except ValueError as error:
            raise UpstreamBadResponse(detail=f"not JSON: {error}") from None

    def _read(self, answer: Any) -> tuple[str, float]:
        token, refresh_token = self._find(answer), self._find_refresh_token(answer)
        if not _is_token(token):
            raise UpstreamBadResponse(detail=f"`{self._options.token}` finds no token in {_shape(answer)}")
        if self._refresh_token and _is_token(refresh_token):
            hide(refresh_token, "refresh_token", instead_of=self._refresh_token)
            self._refresh_token = refresh_token
        return token, _lifetime(self._find_expires(answer))

    def _request(self) -> Outgoing:
        options = self._options
        fields, query, body = self._fields(), {}, b""
        headers = {name: _plain(value) for name, value in options.headers.items()}
        named = _given(client_id=options.client_id, client_secret=_plain(options.client_secret))
        if options.credentials == "basic":
            headers = {**_basic(named), **headers}
        elif options.credentials == "query":
            query = named
        else:
            fields = {**named, **fields}
        if options.format == "query":
            query |= fields
        else:
            body = dumped(fields) if options.format == "json" else urlencode(fields).encode()
            headers = {"Content-Type": TYPES[options.format], **headers}
        return Outgoing(options.method, self._endpoint.target, headers, body).with_query(query)

    def _fields(self) -> dict[str, str]:
        options = self._options
        usual = "refresh_token" if self._refresh_token else "client_credentials" if options.client_id else ""
        fields = _given(grant_type=options.grant or usual, refresh_token=self._refresh_token, scope=options.scope)
        return {**fields, **{name: _plain(value) for name, value in options.parameters.items()}}


def _plain(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret else ""


def _given(**fields: str | None) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value}


def _basic(named: dict[str, str]) -> dict[str, str]:
    """The client's name and secret, each encoded as in a form (RFC 6749, section 2.3.1)."""
    pair = f"{quote_plus(named['client_id'])}:{quote_plus(named.get('client_secret', ''))}"
    said = b64encode(pair.encode()).decode()
    hide(said, "client_secret", lasting=True)
    return {"Authorization": f"Basic {said}"}


def _beside(path: str) -> str:
    """Where a refresh token stands: beside the token if its path is plain."""
    inside, dot, _ = path.rpartition(".")
    return f"{inside}{dot}refresh_token" if PLAIN.fullmatch(path) else "refresh_token"


def _is_token(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_TOKEN and value.isascii() and value.isprintable()


def _lifetime(expires: Any) -> float:
    """Seconds from now, however the end is told."""
    try:
        number = UNTOLD_LIFETIME if isinstance(expires, bool) else float(expires)
    except (TypeError, ValueError, OverflowError):
        return UNTOLD_LIFETIME
    if number > UNIX_MILLISECONDS:
        number /= 1000
    if number > UNIX_SECONDS:
        number -= time.time()
    return max(1.0, min(number, LONGEST_LIFETIME)) if number > 0 else UNTOLD_LIFETIME


def _shape(answer: Any) -> str:
    """What an answer without a token has; of its values, only those that tell what is wrong."""
    if not isinstance(answer, dict):
        return f"a JSON {type(answer).__name__}"
    told = {key: str(answer[key])[:100] for key in TELLING if isinstance(answer.get(key), str | int)}
    return f"an object with {', '.join(list(answer)[:20]) or 'no keys'}; {told}"
