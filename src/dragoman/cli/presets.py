"""`dragoman presets`: the chat APIs that are known by name."""

import sys
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from dragoman.cli.showing import out, stop
from dragoman.preset import Parameter, names, preset, source

presets = typer.Typer(name="presets", help="Known chat APIs, to be used by `preset: NAME`.", rich_markup_mode="rich")


@presets.callback(invoke_without_command=True)
def listed(context: typer.Context) -> None:
    """List the known chat APIs, and what each takes.

    [bold]Examples[/bold]

      dragoman presets
      dragoman presets show ollama
    """
    if context.invoked_subcommand is not None:
        return
    table = Table("preset", "is", "takes", box=None, pad_edge=False)
    for name in names():
        known = preset(name)
        takes = ", ".join(_shown(key, parameter) for key, parameter in known.takes.items())
        table.add_row(Text(name, style="bold"), Text(known.about), Text(takes))
    out.print(table)


def _shown(name: str, parameter: Parameter) -> str:
    return name if parameter.default is None and not parameter.optional else f"[{name}]"


@presets.command("show")
def show(name: Annotated[str, typer.Argument(help="The preset's name.")]) -> None:
    """Print a preset, to be copied and changed.

    [bold]Example[/bold]

      dragoman presets show ollama
    """
    try:
        sys.stdout.write(source(name))
    except KeyError:
        stop(f"there is no preset {name!r}; there are {', '.join(names())}")
