"""What a curl command asks for, and how its texts stand in a configuration."""

import re
from dataclasses import dataclass, field
from typing import Any

LONGEST = 1024 * 1024
"""Characters of a command or a document."""

_MARK = re.compile("\ue000([A-Za-z_][A-Za-z0-9_]*)\ue001")
_NAMED = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([A-Z_][A-Z0-9_]*)(?![a-z]))")
_VARIABLE = re.compile(r"(\$\{[A-Za-z_][A-Za-z0-9_]*\})")
_OPENING = re.compile(r"\{[{%#]")


class CannotAdapt(Exception):
    """What was given cannot be made into a configuration. The message says what to do."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One request. Its texts may hold variables, written by `variable`."""

    url: str
    """Without query and fragment."""
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    query: tuple[tuple[str, str], ...] = ()
    body: str | None = None
    user: tuple[str, str] | None = None
    """The name and the password of basic authentication."""
    auth: dict[str, Any] | None = None
    """How it logs in, where that is known in the configuration's words already."""
    tls: dict[str, str] = field(default_factory=dict)
    remarks: tuple[str, ...] = ()
    """What of the command has no place in a configuration, and what to do instead."""

    def header(self, name: str) -> str:
        """A header's value by its name in lower case, empty if there is none."""
        return next((value for key, value in self.headers.items() if key.lower() == name), "")


def variable(name: str) -> str:
    """An environment variable inside a text of the command, which no text of its own can be taken for."""
    return f"\ue000{name}\ue001"


def without_marks(text: str) -> str:
    """The text without the signs that variables are written with."""
    return text.replace("\ue000", "").replace("\ue001", "")


def with_variables(text: str) -> str:
    """The text with `$NAME` and `${NAME}` as variables, where quotes do not say whether the shell would see them."""
    return _NAMED.sub(lambda match: variable(match[1] or match[2]), text)


def shown(text: str) -> str:
    """The text with `(NAME)` for each variable, which a recording takes for anything."""
    return _MARK.sub(r"(\1)", text)


def variables_in(text: str) -> list[str]:
    return _MARK.findall(text)


def plain(text: str) -> str:
    """The text as a configuration has it where no templates are: its variables are `${NAME}`, all else is itself."""
    return _MARK.sub(r"${\1}", _VARIABLE.sub(r"$\1", text))


def literal(text: str) -> str:
    """The text as a template that gives just this text."""
    return plain(_OPENING.sub(lambda match: f"{{{{ '{match[0]}' }}}}", text))
