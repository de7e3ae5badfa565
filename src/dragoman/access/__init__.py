"""Who asks: a caller's headers to a Key."""

from collections.abc import Awaitable, Callable, Mapping
from math import ceil
from typing import Protocol

from dragoman.access.credentials import credential, digest
from dragoman.access.ring import Ring
from dragoman.call import ANYONE, Key
from dragoman.errors import KeysUnavailable, MemoryDown, TooManyRequests, Unauthorized
from dragoman.limits import Limits, Rate

__all__ = ["Access", "Ring", "Tokens", "Who"]

Who = Callable[[Mapping[bytes, bytes], str], Awaitable[Key]]
"""Who asks, by the headers and the address."""


class Tokens(Protocol):
    """Keys that somebody else gives, as signed tokens."""

    def known(self, digest: str) -> Key | None:
        """The key of a token that was verified before, and is valid now."""
        ...

    async def key(self, token: str) -> Key | None:
        """The key of a token, if it is valid. Raises KeysUnavailable."""
        ...


class Access:
    """Knows who asks.

    `rings` are looked into one after the other. `look` sees whether there are new keys. Failed attempts of one address
    are at most `attempts` a minute.
    """

    def __init__(
        self,
        rings: tuple[Ring, ...],
        tokens: Tokens | None,
        look: Callable[[], Awaitable[None]],
        limits: Limits,
        attempts: int,
    ) -> None:
        self._rings, self._tokens, self._look = rings, tokens, look
        self._limits, self._attempts = limits, attempts

    @property
    def open(self) -> bool:
        """Whether no key is needed, because there are none."""
        return self._tokens is None and not any(ring.used or not ring.complete for ring in self._rings)

    async def key(self, headers: Mapping[bytes, bytes], address: str) -> Key:
        """Whoever sends these headers. Raises Unauthorized, TooManyRequests, KeysUnavailable."""
        if self.open:
            return ANYONE
        given = credential(headers)
        known = None if given is None else self._known(digest(given))
        return known or await self._found(given, address)

    def _known(self, digest: str) -> Key | None:
        for ring in self._rings:
            if key := ring.key(digest):
                return key
        return self._tokens.known(digest) if self._tokens else None

    async def _found(self, given: bytes | None, address: str) -> Key:
        """Looks once more before it is refused; whatever is wrong with a key takes the same way and time."""
        if self._tokens and given and given.isascii() and (key := await self._tokens.key(given.decode())):
            return key
        await self._look()
        if self.open:
            return ANYONE  # now that all keys are known, there are none
        key = None if given is None else self._known(digest(given))
        if key is not None:
            return key
        if not all(ring.complete for ring in self._rings):
            raise KeysUnavailable()
        await self._count(address)
        raise Unauthorized()

    async def _count(self, address: str) -> None:
        """Counts an attempt that failed. Raises TooManyRequests."""
        try:
            taken = await self._limits.take([Rate(f"address\n{address}", self._attempts, 1)])
        except MemoryDown:
            return
        if taken.refused is not None:
            seconds = str(max(1, ceil(taken.wait)))
            raise TooManyRequests("Too many attempts without a valid API key.", headers={"retry-after": seconds})
