"""Logins that say the same with every request: a bearer token, a name and a password, a header, a parameter."""

from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dragoman.outgoing import Login, Outgoing
from dragoman.reach import HeaderName
from dragoman.secret import HeaderSecret, Secret, hide


def _user(name: str) -> str:
    if ":" in name or not name.isprintable():
        raise ValueError("a user's name is printable, and without a colon (RFC 7617)")
    return name


class _Options(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)


class Bearer(_Options):
    """`kind: bearer`: a token in the header `Authorization`."""

    kind: Literal["bearer"]
    token: HeaderSecret
    """Sent in the header `Authorization`."""

    def opened(self) -> AbstractAsyncContextManager[Login]:
        return _saying({"Authorization": f"Bearer {self.token.get_secret_value()}"}, {})


class Basic(_Options):
    """`kind: basic`: HTTP's own names and passwords (RFC 7617), in UTF-8."""

    kind: Literal["basic"]
    user: Annotated[str, AfterValidator(_user)]
    """The name, without a colon."""
    password: Secret
    """The password."""

    def opened(self) -> AbstractAsyncContextManager[Login]:
        said = b64encode(f"{self.user}:{self.password.get_secret_value()}".encode()).decode()
        hide(said, "password", lasting=True)
        return _saying({"Authorization": f"Basic {said}"}, {})


class Header(_Options):
    """`kind: header`: a secret in a header of any name."""

    kind: Literal["header"]
    name: HeaderName
    """The header's name."""
    value: HeaderSecret
    """What it says."""

    def opened(self) -> AbstractAsyncContextManager[Login]:
        return _saying({self.name: self.value.get_secret_value()}, {})


class Query(_Options):
    """`kind: query`: a secret in a parameter of the query."""

    kind: Literal["query"]
    name: Annotated[str, Field(min_length=1)]
    """The parameter's name."""
    value: Secret
    """What it says."""

    def opened(self) -> AbstractAsyncContextManager[Login]:
        return _saying({}, {self.name: self.value.get_secret_value()})


@asynccontextmanager
async def _saying(headers: dict[str, str], query: dict[str, str]) -> AsyncIterator[Login]:
    yield _Same(headers, query)


class _Same:
    """Adds the same to every request."""

    def __init__(self, headers: dict[str, str], query: dict[str, str]) -> None:
        self._headers, self._query = headers, query

    async def signed(self, asked: Outgoing) -> Outgoing:
        return asked.with_headers(self._headers).with_query(self._query)

    def refused(self) -> bool:
        return False
