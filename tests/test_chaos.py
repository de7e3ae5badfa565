"""Everything that can go wrong upstream, met by one backend alone, with another behind it, and with another beside it.

A fault before the first chunk is nothing that a caller of two backends hears of; one after it is told honestly, or gone
on with. Nothing is left behind: no task, no socket, no file.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.doors import CHAT
from tests.faults import Fault, Heard, answered, assert_broken, assert_nothing_leaks, assert_refused, taking
from tests.serving import gateway
from tests.test_upstream_faults import BODY_FAULTS, HTTP_FAULTS, REJECTED, STATUS_FAULTS
from tests.test_upstream_reach import BADLY_CERTIFIED, UNREACHABLE
from tests.test_upstream_streams import BROKEN
from tests.upstream import answer

BEFORE = [
    fault
    for fault in (*HTTP_FAULTS, *BODY_FAULTS, *STATUS_FAULTS, *UNREACHABLE, *BADLY_CERTIFIED)
    if fault not in REJECTED
]
POLICIES: dict[str, dict[str, Any]] = {
    "single": {"members": 1},
    "fallback": {"policy": "fallback"},
    "balance": {"policy": "balance"},
    "hedge": {"policy": "hedge", "after": "20s"},
    "hedge-soon": {"policy": "hedge", "after": "50ms"},
}
good = taking(lambda way: [answer(way.body("Good"), type=way.type)])


@pytest.fixture(autouse=True)
async def nothing_left() -> AsyncIterator[None]:
    before = _held()
    yield
    for _ in range(500):  # a name that is being looked up cannot be given up
        if _held() <= before:
            return
        await asyncio.sleep(0.02)
    assert _held() <= before


def _held() -> int:
    """Files, sockets and tasks."""
    return len(list(Path("/proc/self/fd").iterdir())) + len(asyncio.all_tasks())


async def met(fault: Fault, policy: Mapping[str, Any]) -> list[Heard]:
    """What callers hear of a fault that the first backend has, in every way there is to it."""
    options = {key: policy[key] for key in policy if key != "members"}
    async with AsyncExitStack() as opened:
        backends, models = {}, {}
        for way in fault.ways:
            bad = await opened.enter_async_context(fault.at(way))
            spare = await opened.enter_async_context(good(way))
            backends[f"{way}-bad"] = way.backend(bad, **fault.options)
            backends[f"{way}-good"] = way.backend(spare)
            members = [f"{way}-bad", f"{way}-good"][: policy.get("members", 2)]
            models[way.name] = {"backends": members, **options}
        url = await opened.enter_async_context(gateway({"backends": backends, "models": models}))
        got = await asyncio.gather(*(way.asked(url) for way in fault.ways))
        upstreams = [backends[f"{way}-bad"]["url"] for way in fault.ways]
        return [Heard(way, CHAT, at, *told) for way, at, told in zip(fault.ways, upstreams, got, strict=True)]


def test_there_are_faults_enough():
    assert len({str(fault) for fault in (*BEFORE, *REJECTED)}) + len(BROKEN) >= 80


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("fault", BEFORE, ids=str)
async def test_a_fault_before_the_first_chunk_is_another_backends_call(fault: Fault, policy: str):
    for told in await met(fault, POLICIES[policy]):
        if policy == "single":
            assert_refused(told, fault)
        else:
            assert answered(told) == ("Good", "stop")
            assert told.headers["x-dragoman-backend"] == f"{told.way}-good"


@pytest.mark.parametrize("policy", ["single", "fallback", "hedge"])
@pytest.mark.parametrize("fault", REJECTED, ids=str)
async def test_what_one_backend_rejects_no_other_is_asked(fault: Fault, policy: str):
    for told in await met(fault, POLICIES[policy]):
        assert_refused(told, fault)


@pytest.mark.parametrize("policy", ["single", "fallback", "hedge"])
@pytest.mark.parametrize("fault", BROKEN, ids=str)
async def test_a_fault_after_the_first_chunk_is_told_honestly(fault: Fault, policy: str):
    for told in await met(fault, POLICIES[policy]):
        (assert_broken if told.way.stream else assert_refused)(told, fault)


@pytest.mark.parametrize("fault", [fault for fault in BROKEN if fault.name != "error-as-finish"], ids=str)
async def test_a_fault_after_the_first_chunk_is_gone_on_with_where_that_is_wanted(fault: Fault):
    for told in await met(fault, {"continue": True}):
        assert answered(told) == ("HelloGood", "stop")
        assert_nothing_leaks(told)
        marked = told.body if told.way.stream else str(told.headers).encode()
        assert b"x-dragoman-continued" in marked
