"""Where a store may be, and that no complaint tells a password."""

import subprocess
import sys

import pytest

import dragoman.store.postgres
from dragoman.errors import ConfigError
from dragoman.store import opened, usable
from dragoman.store.urls import without_password

PASSWORD = "hunter2hunter2"


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///dragoman.db",
        "sqlite:////var/lib/dragoman/ledger.db",
        "postgresql://user:pass%2Fword@host/name",
        "postgresql://user@host:5433/name?sslmode=require",
        "postgresql://user@/name?host=/run/postgresql",
        "postgresql://user:p@ss@[::1]:5432/name",
    ],
)
def test_a_store_may_be_in_a_file_or_in_postgresql(url):
    usable(url)


@pytest.mark.parametrize(
    "url",
    [
        "", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///a.db?mode=ro", "sqlite:///a#b", "sqlite:///a\0b",
        f"mysql://u:{PASSWORD}@host/name", f"postgres://u:{PASSWORD}@host/name", f"u:{PASSWORD}@host/name",
        f"postgresql://u:{PASSWORD}@host", f"postgresql://u:{PASSWORD}@host/", f"postgresql://u:{PASSWORD}@host:port/name",
        f"postgresql://u:{PASSWORD}@host:99999/name", f"postgresql://u:{PASSWORD}@[host/name",
        f"postgresql://u:1/{PASSWORD}@host/name", f"postgresql://u:?{PASSWORD}@host/name", f"postgresql://u:#{PASSWORD}@host/n",
        f"postgresql://u@host/name#{PASSWORD}", f"postgresql+asyncpg://u:{PASSWORD}@host/name",
    ],
)  # fmt: skip
async def test_a_store_may_be_nowhere_else_and_no_password_is_quoted(url):
    async def using():
        usable(url)

    for act in (using, opened(url).__aenter__):
        with pytest.raises(ConfigError, match="write sqlite:///FILE") as error:
            await act()
        assert PASSWORD not in str(error.value)
        assert error.value.__cause__ is None


def test_a_password_is_taken_out_however_it_is_written():
    url = "postgresql://u:a%2Fsecret%40@host/name?password=an%20other"
    assert without_password("it was a/secret@, a%2Fsecret%40, an other", url) == "it was " + ", ".join(
        ["(password)"] * 3
    )


def test_without_its_library_postgresql_is_refused_and_sqlite_is_not(monkeypatch):
    monkeypatch.setattr(dragoman.store.postgres, "INSTALLED", False)
    usable("sqlite:///a.db")
    with pytest.raises(ConfigError, match=r"dragoman\[postgres\]"):
        usable("postgresql://u@host/name")


def test_the_program_loads_no_library_that_only_migrations_need():
    loaded = "import dragoman.store, sys; print(sorted({'sqlalchemy', 'alembic', 'asyncpg'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True).stdout == "[]\n"
