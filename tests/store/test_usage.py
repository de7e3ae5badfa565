"""What was used, summed up."""

import pytest

from tests.store.databases import DAY, NOON, row

MIDNIGHT = NOON - DAY / 2
SUMS = {"prompt_tokens": 10, "completion_tokens": 20, "estimated": 0, "cost": 1000, "seconds": 0.5}


async def test_sums_are_told_for_what_they_are_grouped_by(store):
    await store.write([
        row("r1"),
        row("r2", status=429, prompt_tokens=0, completion_tokens=0, cost=0),
        row("r3", key="key_b", estimated=True),
    ])  # fmt: skip
    assert await store.usage(["key", "day"], 0) == [
        {"key": "key_a", "day": "2026-11-24", "calls": 2, "failed": 1, **SUMS, "seconds": 1.0},
        {"key": "key_b", "day": "2026-11-24", "calls": 1, "failed": 0, **SUMS, "estimated": 1},
    ]
    assert [(each["status"], each["calls"]) for each in await store.usage(["status"], 0)] == [(200, 2), (429, 1)]
    both = {"prompt_tokens": 20, "completion_tokens": 40, "estimated": 1, "cost": 2000, "seconds": 1.5}
    assert await store.usage([], 0) == [{"calls": 3, "failed": 1, **both}]


async def test_an_empty_ledger_has_used_nothing(store):
    assert await store.usage(["key"], 0) == []
    assert [each["calls"] for each in await store.usage([], 0)] == [0]


async def test_only_what_is_wanted_counts(store):
    await store.write([row("r1"), row("r2", key="key_b"), row("r3", key="key_b", model="n", status=500)])
    for only, calls in (
        ({"key": "key_b"}, 2),
        ({"key": "key_b", "model": "n"}, 1),
        ({"status": "500"}, 1),
        ({"model": "x"}, 0),
    ):
        assert [each["calls"] for each in await store.usage([], 0, only=only)] == [calls]


@pytest.mark.parametrize("name", ["id", "request_id", "1; DROP TABLE usage", "calls", ""])
async def test_nothing_else_can_be_asked_for(store, name):
    with pytest.raises(ValueError, match="usage has no"):
        await store.usage([name], 0)
    with pytest.raises(ValueError, match="usage has no"):
        await store.usage([], 0, only={name: "x"})
    with pytest.raises(ValueError, match="no status"):
        await store.usage([], 0, only={"status": "99999999999"})
    assert await store.changed(0) == (0, [])  # and the store is well


SPANS = [
    (MIDNIGHT, MIDNIGHT + DAY), (NOON, None), (NOON, NOON + DAY), (NOON, NOON + 3600), (MIDNIGHT - DAY, NOON),
    (NOON - 1.5 * DAY, NOON + 1.25 * DAY), (0, None), (0, NOON), (NOON + 1, NOON + 2), (NOON, NOON), (NOON, NOON - 5),
    (NOON - 3 * DAY, MIDNIGHT), (MIDNIGHT, NOON), (NOON - 9 * DAY, NOON + 9 * DAY),
]  # fmt: skip


@pytest.fixture
async def spread(store):
    """A call each 50 minutes, for six days."""
    times = [NOON - 3 * DAY + number * 3000 for number in range(173)]
    await store.write([row(f"r{number}", at) for number, at in enumerate(times)])
    return times


@pytest.mark.parametrize(("since", "until"), SPANS)
async def test_a_span_of_time_is_told_to_the_second(store, spread, since, until):
    within = [at for at in spread if since <= at and (until is None or at < until)]
    assert [each["calls"] for each in await store.usage([], since, until)] == [len(within)]
    assert sum(each["calls"] for each in await store.usage(["day", "status"], since, until)) == len(within)


@pytest.mark.parametrize(("since", "until"), SPANS)
async def test_where_calls_are_deleted_days_are_told_whole(store, spread, since, until):
    trimmed = NOON + 3600
    await store.trim(trimmed)

    def day(at):
        return at // DAY * DAY

    begins = since if since >= trimmed else day(since)
    ends = until
    if until is not None and until % DAY and max(day(until), since) < trimmed:
        ends = day(until) + DAY
    within = [at for at in spread if begins <= at and (ends is None or at < ends)]
    expected = len(within) if ends is None or begins < ends else 0
    assert [each["calls"] for each in await store.usage([], since, until)] == [expected]
    left = [at for at in spread if at >= trimmed and since <= at and (until is None or at < until)]
    assert sum(each["calls"] for each in await store.usage(["status"], since, until)) == len(left)
