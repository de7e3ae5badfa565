"""How a backend is told who we are: one kind per file, or a few of a kind."""

from typing import Annotated

from pydantic import Field

from dragoman.logins.fixed import Basic, Bearer, Header, Query
from dragoman.logins.jwt import JWT
from dragoman.logins.oauth2 import OAuth2
from dragoman.logins.signature import HMAC
from dragoman.logins.sigv4 import SigV4

__all__ = ["LoginOptions"]

LoginOptions = Annotated[
    Bearer | Basic | Header | Query | OAuth2 | HMAC | JWT | SigV4,
    Field(discriminator="kind"),
]
