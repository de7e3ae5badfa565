"""The report: what was measured, as Markdown."""

import os
import platform
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from gateways import Gateway
from machine import cpu_model
from measuring import Figures, Visit
from work import WORKS, Work

MARKS = ("<!-- table -->", "<!-- /table -->")
REFERENCE = "nginx"
MEMORY_BUDGET, START_BUDGET = 80, 1


class Report:
    """What one run measured."""

    def __init__(self, visits: dict[str, list[Visit]], gateways: list[Gateway], rounds: int, calls: int) -> None:
        self._visits = visits
        self._gateways = [gateway for gateway in gateways if gateway.name in visits]
        self._rounds, self._calls = rounds, calls

    def text(self) -> str:
        """A line about the run, the table of costs, the table of latencies."""
        return "\n\n".join((self._about(), _table(self._costs()), _table(self._latencies()))) + "\n"

    def _about(self) -> str:
        versions = {gateway.title.split(",")[0]: gateway.version() for gateway in self._gateways}
        named = ", ".join(f"{name} {version}" for name, version in versions.items())
        calls = ", ".join(f"{work.calls(self._calls)} {work.name}" for work in WORKS)
        return (
            f"{datetime.now(UTC).date()}, {cpu_model()}, {os.cpu_count()} cores, Linux {platform.release()}: {named}. "
            f"Medians of {self._rounds} rounds of up to {calls} calls."
        )

    def _costs(self) -> Iterable[list[str]]:
        titles = [title for work in WORKS for title in (work.title, f"× {REFERENCE}")]
        yield ["CPU µs a call", *titles, "RSS, MB", "start, s"]
        for gateway in self._gateways:
            visits = self._visits[gateway.name]
            costs = [cell for work in WORKS for cell in self._cost(gateway.name, work)]
            memory, start = median(visit.memory for visit in visits), median(visit.start for visit in visits)
            yield [gateway.title, *costs, f"{memory:.0f}", f"{start:.2f}"]
        budgets = [cell for work in WORKS for cell in (f"{work.budget:,}", "")]
        yield ["*dragoman's budget*", *budgets, f"{MEMORY_BUDGET}", f"{START_BUDGET:.2f}"]

    def _cost(self, name: str, work: Work) -> tuple[str, str]:
        """The cost, and how many times the reference's it is."""
        cost = self._median(name, work, lambda figures: figures.cpu)
        if REFERENCE not in self._visits:
            return f"{cost:,.0f}", "–"
        return f"{cost:,.0f}", f"{cost / self._median(REFERENCE, work, lambda figures: figures.cpu):.1f}"

    def _latencies(self) -> Iterable[list[str]]:
        titles = [title for work in WORKS for title in (work.title, "CPU µs, low to high")]
        yield ["p50 / p99, ms", *titles]
        for gateway in self._gateways:
            yield [gateway.title, *(cell for work in WORKS for cell in self._latency(gateway.name, work))]

    def _latency(self, name: str, work: Work) -> tuple[str, str]:
        """The latencies, and how far the costs of the rounds lie apart."""
        half = self._median(name, work, lambda figures: figures.p50)
        most = self._median(name, work, lambda figures: figures.p99)
        costs = [visit.figures[work.name].cpu for visit in self._visits[name]]
        return f"{half:.1f} / {most:.1f}", f"{min(costs):,.0f} to {max(costs):,.0f}"

    def _median(self, name: str, work: Work, figure: Callable[[Figures], float]) -> float:
        return median(figure(visit.figures[work.name]) for visit in self._visits[name])


def _table(rows: Iterable[list[str]]) -> str:
    """A Markdown table, the first row its head, aligned for reading in a terminal too."""
    cells = list(rows)
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [_line(row, widths) for row in cells]
    rule = "|".join(["", "-" * (widths[0] + 2), *(f"{'-' * (width + 1)}:" for width in widths[1:]), ""])
    return "\n".join([lines[0], rule, *lines[1:]])


def _line(row: list[str], widths: list[int]) -> str:
    first, *others = zip(row, widths, strict=True)
    return "| " + " | ".join([first[0].ljust(first[1]), *(text.rjust(width) for text, width in others)]) + " |"


def write_into(page: Path, text: str) -> None:
    """Puts the text between the page's marks."""
    before, _, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
    _, _, after = rest.partition(MARKS[1])
    page.write_text(f"{before}{MARKS[0]}\n\n{text}\n{MARKS[1]}{after}", encoding="utf-8")
