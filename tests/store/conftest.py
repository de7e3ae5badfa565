"""Every store that there is, for tests that hold for all."""

import itertools

import pytest

from dragoman.store import opened
from tests.postgres_server import needs_postgres, postgres_server
from tests.store.databases import Files, Servers

_numbers = itertools.count()


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    return Files(tmp_path_factory.mktemp("stores"))


@pytest.fixture(scope="session")
def servers():
    with postgres_server() as server:
        yield Servers(server)


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=needs_postgres)])
def kind(request):
    return request.param


@pytest.fixture
def databases(kind, request):
    return request.getfixturevalue("files" if kind == "sqlite" else "servers")


@pytest.fixture
async def url(databases):
    return await databases.new(f"n{next(_numbers)}")


@pytest.fixture
def empty(databases):
    return databases.empty(f"e{next(_numbers)}")


@pytest.fixture
async def store(url):
    async with opened(url) as store:
        yield store
