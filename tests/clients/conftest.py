"""One gateway for all the tests of a file, and one run of a program."""

import os
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.clients.place import Place, once, opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Place]:
    async with opened() as place:
        yield place


@pytest.fixture
def place(shared: Place) -> Place:
    """Where nobody has asked anything yet."""
    shared.upstream.requests.clear()
    return shared


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def found(shared: Place, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What the program of a file's tests, `PROGRAM`, has found."""
    own = tmp_path_factory.getbasetemp()
    folder = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    program = request.module.PROGRAM
    return await once(folder / f"{program}.json", lambda: shared.ran(program))
