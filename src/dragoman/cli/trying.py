"""`dragoman check FILE --try TEXT`: a call shown step by step."""

from collections.abc import Mapping
from typing import Any

import orjson
from rich.markup import escape

from dragoman.cli.showing import FOUND_WRONG, out, stop
from dragoman.config import Config
from dragoman.errors import ConfigError, Failure
from dragoman.json import loaded
from dragoman.secret import hidden
from dragoman.tape.exchange import Exchange
from dragoman.trying import Finding, Kind, Trial, tried
from dragoman.vectors import plain

LINES = 24
WIDTH = 300


def show_trial(config: Config, model: str, question: str, stream: bool, kind: Kind | None) -> bool:
    """Makes the call and shows it; whether it was answered."""
    try:
        trial = tried(config, model, question, stream, kind)
    except ConfigError as error:
        stop(str(error), FOUND_WRONG)
    for number, exchange in enumerate(trial.exchanges, 1):
        _show_exchange(exchange, f" {number} of {len(trial.exchanges)}" if len(trial.exchanges) > 1 else "")
    if trial.findings:
        _head("Found")
        for finding in trial.findings:
            _show_finding(finding)
    _show_end(trial)
    return trial.failure is None


def _head(title: str) -> None:
    out.print(f"\n[bold]{title}[/bold]")


def _show_exchange(exchange: Exchange, which: str) -> None:
    asked, answer = exchange.request, exchange.answer
    _head(f"Sent{which}")
    out.print(f"[cyan]{asked.method}[/cyan] {escape(hidden(asked.target))}")
    _show_headers(asked.headers)
    sent = asked.body if isinstance(asked.body, list) else [asked.body]
    _show_body(b"\n".join(sent))
    _head(f"Came{which}")
    colour = "green" if answer.status < 400 else "red"
    pieces = f"{len(answer.pieces)} pieces" if len(answer.pieces) != 1 else "1 piece"
    out.print(f"[{colour}]{answer.status}[/{colour}]  {pieces}{'' if answer.whole else ', cut off'}")
    _show_headers(answer.headers)
    _show_body(b"".join(said for _, said in answer.pieces))


def _show_headers(headers: Mapping[str, str]) -> None:
    for name, value in headers.items():
        out.print(f"[dim]{escape(name)}: {escape(hidden(value))}[/dim]")


def _show_body(body: bytes) -> None:
    try:
        text = orjson.dumps(loaded(body), option=orjson.OPT_INDENT_2).decode()
    except ValueError:
        text = body.decode(errors="replace")
    lines = hidden(text).splitlines()
    for line in lines[:LINES]:
        out.print(escape(line[:WIDTH]) + ("[dim]…[/dim]" if len(line) > WIDTH else ""))
    if len(lines) > LINES:
        out.print(f"[dim]… and {len(lines) - LINES} lines more[/dim]")


def _show_finding(finding: Finding) -> None:
    head = f"{finding.place:<18} [cyan]{escape(finding.path)}[/cyan]"
    if finding.found:
        times = f" in {len(finding.found)} of {finding.of} events" if finding.of > 1 else ""
        out.print(f"[green]✓[/green] {head} [dim]found{times}[/dim] {escape(_short(finding.found[0]))}")
        return
    wrong = "[red]✗[/red]" if finding.near else "[dim]-[/dim]"
    out.print(f"{wrong} {head} [dim]found nothing[/dim]")
    for path, text in finding.near:
        out.print(f"    would have: [yellow]{escape(path)}[/yellow] {escape(_short(text))}")


def _short(value: Any) -> str:
    text = orjson.dumps(value).decode()
    return text if len(text) <= 80 else text[:79] + "…"


def _show_end(trial: Trial) -> None:
    if trial.said is not None:
        _show_said(trial.said)
        return
    if trial.completion is None:
        _show_failure(trial.failure or Failure())
        return
    choice = trial.completion["choices"][0]
    _head("Answered")
    out.print(escape(str(choice["message"]["content"])))
    for call in choice["message"].get("tool_calls") or ():
        out.print(escape(orjson.dumps(call).decode()))
    usage = trial.completion.get("usage")
    out.print(f"[dim]finish_reason {choice['finish_reason']}{f', usage {usage}' if usage else ''}[/dim]")


def _show_said(said: dict[str, Any]) -> None:
    """What was said of the text."""
    _head("Answered")
    if "embedding" in said:
        numbers = plain(said["embedding"])
        first = ", ".join(f"{number:g}" for number in numbers[:5])
        out.print(f"an embedding of {len(numbers)} dimensions: {first}{', …' if len(numbers) > 5 else ''}")
        return
    wrong = [name for name, there in said["categories"].items() if there]
    out.print(escape(f"flagged: {', '.join(wrong) or 'yes'}" if said["flagged"] else "not flagged"))


def _show_failure(failure: Failure) -> None:
    _head("Failed")
    out.print(f"[red]{failure.code}[/red] {escape(failure.message)}")
    if failure.detail:
        out.print(escape(hidden(failure.detail)))
