"""How the commands speak to whoever runs them."""

from typing import NoReturn

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dragoman.abilities import sensible
from dragoman.config import Config
from dragoman.ground import Backend
from dragoman.routing import Plan, planned

FOUND_WRONG = 1
CANNOT_RUN = 2

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def stop(message: str, status: int = CANNOT_RUN) -> NoReturn:
    """Ends the command with a message."""
    err.print(message, style="red", markup=False)
    raise typer.Exit(status)


def show_models(config: Config) -> None:
    """What each model resolves to."""
    table = Table("model", "backend", "kind", "answers from", "streams", box=None, pad_edge=False)
    plans = [planned(name, config.models, config.backends) for name in config.models]
    for plan in plans:
        for number, leaf in enumerate(plan.leaves):
            backend = config.backends[leaf.backend or ""]
            cells = (_policy(plan, number), leaf.backend or "", backend.kind, _origin(backend), _streams(backend))
            table.add_row(*(Text(cell) for cell in cells))
    out.print(table)
    for plan in plans:
        for name, told in {leaf.backend: _supplied(leaf, config) for leaf in plan.leaves}.items():
            out.print(Text(f"{plan.model}{f' by {name}' if len(list(plan.leaves)) > 1 else ''}: {told}"))


def _policy(plan: Plan, number: int) -> str:
    """A model's name on its first line, with the policy where there is a choice."""
    several = plan
    while several.asks is not None:
        several = several.members[0]
    if number:
        return ""
    return f"{plan.model} ({several.route.policy})" if len(several.members) > 1 else plan.model


def _origin(backend: Backend) -> str:
    target = getattr(backend, "target", None)
    if target is not None:
        return f"{getattr(target, '__module__', '?')}:{getattr(target, '__qualname__', target)}"
    return str(getattr(backend, "url", None) or getattr(backend, "files", "this process, /demo/chatting"))


def _supplied(leaf: Plan, config: Config) -> str:
    """What is done about what a backend lacks."""
    backend = config.backends[leaf.backend or ""]
    treatments = sensible(backend.under(leaf.supplied).treatments(backend.native))
    done = {"emulates": "emulate", "refuses": "reject", "ignores": "ignore"}
    told = {verb: [name for name in treatments if treatments[name] == how] for verb, how in done.items()}
    return (
        "; ".join(f"{verb} {', '.join(names)}" for verb, names in told.items() if names) or "all is the backend's own"
    )


def _streams(backend: Backend) -> str:
    if "chat" not in backend.native:
        return "nothing"
    how = "native" if "stream" in backend.native else "emulated"
    return f"{how}, {backend.pace:g}/s" if backend.pace else how
