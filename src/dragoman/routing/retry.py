"""A call is made again when nobody can have taken it, and never once its answer has begun."""

import asyncio
from random import random
from time import monotonic

from dragoman.call import Begun, Call, Handler, Settled, begun
from dragoman.errors import (
    NoBackendAvailable,
    Unreachable,
    UpstreamConnectTimeout,
    UpstreamDNSError,
    UpstreamFailure,
    UpstreamRateLimited,
    UpstreamTLSError,
    UpstreamUnavailable,
    waited,
)
from dragoman.logs import log
from dragoman.patience import NEVER
from dragoman.routing.budget import Budget
from dragoman.routing.options import Retry

FIRST_PAUSE = 0.05
LONGEST_WAIT = 2.0
UNTAKEN = (Unreachable, NoBackendAvailable)


def retried(handler: Handler, options: Retry, window: float) -> Handler:
    """Makes a failed call again, within a budget; what could not be reached, within `window` seconds."""
    if not options.attempts:
        return handler
    road = _Retried(handler, options, window)
    return lambda call: Settled(road.found, call)


class _Retried:
    def __init__(self, handler: Handler, options: Retry, window: float) -> None:
        self._handler, self._options, self._window = handler, options, window
        self._budget = Budget()

    async def found(self, call: Call) -> Begun:
        """The first answer that has begun. Raises UpstreamFailure."""
        self._budget.count()
        left, attempt = self._window, 0
        while True:
            began = monotonic()
            once = call.apart(began + left if attempt else NEVER)
            try:
                return await begun(self._handler(once))
            except UpstreamFailure as failure:
                await once.open.aclose()
                pause = self._pause(failure, attempt)
                if pause is None:
                    raise
                if isinstance(failure, UNTAKEN):
                    left -= monotonic() - began + pause
                if attempt >= self._options.attempts or left <= 0 or not self._budget.spend():
                    failure.headers["x-should-retry"] = "false"
                    raise
                log.info("retried", request_id=call.id, backend=failure.backend, code=failure.code, pause=pause)
            attempt += 1
            await asyncio.sleep(pause)

    def _pause(self, failure: UpstreamFailure, attempt: int) -> float | None:
        """Seconds to wait before the call is made again; None if that would not be right."""
        if not failure.asked:
            return None
        if isinstance(failure, UpstreamRateLimited | UpstreamUnavailable) and "retry-after" in failure.headers:
            return waited(failure) if waited(failure) <= LONGEST_WAIT else None
        untaken = isinstance(failure, UNTAKEN)
        hopeless = isinstance(failure, UpstreamTLSError | UpstreamDNSError | UpstreamConnectTimeout)
        if (untaken and not hopeless) or failure.code in self._options.on:
            return float(FIRST_PAUSE * 2**attempt * (0.5 + random()))  # noqa: S311
        return None
