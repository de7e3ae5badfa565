"""The benchmark's command line: visits every gateway in each round, and prints what they cost."""

import argparse
import signal
import sys
from pathlib import Path

from gateways import Gateway, known_gateways
from machine import cores, stay_on
from measuring import Failed, Tools, Visit, upstream_on, visited
from report import Report, write_into
from work import WORKS, write_bodies

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".bench"
PAGE = ROOT / "docs" / "performance.md"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="bench/run",
        description="Measures the CPU time that a call costs dragoman, and what it costs other gateways.",
        epilog="Example: bench/run --rounds 3 --only dragoman-openai,nginx",
    )
    parser.add_argument("--rounds", type=int, default=5, help="how often each gateway is started and measured (5)")
    parser.add_argument(
        "--only", metavar="NAMES", help="some of: dragoman-openai,dragoman-http,dragoman-plain,nginx,litellm"
    )
    parser.add_argument("--calls", type=int, default=4000, help="JSON calls a round; streams get fewer (4000)")
    parser.add_argument("--litellm", metavar="PATH", help="the litellm command of a virtual environment")
    parser.add_argument("--dragoman", metavar="PATH", help="the dragoman command (.venv/bin/dragoman)")
    parser.add_argument("--write", action="store_true", help=f"put the tables into {PAGE.relative_to(ROOT)}")
    return parser.parse_args()


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGHUP, lambda *_: sys.exit(129))
    if not sys.platform.startswith("linux"):
        print("The benchmark needs Linux: it reads CPU time and memory from /proc.", file=sys.stderr)
        return 2
    try:
        return measure(options())
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped; nothing is left running.", file=sys.stderr)
        return 130


def measure(chosen: argparse.Namespace) -> int:
    FOLDER.mkdir(exist_ok=True)
    gateways = wanted(chosen)
    write_bodies(FOLDER)
    where = cores()
    stay_on(where.load)
    with upstream_on(Path(__file__).parent, FOLDER) as tools:
        visits = in_rounds(gateways, chosen, tools, where.gateway)
    if not visits:
        raise Failed("Nothing was measured.")
    text = Report(visits, gateways, chosen.rounds, chosen.calls).text()
    print(text)
    if chosen.write:
        write_into(PAGE, text)
        print(f"Written into {PAGE.relative_to(ROOT)}.")
    return 0 if all(len(visits.get(gateway.name, ())) == chosen.rounds for gateway in gateways) else 1


def wanted(chosen: argparse.Namespace) -> list[Gateway]:
    """The gateways to measure; for one that is not installed a line says how to get it."""
    known = known_gateways(chosen.dragoman or str(ROOT / ".venv" / "bin" / "dragoman"), chosen.litellm)
    names = chosen.only.split(",") if chosen.only else [gateway.name for gateway in known]
    if strange := set(names) - {gateway.name for gateway in known}:
        raise Failed(f"--only: there is no {strange.pop()}; there are {', '.join(one.name for one in known)}")
    for gateway in known:
        if gateway.name in names and not gateway.program:
            print(f"Left out: {gateway.name} is not installed. {gateway.hint}", file=sys.stderr)
    return [gateway for gateway in known if gateway.name in names and gateway.program]


def in_rounds(
    gateways: list[Gateway], chosen: argparse.Namespace, tools: Tools, core: int | None
) -> dict[str, list[Visit]]:
    """The visits of each gateway; in turn, so that a slow minute of the machine meets all of them."""
    visits: dict[str, list[Visit]] = {}
    broken: set[str] = set()
    for number in range(1, chosen.rounds + 1):
        for gateway in gateways:
            if gateway.name in broken:
                continue
            try:
                visit = visited(gateway, tools, core, chosen.calls)
            except Failed as failure:
                print(f"Left out from here on: {gateway.name}: {failure}", file=sys.stderr)
                broken.add(gateway.name)
                continue
            visits.setdefault(gateway.name, []).append(visit)
            spent = ", ".join(f"{work.name} {visit.figures[work.name].cpu:.0f} µs" for work in WORKS)
            print(f"round {number} of {chosen.rounds}: {gateway.name}: {spent}", file=sys.stderr, flush=True)
    return visits
