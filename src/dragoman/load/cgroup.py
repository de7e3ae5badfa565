"""The memory that the operating system grants, and how much of it is used (Linux control groups)."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

SECONDS = 1.0
UNLIMITED = 2**60
"""What the first version writes where there is no limit is about that."""


@dataclass(frozen=True)
class Memory:
    """A control group with a limit: the files that tell it, and what is used."""

    limit: int
    used: Path
    stat: Path

    def share(self) -> float:
        """The share of the limit that is used; what the page cache could give back at once is not."""
        spare = 0
        for line in self.stat.read_text().splitlines():
            name, _, value = line.partition(" ")
            if name in ("inactive_file", "total_inactive_file"):
                spare = int(value)
        return (int(self.used.read_text()) - spare) / self.limit


def granted(root: Path = Path("/")) -> Memory | None:
    """The closest control group of this process that limits its memory; None if there is none."""
    with suppress(OSError, ValueError):
        for line in (root / "proc/self/cgroup").read_text().splitlines():
            _, kinds, path = line.split(":", 2)
            if kinds == "":
                names, base = ("memory.max", "memory.current"), root / "sys/fs/cgroup"
            elif kinds == "memory":
                names, base = ("memory.limit_in_bytes", "memory.usage_in_bytes"), root / "sys/fs/cgroup/memory"
            else:
                continue
            if found := _closest(base, path, *names):
                return found
    return None


def _closest(base: Path, path: str, limit: str, used: str) -> Memory | None:
    steps = [part for part in path.split("/") if part not in ("", "..")]
    for end in range(len(steps), -1, -1):
        folder = base.joinpath(*steps[:end])
        with suppress(OSError, ValueError):
            most = int((folder / limit).read_text())
            if most < UNLIMITED:
                return Memory(most, folder / used, folder / "memory.stat")
    return None


async def watched(memory: Memory, tell: Callable[[float], None]) -> None:
    """Tells the used share every second, as long as it can be read."""
    while True:
        with suppress(OSError, ValueError):
            tell(memory.share())
        await asyncio.sleep(SECONDS)
