"""Runs every experiment and says what came of it; fails if anything happened that must not.

.venv/bin/python -m bench.endurance [--streams 10000] [--cancels 100000] [--seconds 20]
"""

import argparse
import logging
import sys
from collections.abc import AsyncIterator

import uvloop
from bench.endurance.cancels import cancelled_calls
from bench.endurance.outages import OUTAGES, POLICIES, TROUBLES, partial_outage, total_outage
from bench.endurance.streams import cut_streams, dying_upstreams
from bench.endurance.told import HEAD, Told

SHOWN = 5


async def experiments(streams: int, cancels: int, seconds: float) -> AsyncIterator[Told]:
    """What came of each experiment; those with a count of nothing are left out."""
    if streams:
        yield await cut_streams(streams)
        yield await dying_upstreams(max(1, streams // 4))
    if cancels:
        yield await cancelled_calls(cancels)
    if seconds:
        for outage in OUTAGES:
            for policy in POLICIES:
                yield await total_outage(outage, policy, seconds)
        for trouble in TROUBLES:
            for policy in ("fallback", "balance"):
                yield await partial_outage(trouble, policy, max(2.0, seconds))


async def run(streams: int, cancels: int, seconds: float) -> int:
    """Prints a table while it grows; how often something happened that must not."""
    violations = []
    print(HEAD, flush=True)
    async for told in experiments(streams, cancels, seconds):
        print(told.row, flush=True)
        violations += told.violations
    for violation in violations[:SHOWN]:
        print(violation, file=sys.stderr)
    return len(violations)


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench.endurance")
    parser.add_argument("--streams", type=int, default=10_000)
    parser.add_argument("--cancels", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=20.0, help="for each outage")
    arguments = parser.parse_args()
    for name in ("dragoman", "uvicorn.error"):
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    sys.exit(1 if uvloop.run(run(arguments.streams, arguments.cancels, arguments.seconds)) else 0)


if __name__ == "__main__":
    main()
