"""The machine: its cores, and what a family of processes costs it (proc(5))."""

import os
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
TICK = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cores:
    """Where the gateway runs and where the load and the upstream run; None for anywhere."""

    gateway: int | None
    load: int | None


def cores() -> Cores:
    """The first core is the gateway's alone, the second the load's and the upstream's."""
    usable = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_setaffinity") else []
    return Cores(usable[0], usable[1]) if len(usable) > 1 else Cores(None, None)


def stay_on(core: int | None) -> None:
    """Keeps this process, and what it starts from here on, on one core."""
    if core is not None:
        os.sched_setaffinity(0, {core})


def members(session: int) -> list[int]:
    """The processes of a session: the one that leads it, and all that came from it."""
    running = [int(entry.name) for entry in PROC.iterdir() if entry.name.isdigit()]
    return [process for process in running if _session_of(process) == session]


def _stat(process: int) -> list[str]:
    """The fields of /proc/PID/stat behind the name, which may hold spaces; none when the process is gone."""
    try:
        return (PROC / str(process) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _session_of(process: int) -> int | None:
    fields = _stat(process)
    return int(fields[3]) if fields and fields[0] != "Z" else None


def cpu_microseconds(session: int) -> float:
    """The CPU time, of user and system, that the session's processes have had."""
    return sum(_scheduled(process) or _ticked(process) for process in members(session))


def _scheduled(process: int) -> float:
    """By the scheduler's own clock, to the nanosecond; 0 where the kernel does not tell."""
    total = 0
    for thread in (PROC / str(process) / "task").glob("*/schedstat"):
        try:
            total += int(thread.read_text().split()[0])
        except OSError:
            continue
    return total / 1e3


def _ticked(process: int) -> float:
    """By the clock's ticks, usually 10 ms each."""
    fields = _stat(process)
    return (int(fields[11]) + int(fields[12])) / TICK * 1e6 if fields else 0.0


def memory_megabytes(session: int) -> float:
    """The proportional set size: what processes share is counted once."""
    return sum(_proportional_kilobytes(process) for process in members(session)) / 1024


def _proportional_kilobytes(process: int) -> int:
    try:
        lines = (PROC / str(process) / "smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)


def cpu_model() -> str:
    lines = (PROC / "cpuinfo").read_text().splitlines()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "unknown CPU")
