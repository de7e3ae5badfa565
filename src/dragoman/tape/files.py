"""A recorded exchange as a YAML file, for people to read and to change."""

from base64 import b64encode
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from dragoman.errors import ConfigError
from dragoman.tape.exchange import Exchange

MAX_FILE = 64 * 1024 * 1024
HEADING = "# A recorded exchange; `kind: replay` answers from it.\n"
NEVER_FOLDED = 2**30


def read(file: Path) -> Exchange:
    """The exchange in a file. Raises ConfigError, which names the file and what is wrong in it."""
    try:
        return Exchange.model_validate(_loaded(file))
    except ValidationError as invalid:
        first = invalid.errors(include_url=False)[0]
        raise ConfigError(f"{file}: {_dotted(first['loc'])}{_message(first)}") from None
    except OSError as error:
        raise ConfigError(f"{file}: cannot be read: {error.strerror}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        raise ConfigError(f"{where}: is not YAML: {getattr(error, 'problem', None) or 'it is not UTF-8'}") from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{file}: {error}") from error


def _loaded(file: Path) -> Any:
    with file.open("rb") as opened:
        text = opened.read(MAX_FILE + 1)
    if len(text) > MAX_FILE:
        raise ValueError(f"is larger than {MAX_FILE} bytes")
    # a long text and many aliases of it would be more than any memory holds
    if any(isinstance(event, yaml.AliasEvent) for event in yaml.parse(text, Loader=yaml.CSafeLoader)):
        raise ValueError("aliases (`*name`) have no place in a recording")
    return yaml.load(text, Loader=yaml.CSafeLoader)


def _dotted(place: tuple[str | int, ...]) -> str:
    dotted = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")
    return f"{dotted}: " if dotted else ""


def _message(error: ErrorDetails) -> str:
    match error["type"]:
        case "missing":
            return "is missing"
        case "extra_forbidden":
            return "is not a known key"
        case "model_type" | "dict_type":
            return "must be a mapping: `key: value`"
        case _:
            told = error["msg"].removeprefix("Value error, ")
            return told[:1].lower() + told[1:]


def written(exchange: Exchange) -> bytes:
    """The file's content."""
    asked, answer = exchange.request, exchange.answer
    shown = {
        "request": {**dict(asked), "headers": _Short(asked.headers)},
        "answer": {
            "status": answer.status,
            "headers": _Short(answer.headers),
            "messages" if answer.socket else "body": answer.pieces,
            "whole": answer.whole,
        },
    }
    text = yaml.dump(shown, Dumper=_Writer, sort_keys=False, allow_unicode=True, width=NEVER_FOLDED)
    return (HEADING + text).encode()


class _Short(dict[str, str]):
    """Stands on one line."""


class _Writer(yaml.CSafeDumper):
    """Writes texts so that every character comes back: what is not printable is escaped, line ends of all kinds too."""

    def text(self, text: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"')

    def said(self, said: bytes) -> yaml.ScalarNode:
        try:
            return self.text(said.decode())
        except UnicodeDecodeError:
            return self.represent_scalar("tag:yaml.org,2002:binary", b64encode(said).decode())

    def row(self, row: tuple[Any, ...]) -> yaml.SequenceNode:
        return self.represent_sequence("tag:yaml.org,2002:seq", row, flow_style=True)

    def short(self, short: _Short) -> yaml.MappingNode:
        return self.represent_mapping("tag:yaml.org,2002:map", short.items(), flow_style=True)


_Writer.add_representer(str, _Writer.text)
_Writer.add_representer(bytes, _Writer.said)
_Writer.add_representer(tuple, _Writer.row)
_Writer.add_representer(_Short, _Writer.short)
