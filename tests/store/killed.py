"""Has processes write to a store, and kills them: `python -m tests.store.killed URL TIMES`. Prints what is written.

Each process first writes once more what the one before it was told nothing about.
"""

import asyncio
import json
import os
import random
import select
import signal
import sys
import time

from dragoman.store import Row, opened, usable
from tests.store.databases import NOON, row

MOST_SECONDS = 0.03
WAIT_SECONDS = 10.0
BATCH = 20


def _rows(child: int, batch: int) -> list[Row]:
    chosen = random.Random(f"{child}-{batch}")
    return [
        row(f"{child}-{batch}-{number}", NOON + chosen.randrange(200_000), key=f"k{chosen.randrange(3)}",
            cost=chosen.randrange(10**9), status=chosen.choice((200, 500)))
        for number in range(BATCH)
    ]  # fmt: skip


async def _write(url: str, child: int, untold: tuple[int, int] | None, told: int) -> None:
    async with opened(url) as store:
        if untold:
            await store.write(_rows(*untold))
            os.write(told, f"done {untold[0]} {untold[1]}\n".encode())
        for batch in range(10**6):
            os.write(told, f"begun {child} {batch}\n".encode())
            await store.write(_rows(child, batch))
            os.write(told, f"done {child} {batch}\n".encode())


def _killed(url: str, child: int, untold: tuple[int, int] | None) -> list[tuple[str, int, int]]:
    """What a process told before it was killed."""
    listening, telling = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(listening)
        asyncio.run(_write(url, child, untold, telling))
    os.close(telling)
    if child % 5:  # the others are killed as they open it, or wherever they are
        select.select([listening], [], [], WAIT_SECONDS)
    time.sleep(random.uniform(0, MOST_SECONDS))
    os.kill(process, signal.SIGKILL)
    _, status = os.waitpid(process, 0)
    assert os.WIFSIGNALED(status), "it ended by itself"
    with os.fdopen(listening) as lines:
        parts = [line.split() for line in lines]
    return [(what, int(child), int(batch)) for what, child, batch in parts]


def main(url: str, times: int) -> None:
    usable(url)  # which imports what each of them needs
    done: list[tuple[int, int]] = []
    untold: tuple[int, int] | None = None
    for child in range(times):
        for what, *which in _killed(url, child, untold):
            done += [(which[0], which[1])] if what == "done" else []
            untold = (which[0], which[1]) if what == "begun" else None
    print(json.dumps([each.id for batch in done for each in _rows(*batch)]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
