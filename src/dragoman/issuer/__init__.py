"""Somebody else who says who callers are: an issuer of signed tokens (OpenID Connect, RFC 7519)."""

from contextlib import AbstractAsyncContextManager
from importlib import import_module

from dragoman.access import Tokens
from dragoman.issuer.options import Issuer

__all__ = ["Issuer", "opened"]


def opened(options: Issuer) -> AbstractAsyncContextManager[Tokens]:
    """Verifies an issuer's tokens while it is open. Raises ConfigError if the library for it is not there."""
    # slow to import: only who wants it shall wait
    tokens: AbstractAsyncContextManager[Tokens] = import_module("dragoman.issuer.tokens").Verified(options)
    return tokens
