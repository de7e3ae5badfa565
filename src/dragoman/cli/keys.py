"""`dragoman keys`: who may use a server, and how much."""

import re
import sys
from typing import Annotated, Any

import typer
import yaml
from pydantic import TypeAdapter, ValidationError
from rich.table import Table
from rich.text import Text

from dragoman.access.credentials import digest, made
from dragoman.cli.holder import Holder, facts, holders, told
from dragoman.cli.showing import CANNOT_RUN, FOUND_WRONG, err, out, stop
from dragoman.cli.stored import AsJSON, ConfigFile, using, write_json
from dragoman.config import Config, KeyName
from dragoman.grants import Grant
from dragoman.keyring import Keyring, UnknownKey
from dragoman.store import Store, StoredKey
from dragoman.units import seconds
from dragoman.wire.keys import grant_shown, key_shown

Named = Annotated[str, typer.Argument(help="The key's name or id.", metavar="NAME")]

keys = typer.Typer(
    name="keys", help="Who may use a server, and how much.", rich_markup_mode="rich", no_args_is_help=True
)


@keys.command("create")
def create(
    name: Annotated[str, typer.Argument(help="Whose key it is.")],
    models: Annotated[
        list[str] | None,
        typer.Option(help="The models it may use: a,b or team-*; all by default.", show_default=False),
    ] = None,
    rpm: Annotated[str, typer.Option(help="Requests a minute.", show_default=False)] = "",
    tpm: Annotated[str, typer.Option(help="Tokens a minute: 90k.", show_default=False)] = "",
    concurrent: Annotated[str, typer.Option(help="Requests at once.", show_default=False)] = "",
    budget: Annotated[
        list[str] | None,
        typer.Option(help="20/month, 5/day, 100/total, 5M tokens/day; or several.", show_default=False),
    ] = None,
    expires: Annotated[str, typer.Option(help="When it ends: 2027-01-31 or 90d.", show_default=False)] = "",
    admin: Annotated[bool, typer.Option("--admin", help="It may manage keys and read the usage over HTTP.")] = False,
    file: ConfigFile = None,
    as_json: AsJSON = False,
    hash_only: Annotated[
        bool, typer.Option("--hash-only", help="Store nothing: print what belongs under `keys` in a configuration.")
    ] = False,
) -> None:
    """Make a key. It works at once in servers that run; what it is, is printed this once.

    [bold]Examples[/bold]

      dragoman keys create alice
      dragoman keys create team-blue --models "fast,team-*" --rpm 60 --tpm 90k --budget 20/month
      dragoman keys create guest --expires 7d --budget "100k tokens/day"
      dragoman keys create ops --admin --config my.yaml
      dragoman keys create ci --hash-only >> keys.yaml
    """
    options = {"rpm": rpm, "tpm": tpm, "concurrent": concurrent, "budget": budget, "expires": expires}
    asked = {name: value for name, value in options.items() if value}
    grant = _granted({**asked, **_listed(models), "admin": admin})
    if hash_only:
        _write_entry(name, grant)
        return
    key, secret, first = using(file, lambda config, store: _create(config, store, name, grant))
    if first:
        err.print("This is the first key: from now on, every call needs one.", style="yellow")
    _tell(key, secret, as_json, "is made")


def _listed(models: list[str] | None) -> dict[str, list[str]]:
    names = [name.strip() for given in models or [] for name in given.split(",")]
    return {"models": [name for name in names if name]} if models else {}


def _granted(options: dict[str, Any]) -> Grant:
    try:
        return Grant.model_validate(options)
    except ValidationError as invalid:
        wrong = invalid.errors(include_url=False)[0]
        stop(f"--{wrong['loc'][0]}: {wrong['msg'].removeprefix('Value error, ')}")


async def _create(config: Config, store: Store, name: str, grant: Grant) -> tuple[StoredKey, str, bool]:
    if name in config.keys:
        stop(f"a key named {name!r} stands in the configuration already", FOUND_WRONG)
    keyring = Keyring(store)
    first = not (config.keys or config.jwt or await keyring.keys())
    return *await keyring.create(name, grant), first


def _write_entry(name: str, grant: Grant) -> None:
    """What belongs under `keys` in a configuration on standard output, the key itself on standard error."""
    try:
        TypeAdapter(KeyName).validate_python(name)
    except ValidationError:
        stop("in a configuration, a key's name has letters, digits, '.', '_' and '-'")
    secret = made()
    options = {option: value for option, value in grant_shown(grant).items() if value}
    sys.stdout.write(yaml.safe_dump({name: {"hash": digest(secret), **options}}, sort_keys=False, allow_unicode=True))
    err.print(f"The key of {name!r}, which is kept nowhere:\n{secret}", markup=False)


def _tell(key: StoredKey, secret: str, as_json: bool, what: str) -> None:
    """The secret on standard output, all about it on standard error."""
    if as_json:
        write_json({**key_shown(key), "secret": secret})
        return
    err.print(f"The key {key.name!r} ({key.id}) {what}. This is the only time that it is shown:", markup=False)
    sys.stdout.write(secret + "\n")
    sys.stdout.flush()
    told = 'It is used like this:\ncurl http://127.0.0.1:8000/v1/models -H "Authorization: Bearer $KEY"'
    err.print(told, markup=False)


@keys.command("list")
def listed(
    file: ConfigFile = None,
    everything: Annotated[bool, typer.Option("--all", help="Show keys that were revoked, too.")] = False,
    as_json: AsJSON = False,
) -> None:
    """List the keys, those of the configuration and those of its store.

    [bold]Examples[/bold]

      dragoman keys list
      dragoman keys list --all --json
    """
    found = using(file, holders)
    shown = [each for each in found if everything or each.state != "revoked"]
    if as_json:
        write_json({"object": "list", "data": [each.json for each in shown]})
        return
    table = Table("name", "id", "from", "state", "hint", "models", "may", "expires", box=None, pad_edge=False)
    for each in shown:
        table.add_row(*(Text(cell) for cell in each.cells))
    out.print(table)
    if revoked := len(found) - len(shown):
        out.print(f"\nand {revoked} revoked; --all shows them")


@keys.command("show")
def show(name: Named, file: ConfigFile = None, as_json: AsJSON = False) -> None:
    """Show a key: what it may, what it used this month, and what is left of its budgets.

    [bold]Examples[/bold]

      dragoman keys show alice
      dragoman keys show key_0123456789ab --json
    """

    async def shown(config: Config, store: Store) -> tuple[Holder, dict[str, Any]]:
        holder = await _found(config, store, name)
        return holder, await facts(holder, store)

    holder, used = using(file, shown)
    if as_json:
        write_json({**holder.json, **used})
        return
    table = Table(box=None, pad_edge=False, show_header=False)
    for title, text in told(holder, used):
        table.add_row(Text(title, style="bold"), Text(text))
    out.print(table)


async def _found(config: Config, store: Store, name: str) -> Holder:
    known = await holders(config, store)
    in_file = next((each for each in known if each.key is None and each.id == name), None)
    if in_file:
        return in_file
    key = await Keyring(store).found(name)
    return next(each for each in known if each.id == key.id and each.key)


@keys.command("rotate")
def rotate(
    name: Named,
    grace: Annotated[str, typer.Option(help="For how long the old secret goes on: 24h. Else it ends at once.")] = "0",
    file: ConfigFile = None,
    as_json: AsJSON = False,
) -> None:
    """Give a key a new secret; what it may and what it has used stay.

    [bold]Examples[/bold]

      dragoman keys rotate alice --grace 24h
      dragoman keys rotate alice              it has leaked: the old one ends at once
    """
    lasting = _seconds(grace)

    async def rotated(config: Config, store: Store) -> tuple[StoredKey, str]:
        _check_stored(config, name)
        return await Keyring(store).rotate(name, lasting)

    key, secret = using(file, rotated)
    _tell(key, secret, as_json, f"has a new secret; the old one {f'ends in {grace}' if lasting else 'has ended'}")


def _seconds(text: str) -> float:
    if re.fullmatch(r"0+\s*[a-z]*", text.strip()):
        return 0.0
    try:
        return seconds(text)
    except ValueError as error:
        stop(f"--grace: {error}", CANNOT_RUN)


@keys.command("revoke")
def revoke(name: Named, file: ConfigFile = None) -> None:
    """End a key for good, within a second or so in every server that runs.

    [bold]Example[/bold]

      dragoman keys revoke alice
    """

    async def revoked(config: Config, store: Store) -> StoredKey:
        _check_stored(config, name)
        return await Keyring(store).revoke(name)

    key = using(file, revoked)
    err.print(f"The key {key.name!r} ({key.id}) is revoked.", markup=False)


def _check_stored(config: Config, name: str) -> None:
    if name in config.keys:
        raise UnknownKey(f"The key {name!r} stands in the configuration; change it there.")
