"""What is in use: watched while tests come and go."""

import asyncio
import gc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from tests.upstream import Upstream


async def becomes(condition: Callable[[], bool], within: float = 2.0) -> None:
    """Waits until the condition holds."""
    for _ in range(int(within / 0.005)):
        if condition():
            return
        await asyncio.sleep(0.005)
    assert condition(), f"still not so after {within} seconds"


async def eventually(condition: Callable[[], Awaitable[bool]], within: float = 15.0) -> None:
    """Asks again and again, until it holds."""
    try:
        async with asyncio.timeout(within):
            while not await condition():  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"still not so after {within} seconds") from None


def descriptors() -> int:
    """Open file descriptors of this process."""
    return len(list(Path("/proc/self/fd").iterdir()))


def resident() -> int:
    """Bytes of memory that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


@asynccontextmanager
async def leaving_nothing(upstream: Upstream | None = None) -> AsyncIterator[None]:
    """What happens inside leaves no task, no descriptor and no upstream connection."""
    gc.collect()
    tasks, before = asyncio.all_tasks(), descriptors()
    yield
    await becomes(lambda: not asyncio.all_tasks() - tasks)
    await becomes(lambda: descriptors() <= before)
    assert upstream is None or upstream.open == 0
