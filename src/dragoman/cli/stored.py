"""The store of a configuration, for as long as one command needs it."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import orjson
import typer

from dragoman.cli.showing import CANNOT_RUN, FOUND_WRONG, stop
from dragoman.config import DEFAULT_FILE, Config, served
from dragoman.errors import ConfigError, Failure, InvalidRequest, StoreDown
from dragoman.store import Store, opened

Found = TypeVar("Found")

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="The configuration whose store it is; dragoman.yaml by default.", show_default=False),
]
AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


def using(file: Path | None, work: Callable[[Config, Store], Awaitable[Found]]) -> Found:
    """What the work comes to; what keeps it from being done ends the command."""
    config = _read(file or Path(DEFAULT_FILE))
    if config.store is None:
        stop("the configuration switches the store off (`store: null`), so there are no keys or usage but its own")
    try:
        return asyncio.run(_used(config, config.store, work))
    except StoreDown as error:
        stop(f"the store cannot be used: {error}")
    except ConfigError as error:
        stop(str(error))
    except InvalidRequest as failure:
        stop(failure.message, CANNOT_RUN)
    except Failure as failure:
        stop(failure.message, FOUND_WRONG)


async def _used(config: Config, url: str, work: Callable[[Config, Store], Awaitable[Found]]) -> Found:
    async with opened(url) as store:
        return await work(config, store)


def _read(file: Path) -> Config:
    if not file.is_file():
        stop(f"{file}: there is no such file; name the configuration by --config FILE")
    sys.path.insert(0, str(Path.cwd()))  # modules that it names
    try:
        return served(file)
    except ConfigError as error:
        stop(str(error))


def write_json(told: object) -> None:
    """JSON on standard output."""
    sys.stdout.write(orjson.dumps(told, option=orjson.OPT_INDENT_2).decode() + "\n")
