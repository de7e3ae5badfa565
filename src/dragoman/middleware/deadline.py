"""A caller may want its answer sooner than the backends' time is over."""

import asyncio
from collections.abc import AsyncIterator
from time import monotonic

from dragoman.call import Call, Chunk, Handler
from dragoman.errors import DeadlineExceeded, InvalidRequest
from dragoman.patience import NEVER, Patience
from dragoman.units import seconds

HEADER = "x-dragoman-timeout"


def hurried(next: Handler) -> Handler:
    """Ends calls whose `x-dragoman-timeout` is over. Raises InvalidRequest, DeadlineExceeded."""

    def handle(call: Call) -> AsyncIterator[Chunk]:
        given = call.header(HEADER)
        return _in_time(next, call, _given(given)) if given else next(call)

    return handle


def _given(text: str) -> float:
    try:
        return seconds(text)
    except ValueError as error:
        raise InvalidRequest(f"The header {HEADER} cannot be used: {error}.", code="invalid_timeout") from None


async def _in_time(next: Handler, call: Call, seconds: float) -> AsyncIterator[Chunk]:
    clock = Patience(asyncio.get_running_loop(), seconds)
    call.open.callback(clock.close)
    chunks = next(call.by(monotonic() + seconds))
    try:
        while True:
            yield await clock.wait(anext(chunks), NEVER)
    except StopAsyncIteration:
        return
    except TimeoutError:
        if not clock.over:
            raise
        raise DeadlineExceeded() from None
