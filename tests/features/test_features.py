"""Each feature on each surface, on a backend that has it and on one that gives text for text."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
import pytest_asyncio

from tests.features.backends import able, configured, plain
from tests.features.checks import FEATURES, REFUSED, Feature, Way
from tests.features.speakers import SPEAKERS, Speaker
from tests.features.table import PAGE, written
from tests.serving import gateway
from tests.upstream import listening

pytestmark = pytest.mark.asyncio(loop_scope="module")

CELLS = [
    pytest.param(feature, speaker, id=f"{feature.name}-{speaker.name}")
    for feature in FEATURES
    for speaker in SPEAKERS
    if speaker.name in feature.surfaces
]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def url() -> AsyncIterator[str]:
    async with AsyncExitStack() as opened:
        first, second = [await opened.enter_async_context(listening(script)) for script in (able, plain)]
        yield await opened.enter_async_context(gateway(configured(first.url, second.url)))


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("backend", ["native", "emulated"])
@pytest.mark.parametrize(("feature", "speaker"), CELLS)
async def test_a_surface_has_the_feature(url: str, feature: Feature, speaker: Speaker, backend: str, stream: bool):
    way = Way(speaker, url, backend, stream)
    if backend == "emulated" and feature.surfaces[speaker.name] == "native":
        with pytest.raises(REFUSED):
            await feature.check(way)
    else:
        await feature.check(way)


async def test_the_docs_tell_what_is_tested():
    page = PAGE.read_text(encoding="utf-8")
    assert page == written(page)
