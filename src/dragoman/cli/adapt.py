"""`dragoman adapt`: a curl or an OpenAPI operation, made into a configuration."""

import asyncio
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import typer

from dragoman.adapt.adaptation import Adapted, adapted, adapted_openapi
from dragoman.adapt.asked import CannotAdapt
from dragoman.adapt.calling import Sending, sample_request
from dragoman.cli.showing import FOUND_WRONG, err, stop
from dragoman.config import environment
from dragoman.errors import UpstreamFailure
from dragoman.outgoing import Outgoing
from dragoman.reach import origin_of
from dragoman.secret import hidden
from dragoman.upstream import Upstream

LARGEST = 10 * 1024 * 1024


def adapt(
    curl: Annotated[
        str | None,
        typer.Argument(help="A curl command in quotes, or a file with one; standard input without it.", metavar="CURL"),
    ] = None,
    sample: Annotated[
        Path | None, typer.Option(help="A file with the API's answer, or its stream.", show_default=False)
    ] = None,
    call: Annotated[bool, typer.Option("--call", help="Run the command once, and learn from its answer.")] = False,
    openapi: Annotated[
        Path | None, typer.Option(help="An OpenAPI 3 document, in JSON or YAML, instead of a curl.", show_default=False)
    ] = None,
    operation: Annotated[str, typer.Option(help="The operation's id in that document.", show_default=False)] = "",
    out: Annotated[
        Path | None,
        typer.Option(help="A folder for the YAML, with a recording and a test beside it.", show_default=False),
    ] = None,
) -> None:
    """Make a configuration out of a curl command, or of an operation of an OpenAPI document.

    What varies becomes templates, secrets become variables of the environment, and every guess is commented.

    [bold]Examples[/bold]

      pbpaste | dragoman adapt
      dragoman adapt ask.sh --sample answer.json --out acme
      dragoman adapt "curl https://api.acme.example/ask -d '{…}'" --call > acme.yaml
      dragoman adapt --openapi openapi.json --operation createChat
    """
    try:
        made = _made(curl, sample, call, openapi, operation)
    except CannotAdapt as error:
        stop(str(error), FOUND_WRONG)
    if out is None:
        sys.stdout.write(made.yaml)
        _say_next(made, f"{made.name}.yaml")
    else:
        _write(made, out)


def _made(curl: str | None, sample: Path | None, call: bool, openapi: Path | None, operation: str) -> Adapted:
    given = None if sample is None else _read(sample)
    if openapi is not None:
        if call:
            stop("--call runs a curl command; an OpenAPI document has none. Leave --call out, or give a curl")
        return adapted_openapi(_text(openapi), operation, given)
    command = _command(curl)
    if not call:
        return adapted(command, given)
    answered, type = asyncio.run(_called(sample_request(command, environment())))
    return adapted(command, answered, type)


def _command(curl: str | None) -> str:
    if curl is None or curl == "-":
        if sys.stdin.isatty():
            err.print("Paste the curl command, then press Ctrl-D:")
        return sys.stdin.read()
    return _text(Path(curl)) if "\n" not in curl and len(curl) < 1024 and Path(curl).is_file() else curl


def _text(file: Path) -> str:
    return _read(file).decode(errors="replace")


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as opened:
            data = opened.read(LARGEST + 1)
    except OSError as error:
        stop(f"{file}: cannot be read: {error.strerror}")
    if len(data) > LARGEST:
        stop(f"{file}: is larger than {LARGEST >> 20} MiB")
    return data


async def _called(sending: Sending) -> tuple[bytes, str]:
    """The API's answer and its type."""
    origin = origin_of(sending.url)
    asked = Outgoing(sending.method, sending.url[len(origin) :] or "/", sending.headers, sending.body)
    try:
        async with Upstream(origin) as upstream, AsyncExitStack() as once:
            answer = await upstream.send(once, asked, "*/*")
            return await answer.whole(), answer.type
    except UpstreamFailure as failure:
        stop(f"the call failed: {failure.message} {hidden(failure.detail)}", FOUND_WRONG)


def _write(made: Adapted, folder: Path) -> None:
    files = {f"{made.name}.yaml": made.yaml}
    if made.recording and made.test:
        files |= {f"recorded/{made.name}.yaml": made.recording, f"test_{made.name}.py": made.test}
    for file in (folder / name for name in files):
        if file.exists():
            stop(f"{file} exists already; remove it, or choose another folder")
    for name, text in files.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        err.print(f"wrote {file}", markup=False)
    _say_next(made, str(folder / f"{made.name}.yaml"))


def _say_next(made: Adapted, file: str) -> None:
    for name in made.variables:
        err.print(f"set {name} before you serve it", style="yellow", markup=False)
    err.print(f"then: dragoman check {file} --try Hello", markup=False)
