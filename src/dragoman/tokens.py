"""A token that many calls need: fetched once for all of them, and again before it ends."""

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from copy import copy
from dataclasses import dataclass

from dragoman.errors import UpstreamLoginFailed
from dragoman.secret import hide

RENEWED_BEFORE = 60.0
"""Seconds before a token's end, or a tenth of its life if that is less, from which on another one is fetched."""
FAILURE_HOLDS = 1.0
"""Seconds in which nothing is fetched after a failure, and no second token given up because it was refused."""

Fetch = Callable[[], Awaitable[tuple[str, float]]]
"""Gives a token and its lifetime in seconds. Raises UpstreamLoginFailed."""


@dataclass(frozen=True, slots=True, eq=False)
class _Token:
    value: str
    renewed_from: float
    """When another one is fetched while this one still serves; seconds of the event loop's clock."""
    ends: float


_used: ContextVar[_Token | None] = ContextVar("the token that this task was given last", default=None)


class Tokens:
    """The one token in use. Whoever needs it first makes it be fetched, and all others wait for the same."""

    def __init__(self, fetch: Fetch) -> None:
        self._fetch = fetch
        self._loop = asyncio.get_running_loop()
        self._token: _Token | None = None
        self._fetching: asyncio.Task[_Token | None] | None = None
        self._failure = UpstreamLoginFailed(detail="the backend is closed")
        self._failed_until = self._kept_until = 0.0
        self._hidden = ("", "")

    async def current(self) -> str:
        """The token. Raises UpstreamLoginFailed, also for a moment after a failure."""
        now, token = self._loop.time(), self._token
        if token is None or token.ends <= now:
            token = await self._fetched(now)
        elif token.renewed_from <= now and self._failed_until <= now:
            self._begun()
        _used.set(token)
        return token.value

    def refused(self) -> bool:
        """Gives up the token that this task was given last, once for all who got the same; whether there is another."""
        if self._token is None or self._token is not _used.get():
            return True
        now = self._loop.time()
        if now < self._kept_until:
            return False
        self._token, self._kept_until = None, now + FAILURE_HOLDS
        return True

    async def close(self) -> None:
        """Gives up what is being fetched."""
        if self._fetching:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])

    async def _fetched(self, now: float) -> _Token:
        if now < self._failed_until:
            raise copy(self._failure) from self._failure.__cause__
        fetching = self._begun()
        await asyncio.wait([fetching])  # which goes on when this caller leaves
        token = None if fetching.cancelled() else fetching.result()
        if token is None:
            raise copy(self._failure) from self._failure.__cause__
        return token

    def _begun(self) -> "asyncio.Task[_Token | None]":
        if self._fetching is None or self._fetching.done():
            self._fetching = self._loop.create_task(self._next())
        return self._fetching

    async def _next(self) -> _Token | None:
        now = self._loop.time()
        try:
            value, lifetime = await self._fetch()
        except UpstreamLoginFailed as failure:
            self._failure, self._failed_until = failure, self._loop.time() + FAILURE_HOLDS
            return None
        self._hide(value)
        ends = now + lifetime
        self._token = _Token(value, ends - min(RENEWED_BEFORE, lifetime / 10), ends)
        return self._token

    def _hide(self, value: str) -> None:
        """Hides a token. The one before may still be on its way, so that only its predecessor is forgotten."""
        former, last = self._hidden
        if value != last:
            hide(value, "access_token", instead_of=former)
            self._hidden = (last, value)
