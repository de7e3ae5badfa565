"""A request to the outside before it is sent, and what a login may do to it."""

from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Annotated, Protocol, Self
from urllib.parse import quote, unquote_plus

from pydantic import BaseModel, ConfigDict, Field, model_validator

from dragoman.reach import HeaderName, HeaderText


@dataclass(frozen=True, slots=True)
class Outgoing:
    """One request to the outside, ready but for who we are."""

    method: str
    target: str
    """Path and query as they stand in the request line, percent-encoded."""
    headers: dict[str, str]
    """Sent beside the fixed ones, by their names as written."""
    body: bytes
    host: str = ""
    """The Host header."""

    def with_headers(self, headers: Mapping[str, str]) -> "Outgoing":
        """The same request with these headers in the place of its own of the same names."""
        if not headers:
            return self
        taken = {name.lower() for name in headers}
        kept = {name: value for name, value in self.headers.items() if name.lower() not in taken}
        return replace(self, headers={**kept, **headers})

    def with_query(self, query: Mapping[str, str]) -> "Outgoing":
        """The same request with these parameters in the place of its own of the same names."""
        if not query:
            return self
        path, _, own = self.target.partition("?")
        kept = [part for part in own.split("&") if part and unquote_plus(part.partition("=")[0]) not in query]
        given = [f"{quote(name, safe='')}={quote(value, safe='')}" for name, value in query.items()]
        return replace(self, target=f"{path}?{'&'.join(kept + given)}")


class Login(Protocol):
    """How a backend is told who we are."""

    async def signed(self, asked: Outgoing) -> Outgoing:
        """The request with what proves who we are. Raises an UpstreamFailure, or GatewayError if a template fails."""

    def refused(self) -> bool:
        """The upstream answered 401: forgets what was refused; whether asking once more could help."""


class LoginOptions(Protocol):
    """What the options of every kind of login fulfil."""

    def opened(self) -> AbstractAsyncContextManager[Login]:
        """The login while a backend is open."""


class Place(BaseModel):
    """Where a request carries a token: in a header or in the query."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    header: HeaderName = "Authorization"
    prefix: HeaderText | None = None
    """What stands before the token; without it, `Bearer ` in the header `Authorization`, and nothing in others."""
    query: Annotated[str, Field(min_length=1)] | None = None
    """The parameter of the query that carries the token instead."""

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        if self.query and self.model_fields_set & {"header", "prefix"}:
            raise ValueError("a token stands either in a `header` or in the `query`")
        return self

    def filled(self, asked: Outgoing, token: str) -> Outgoing:
        """The request with the token."""
        if self.query:
            return asked.with_query({self.query: token})
        usual = "Bearer " if self.header.lower() == "authorization" else ""
        return asked.with_headers({self.header: f"{usual if self.prefix is None else self.prefix}{token}"})
