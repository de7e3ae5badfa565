"""`dragoman usage`: what calls came to."""

import csv
import sys
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from dragoman.cli.holder import money
from dragoman.cli.showing import out, stop
from dragoman.cli.stored import AsJSON, ConfigFile, using, write_json
from dragoman.config import Config
from dragoman.keyring import Keyring
from dragoman.store import Store
from dragoman.wire.keys import GROUPS, UsageList, groups, past, usage_shown

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
"""What a spreadsheet would take for the beginning of a formula."""
COUNTED = ("calls", "failed", "prompt_tokens", "completion_tokens", "estimated")


def usage(
    by: Annotated[str, typer.Option(help="What is told apart, any of " + ", ".join(GROUPS) + ".")] = "key,model",
    since: Annotated[str, typer.Option(help="How long ago, or from which date or time on.")] = "7d",
    until: Annotated[str, typer.Option(help="Before which date or time; now by default.", show_default=False)] = "",
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV, for spreadsheets.")] = False,
    as_json: AsJSON = False,
    file: ConfigFile = None,
) -> None:
    """Sum up the calls: how many, how many failed, tokens and cost.

    [bold]Examples[/bold]

      dragoman usage
      dragoman usage --by model --since 30d
      dragoman usage --by key,day --since 2026-11-01 --until 2026-12-01 --csv > november.csv
    """
    apart = _read("--by", groups, by)
    begin, end = _read("--since", past, since), _read("--until", past, until) if until else None

    async def summed(config: Config, store: Store) -> tuple[UsageList, Mapping[str, str]]:
        rows = await store.usage(apart, begin, end)
        names = {key.id: key.name for key in await Keyring(store).keys()} if "key" in apart else {}
        return usage_shown(rows, apart, begin, end), names

    shown, names = using(file, summed)
    if as_json:
        write_json(shown)
        return
    rows: list[dict[str, Any]] = [dict(row) for row in shown["data"]]
    if as_csv:
        _write_csv(apart, rows, names)
    else:
        _show(apart, rows, names)


def _read(option: str, reading: Any, text: str) -> Any:
    try:
        return reading(text)
    except ValueError as error:
        stop(f"{option}: {error}")


def _show(by: Sequence[str], rows: Sequence[dict[str, Any]], names: Mapping[str, str]) -> None:
    heads = ("calls", "failed", "prompt tokens", "completion tokens", "cost")
    table = Table(*by, box=None, pad_edge=False)
    for head in heads:
        table.add_column(head, justify="right")
    for row in sorted(rows, key=lambda row: [str(row[name]) for name in by]):
        table.add_row(*(Text(names.get(row[name], row[name])) for name in by), *_sums(row))
    total = {name: sum(row[name] for row in rows) for name in (*COUNTED, "cost")}
    if by:
        table.add_section()
        table.add_row(*(Text("total" if name == by[0] else "") for name in by), *_sums(total), style="bold")
    elif not rows:
        table.add_row(*_sums(total))
    out.print(table)
    if total["estimated"]:
        out.print("\n* with estimates: the backend did not say how many tokens it were")


def _sums(row: Mapping[str, Any]) -> list[str]:
    mark = "*" if row["estimated"] else ""
    tokens = (f"{row['prompt_tokens']}{mark}", f"{row['completion_tokens']}{mark}")
    return [str(row["calls"]), str(row["failed"]), *tokens, f"{money(row['cost'])}{mark}"]


def _write_csv(by: Sequence[str], rows: Sequence[dict[str, Any]], names: Mapping[str, str]) -> None:
    named = [name for each in by for name in ((each, "name") if each == "key" else (each,))]
    written = csv.writer(sys.stdout)
    written.writerow((*named, *COUNTED, "cost", "seconds"))
    for row in rows:
        texts = {**row, "name": names.get(row.get("key", ""), row.get("key", ""))}
        numbers = [row[name] for name in COUNTED]
        written.writerow(
            (*(_harmless(str(texts[name])) for name in named), *numbers, money(row["cost"]), row["seconds"])
        )


def _harmless(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
