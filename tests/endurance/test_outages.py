"""Backends that are out: callers do not make it worse, and where others are left they notice nothing."""

import pytest
from bench.endurance.outages import POLICIES, TROUBLES, partial_outage, total_outage


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("outage", ["503", "refused", "reset"])
async def test_a_total_outage_is_not_made_worse(outage: str, policy: str):
    told = await total_outage(outage, policy, 0.4)
    assert told.violations == []
    assert told.figures["asked"] > 0


@pytest.mark.parametrize("policy", ["fallback", "balance"])
@pytest.mark.parametrize("trouble", TROUBLES)
async def test_callers_do_not_notice_one_backend_of_three_in_trouble(trouble: str, policy: str):
    told = await partial_outage(trouble, policy, 1.3)
    assert told.violations == []
    assert told.calls > 20


async def test_waiting_for_one_backend_leaves_the_next_its_time_to_be_reached():
    told = await partial_outage("slow", "fallback", 1.3, connect="500ms")
    assert told.violations == []
