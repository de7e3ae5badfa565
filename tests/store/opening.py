"""Processes that all open a store at the same moment: `python -m tests.store.opening URL COUNT`."""

import asyncio
import os
import sys

from dragoman.store import opened


async def _open(url: str) -> None:
    async with opened(url) as store:
        await store.write([])
        assert await store.changed(0) == (0, [])
    os.write(1, b"opened\n")


def _begun(url: str, start: int) -> int:
    process = os.fork()
    if process == 0:
        os.read(start, 1)
        asyncio.run(_open(url))
        os._exit(0)
    return process


def main(url: str, count: int) -> None:
    start, all_are_there = os.pipe()
    processes = [_begun(url, start) for _ in range(count)]
    os.write(all_are_there, b"!" * count)
    for process in processes:
        os.waitpid(process, 0)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
