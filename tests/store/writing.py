"""Writes 100 batches of 60 calls, of few keys and models in any order: `python -m tests.store.writing URL NUMBER`."""

import asyncio
import random
import sys

from dragoman.store import opened
from tests.store.databases import NOON, row


async def main(url: str, number: str) -> None:
    chosen = random.Random(number)
    async with opened(url) as store:
        for batch in range(100):
            rows = [
                row(f"{number}-{batch}-{place}", NOON + chosen.randrange(90_000), key=f"k{chosen.randrange(4)}",
                    model=f"m{chosen.randrange(4)}")
                for place in range(60)
            ]  # fmt: skip
            await store.write(rows)
    print("written")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2]))
