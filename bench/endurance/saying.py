"""Functions that answer as backends of `kind: python`."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

from bench.endurance.words import FINISH, text, words

from dragoman import Chunk


async def streaming(messages: list[Any]) -> AsyncIterator[str | Chunk]:
    """Word by word."""
    await asyncio.sleep(random.uniform(0, 0.01))
    for word in words(messages[-1]["content"]):
        yield word
        await asyncio.sleep(random.uniform(0, 0.002))
    yield Chunk(finish=FINISH)


async def telling(messages: list[Any]) -> dict[str, str]:
    """All at once."""
    await asyncio.sleep(random.uniform(0, 0.02))
    return {"role": "assistant", "content": text(messages[-1]["content"]), "finish_reason": FINISH}


async def failing(messages: list[Any]) -> dict[str, str]:
    """All at once, or not at all."""
    if random.random() < 0.3:
        raise ConnectionRefusedError
    return await telling(messages)
