"""The command line."""

import asyncio
import os
import sys
from collections.abc import Callable
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import orjson
import typer

from dragoman.cli.adapt import adapt
from dragoman.cli.keys import keys
from dragoman.cli.presets import presets
from dragoman.cli.showing import CANNOT_RUN, FOUND_WRONG, err, out, show_models, stop
from dragoman.cli.trying import show_trial
from dragoman.cli.usage import usage
from dragoman.config import DEFAULT_FILE, Config, Handed, schema, served
from dragoman.errors import ConfigError, StoreDown
from dragoman.logs import written
from dragoman.server import bound, serve
from dragoman.store import opened
from dragoman.trying import Kind
from dragoman.version import __version__

LEVELS = ("debug", "info", "warning", "error")

cli = typer.Typer(
    name="dragoman",
    help="OpenAI's API in front of any chat API.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)
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
    watch: Annotated[bool, typer.Option("--watch", help="Read the configuration again when its file changes.")] = False,
    log_level: Annotated[str, typer.Option(help="debug shows raw requests. One of: " + ", ".join(LEVELS))] = "info",
    anybody: Annotated[
        bool, typer.Option("--open", help="Listen to other machines although there are no keys.")
    ] = False,
    record: Annotated[
        Path | None, typer.Option(help="A folder for what backends are asked and answer.", show_default=False)
    ] = None,
) -> None:
    """Serve a configuration, or the built-in demo.

    [bold]Examples[/bold]

      dragoman serve                          dragoman.yaml in this folder, else the demo
      dragoman serve my.yaml --port 9000
      dragoman serve my.yaml --host 0.0.0.0 --workers 4
      dragoman serve --host 0.0.0.0 --open    without keys, for whoever reaches it
      dragoman serve my.yaml --watch
      dragoman serve my.yaml --log-level debug
      dragoman serve my.yaml --record recorded
    """
    if log_level not in LEVELS:
        stop(f"--log-level: there is no level {log_level!r}; use one of {', '.join(LEVELS)}")
    if watch and file is None and not Path(DEFAULT_FILE).exists():
        stop("--watch needs a file to look at")
    if workers > 1 and reload:
        stop("--reload works with one worker only")
    _find_modules_here()
    file = file or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None)
    config = _read(file, CANNOT_RUN, served)
    try:
        listening = bound(host, port)
    except OSError as error:
        stop(f"cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}; choose another with --port")
    closed = _closed(config)
    if not closed and not anybody and not ip_address(listening.getsockname()[0]).is_loopback:
        stop(_told_open(host, unknown=closed is None))
    written(log_level, config.log)
    _announce(config, host, listening.getsockname()[1], closed is not False)
    serve(config, listening, Handed(file, log_level, record, watch), workers, reload)


@cli.command("check")
def check_command(
    file: Annotated[Path, typer.Argument(help="The configuration, a YAML file.")],
    question: Annotated[
        str | None, typer.Option("--try", help="Ask this, and show the call step by step.", show_default=False)
    ] = None,
    model: Annotated[str | None, typer.Option(help="Which model to ask; the first by default.")] = None,
    stream: Annotated[bool, typer.Option("--stream", help="Ask for a stream.")] = False,
    kind: Annotated[
        Kind | None, typer.Option("--for", help="What to ask for; the first that the model can do by default.")
    ] = None,
) -> None:
    """Check a configuration, and show what each model resolves to.

    With --try one real call is made, and shown: what was sent, what came, and what each path found in it.
    Ends with 0 if all is well, with 1 if something is wrong, and with 2 if the file cannot be read.

    [bold]Examples[/bold]

      dragoman check my.yaml
      dragoman check my.yaml --try "Hello" --model corp-chat --stream
      dragoman check my.yaml --try "Hello" --for embeddings
    """
    _find_modules_here()
    if not file.is_file():
        stop(f"{file}: there is no such file")
    config = _read(file, FOUND_WRONG)
    show_models(config)
    if question is None:
        return
    chosen = model or next(iter(config.models))
    if chosen not in config.models:
        stop(f"--model: no model is named {chosen!r}; there are {', '.join(config.models)}")
    if not show_trial(config, chosen, question, stream, kind):
        raise typer.Exit(FOUND_WRONG)


@cli.command("schema")
def schema_command() -> None:
    """Print the JSON Schema of the configuration, for editors.

    [bold]Example[/bold]

      dragoman schema > dragoman.schema.json

    and as the first line of the YAML: # yaml-language-server: $schema=dragoman.schema.json
    """
    sys.stdout.write(orjson.dumps(schema(), option=orjson.OPT_INDENT_2).decode() + "\n")


cli.command("adapt")(adapt)
cli.add_typer(presets)
cli.add_typer(keys)
cli.command("usage")(usage)


def _find_modules_here() -> None:
    """Lets a configuration name modules in the current folder."""
    sys.path.insert(0, str(Path.cwd()))


def _read(file: Path | None, status: int, reading: Callable[[Path], Config] = Config.read) -> Config:
    try:
        return reading(file) if file else Config.demo()
    except ConfigError as error:
        stop(str(error), status)


def _closed(config: Config) -> bool | None:
    """Whether callers need a key; None if the store, which would know, cannot be used."""
    if config.keys or config.jwt:
        return True
    try:
        return bool(config.store and asyncio.run(_has_keys(config.store)))
    except StoreDown as error:
        err.print(f"the store cannot be used: {error}", style="yellow", markup=False)
        return None


async def _has_keys(url: str) -> bool:
    async with opened(url) as store:
        return bool((await store.changed(0))[1])


def _told_open(host: str, unknown: bool) -> str:
    why = "it is not known whether there are keys" if unknown else "there are no keys"
    return (
        f"{why}, so whoever reaches {host} could use this server. Make one with `dragoman keys create NAME`, "
        "listen on 127.0.0.1, or say --open"
    )


def _announce(config: Config, host: str, port: int, closed: bool) -> None:
    """Says where the server listens, what it serves, and how to call it."""
    reachable = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(  # noqa: S104
        host, f"[{host}]" if ":" in host else host
    )
    address = f"http://{reachable}:{port}"
    model = next(iter(config.models))
    question = {"model": model, "messages": [{"role": "user", "content": "Hello!"}]}
    body = orjson.dumps(question).decode().replace("'", "'\\''")
    out.print(f"[bold]dragoman {__version__}[/bold] listens on [bold]{address}[/bold]  (OpenAI base URL: {address}/v1)")
    show_models(config)
    out.print("\nTry it:\n")
    key = ' -H "Authorization: Bearer $KEY"' if closed else ""
    asking = f"curl {address}/v1/chat/completions{key} -H 'Content-Type: application/json' -d '{body}'"
    out.print(f"{asking}\n", markup=False)
