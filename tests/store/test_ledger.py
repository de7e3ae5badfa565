"""The ledger: each call once, and sums that are those of the calls."""

import asyncio
import math
import re
from pathlib import Path

import pytest

from dragoman.store import opened
from dragoman.store.ledger import MOST_IN_ALL
from dragoman.store.texts import LONGEST, MOST
from tests.store.databases import DAY, NOON, asked, assert_sums_are_those_of_the_rows, key, row

WORST = "'; DROP TABLE usage; --"
TEXTS = [
    WORST, '"; DELETE FROM keys; --', "$1", "?1", ":at", "%s", "{}", "\\", "x' OR '1'='1", "名前 🔑", "a\nb", "",
]  # fmt: skip


async def test_a_call_is_written_as_it_was(store, url):
    await store.write([row("r1", estimated=True, status=499, first=None)])
    found = await asked(url, "SELECT * FROM usage")
    values = ("key_a", "m", "b", "chat", 10, 20, 1, 1000, 499, None, 0.5, "req_r1")
    assert found == [("r1", NOON, "2026-11-24", *values)]


async def test_sums_are_those_of_the_calls(store, url):
    await store.write([
        row(f"r{number}", NOON + number * DAY / 7, key=f"k{number % 3}", model=f"m{number % 4}",
            status=200 + number * 7, estimated=number % 2 == 0, cost=number * 10**12)
        for number in range(120)
    ])  # fmt: skip
    assert len(await asked(url, "SELECT * FROM usage")) == 120
    await assert_sums_are_those_of_the_rows(url)


async def test_a_call_written_again_is_not_counted_again(store, url):
    first = [row(f"r{number}") for number in range(60)]
    await store.write(first)
    await store.write(first)
    await store.write([*first[:30], *(row(f"s{number}") for number in range(10)), *first[30:]])
    assert (await asked(url, "SELECT calls FROM usage_days")) == [(70,)]
    await assert_sums_are_those_of_the_rows(url)


async def test_a_call_twice_in_a_batch_counts_once(store, url):
    await store.write([row("r1"), row("r2"), row("r1")])
    assert (await asked(url, "SELECT calls FROM usage_days")) == [(2,)]


async def test_nothing_may_be_written(store, url):
    await store.write([])
    assert await asked(url, "SELECT * FROM usage") == []


async def test_more_than_a_batch_is_written(store, url):
    await store.write([row(f"r{number}") for number in range(2345)])
    assert (await asked(url, "SELECT calls FROM usage_days")) == [(2345,)]


async def test_the_same_batch_written_at_once_by_several_counts_once(url):
    rows = [row(f"r{number}", key=f"k{number % 5}") for number in range(200)]

    async def write(turn):
        async with opened(url) as store:
            await store.write(rows if turn % 2 else rows[::-1])

    await asyncio.gather(*map(write, range(6)))
    assert await asked(url, "SELECT count(*) FROM usage") == [(200,)]
    await assert_sums_are_those_of_the_rows(url)


async def test_what_is_spent_is_told_for_the_day_the_month_and_in_all(store):
    await store.write([row("r1", NOON - 40 * DAY), row("r2", NOON - DAY), row("r3", NOON, key="key_b", cost=5)])
    told = sorted(await store.spent("2026-11-24", "2026-11"))
    assert told == [
        ("key_a", "m", "2026-11", 30, 1000),
        ("key_a", "m", "total", 60, 2000),
        ("key_b", "m", "2026-11", 30, 5),
        ("key_b", "m", "2026-11-24", 30, 5),
        ("key_b", "m", "total", 30, 5),
    ]


@pytest.mark.parametrize("text", TEXTS)
async def test_texts_are_only_ever_texts(store, url, text):
    await store.add(key(f"id{text}", f"name{text}", by=text))
    await store.write([row(f"r{text}", key=text, model=text, backend=text, surface=text, request_id=text)])
    assert [(each.id, each.name, each.by) for each in (await store.changed(0))[1]] == [
        (f"id{text}", f"name{text}", text)
    ]
    assert await asked(url, "SELECT id, key, model, backend, surface, request_id FROM usage") == [
        (f"r{text}", *[text] * 5)
    ]
    for name in ("key", "model", "backend", "surface"):
        (told,) = await store.usage([name], 0, only={name: text})
        assert (told[name], told["calls"]) == (text, 1)
    assert await store.usage(["key"], 0, only={"key": f"{text}' OR '1'='1"}) == []
    assert await store.spent(text, text) == [(text, text, "total", 30, 1000)]
    await store.revoke(f"id{text}", NOON)
    assert (await store.changed(0))[1][0].revoked == NOON


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\0b", "a\ufffdb"),
        ("\ud83d", "\ufffd"),
        ("a\udfffb", "a\ufffdb"),
        ("x" * 9999, "x" * LONGEST),
        ("🔑\0", "🔑\ufffd"),
    ],
)
async def test_what_databases_refuse_is_replaced(store, url, text, kept):
    await store.write([row(text, key=text, model=text, backend=text, surface=text, request_id=text)])
    await store.write([row(text, key=text)])
    assert await asked(url, "SELECT id, key, model, backend, surface, request_id FROM usage") == [(kept,) * 6]
    assert [told["calls"] for told in await store.usage([], 0, only={"key": text})] == [1]
    await store.add(key("key_1", text))
    assert [each.name for each in (await store.changed(0))[1]] == [kept]


@pytest.mark.parametrize("number", [-1, 2**63, 10**40, MOST + 1])
async def test_numbers_out_of_bounds_are_kept_within(store, url, number):
    await store.write([row("r", prompt_tokens=number, completion_tokens=number, cost=number, status=number)])
    kept = min(max(number, 0), MOST)
    found = await asked(url, "SELECT prompt_tokens, completion_tokens, cost, status FROM usage")
    assert found == [(kept, kept, kept, min(kept, 999))]


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf, -5.0, 1e300])
async def test_seconds_that_are_none_are_kept_within_bounds(store, url, number):
    await store.write([row("r", number, first=number, total=number)])
    ((at, first, total),) = await asked(url, "SELECT at, first, total FROM usage")
    assert all(0 <= each <= MOST for each in (at, first, total))


async def test_sums_stop_at_a_bound_and_the_ledger_goes_on(store, url):
    await store.write([row(f"r{number}", cost=MOST) for number in range(1000)])
    await store.write([row(f"s{number}", cost=MOST) for number in range(1000)])
    assert await asked(url, "SELECT calls, cost FROM usage_days") == [(2000, MOST_IN_ALL)]
    assert {cost for *_, cost in await store.spent("2026-11-24", "2026-11")} == {MOST_IN_ALL}


async def test_trimming_deletes_calls_and_keeps_their_sums(store, url):
    await store.write([row(f"r{number}", NOON + number) for number in range(30)])
    days = await asked(url, "SELECT * FROM usage_days")
    assert await store.trim(NOON + 10) == 10
    assert await store.trim(NOON + 10) == 0
    assert await asked(url, "SELECT count(*), min(at) FROM usage") == [(20, NOON + 10)]
    assert await asked(url, "SELECT * FROM usage_days") == days


async def test_more_is_trimmed_than_goes_at_once(store, monkeypatch):
    monkeypatch.setattr("dragoman.store.kept.TRIMMED", 7)
    monkeypatch.setattr("dragoman.store.ledger._OLD", "SELECT id FROM usage WHERE at < $1 ORDER BY at LIMIT 7")
    await store.write([row(f"r{number}", NOON + number) for number in range(30)])
    assert await store.trim(NOON + 25) == 25


async def test_trimming_forgets_what_was_spent_in_periods_that_are_over(store, url):
    await store.write([row("r1", NOON - 60 * DAY), row("r2", NOON - DAY), row("r3", NOON)])
    await store.trim(NOON - DAY)
    found = await asked(url, "SELECT period FROM spent ORDER BY period")
    assert found == [("2026-11",), ("2026-11-23",), ("2026-11-24",), ("total",)]


@pytest.mark.parametrize("statement", range(4))
async def test_what_the_guide_asks_is_answered(store, url, statement):
    await store.add(key("key_a", "alice"))
    await store.write([row("r1", key="key_…"), row("r2", status=500)])
    guide = Path(__file__).parents[2] / "docs/ledger.md"
    (block,) = re.findall(r"^```sql\n(.*?)^```", guide.read_text(), re.MULTILINE | re.DOTALL)
    statements = [each for each in block.split(";") if each.strip()]
    assert len(statements) == 4
    assert await asked(url, statements[statement])
