"""One gateway for all the tests of a file."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.clients.place import Place, opened


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared() -> AsyncIterator[Place]:
    async with opened() as place:
        yield place


@pytest.fixture
def place(shared: Place) -> Place:
    """Where nobody has asked anything yet."""
    shared.upstream.requests.clear()
    return shared
