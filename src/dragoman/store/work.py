"""Work on a database, told without one: a generator of statements, sent what each of them found.

Statements are SQL that SQLite and PostgreSQL both understand, with `$1`, `$2` … for what is bound.
"""

from collections.abc import Generator, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeAlias, TypeVar

Found: TypeAlias = Sequence[Sequence[Any]]
Value: TypeAlias = str | bytes | float | None

T = TypeVar("T")


class One(NamedTuple):
    """A statement; finds rows."""

    sql: str
    values: tuple[Value, ...] = ()


Columns: TypeAlias = Sequence[tuple[str, str]]
"""Names and types."""
Rows: TypeAlias = Sequence[tuple[Value, ...]]


class Fresh(NamedTuple):
    """Rows for a table whose first column is their id; finds those that were not there yet.

    No id stands twice among them.
    """

    table: str
    columns: Columns
    rows: Rows


class Added(NamedTuple):
    """Rows to be added to what a table has of them; finds nothing."""

    table: str
    columns: Columns
    rows: Rows
    conflict: str
    """What is done about a row that is there: `(id) DO UPDATE SET …`."""


Work: TypeAlias = Generator[One | Fresh | Added, Found, T]

Manner: TypeAlias = Literal["read", "write", "keep"]
"""`keep` also outlives a loss of power."""


class Clash(Exception):
    """What was to be inserted is there already."""


class Driver(Protocol):
    """A database that is open."""

    async def run(self, work: Work[T], manner: Manner) -> T:
        """What the work comes to, all in one transaction. Raises StoreDown, Clash and what the work itself raises."""
        ...

    async def close(self) -> None:
        """Lets go of it. Never fails."""
        ...
