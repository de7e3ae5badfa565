"""The command line: `dragoman serve` and `dragoman check`."""

import os
import sys
from pathlib import Path
from typing import Annotated, NoReturn

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from dragoman.config import DEFAULT_FILE, Config, hand_down
from dragoman.errors import ConfigError
from dragoman.ground import Backend
from dragoman.logs import written
from dragoman.server import bound, serve
from dragoman.version import __version__

FOUND_WRONG = 1
CANNOT_RUN = 2
LEVELS = ("debug", "info", "warning", "error")

cli = typer.Typer(
    name="dragoman",
    help="OpenAI's API in front of any chat API.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)

File = Annotated[Path | None, typer.Argument(help="The configuration, a YAML file.", show_default=False)]


def _version(wanted: bool) -> None:
    if wanted:
        out.print(__version__)
        raise typer.Exit()


@cli.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    """OpenAI's API in front of any chat API."""


@cli.command("serve")
def serve_command(
    file: File = None,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 for all.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="The port to listen on; 0 for any free one.", min=0, max=65535)] = 8000,
    workers: Annotated[int, typer.Option(help="How many processes share the port.", min=1, max=256)] = 1,
    reload: Annotated[bool, typer.Option("--reload", help="Start anew when a .py or .yaml file changes.")] = False,
    log_level: Annotated[str, typer.Option(help="debug shows raw requests. One of: " + ", ".join(LEVELS))] = "info",
) -> None:
    """Serve a configuration, or the built-in demo.

    [bold]Examples[/bold]

      dragoman serve                          dragoman.yaml in this folder, else the demo
      dragoman serve my.yaml --port 9000
      dragoman serve my.yaml --host 0.0.0.0 --workers 4
      dragoman serve my.yaml --log-level debug
    """
    if log_level not in LEVELS:
        _stop(f"--log-level: there is no level {log_level!r}; use one of {', '.join(LEVELS)}")
    if workers > 1 and reload:
        _stop("--reload works with one worker only")
    _find_modules_here()
    file = file or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None)
    config = _read(file, CANNOT_RUN)
    try:
        listening = bound(host, port)
    except OSError as error:
        _stop(f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}; choose another with --port")
    written(log_level)
    hand_down(file, log_level)
    _announce(config, host, listening.getsockname()[1])
    serve(config, listening, workers, reload)


@cli.command("check")
def check_command(file: Annotated[Path, typer.Argument(help="The configuration, a YAML file.")]) -> None:
    """Check a configuration, and show what each model resolves to.

    Ends with 0 if all is well, with 1 if something is wrong, and with 2 if the file cannot be read.

    [bold]Example[/bold]

      dragoman check my.yaml
    """
    _find_modules_here()
    if not file.is_file():
        _stop(f"{file}: there is no such file")
    _show(_read(file, FOUND_WRONG))


def _find_modules_here() -> None:
    """Lets a configuration name modules in the current folder."""
    sys.path.insert(0, str(Path.cwd()))


def _read(file: Path | None, status: int) -> Config:
    try:
        return Config.read(file) if file else Config.demo()
    except ConfigError as error:
        _stop(str(error), status)


def _stop(message: str, status: int = CANNOT_RUN) -> NoReturn:
    err.print(message, style="red", markup=False)
    raise typer.Exit(status)


def _announce(config: Config, host: str, port: int) -> None:
    """Says where the server listens, what it serves, and how to call it."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(  # noqa: S104
        host, f"[{host}]" if ":" in host else host
    )
    address = f"http://{reachable}:{port}"
    model = next(iter(config.models))
    question = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
    body = orjson.dumps(question).decode().replace("'", "'\\''")
    out.print(f"[bold]dragoman {__version__}[/bold] listens on [bold]{address}[/bold]  (OpenAI base URL: {address}/v1)")
    _show(config)
    out.print("\nTry it:\n")
    out.print(f"curl {address}/v1/chat/completions -H 'Content-Type: application/json' -d '{body}'\n", markup=False)


def _show(config: Config) -> None:
    table = Table("model", "backend", "kind", "answers from", "streams", box=None, pad_edge=False)
    for name, model in config.models.items():
        backend = config.backends[model.backend]
        cells = (name, model.backend, backend.kind, _origin(backend), _streams(backend))
        table.add_row(*(Text(cell) for cell in cells))
    out.print(table)


def _origin(backend: Backend) -> str:
    target = getattr(backend, "target", None)
    if target is not None:
        return f"{getattr(target, '__module__', '?')}:{getattr(target, '__qualname__', target)}"
    return str(getattr(backend, "url", "this process, /demo/chatting"))


def _streams(backend: Backend) -> str:
    how = "native" if "stream" in backend.native else "emulated"
    return f"{how}, {backend.pace:g}/s" if backend.pace else how
