"""The ledger: a row for every call, whatever became of it, and never a prompt."""

import asyncio
import sqlite3

import pytest

from tests.meter.desk import desk, key
from tests.routing.places import after
from tests.upstream import LAST_CHUNK, always, answer, chunked, json_answer, sse, stream_head
from tests.watching import becomes

KEYS = {"alice": key("alice", models=["m"])}
PRICE = {"price": {"prompt": 1, "completion": 10}}


async def test_a_call_is_a_row(tmp_path):
    async with desk(KEYS, tmp_path, model=PRICE) as place:
        told = await place.ask(messages=[{"role": "user", "content": "a very private question"}])
        (row,) = await place.rows(1)
        text = (tmp_path / "dragoman.db").read_bytes() + (tmp_path / "dragoman.db-wal").read_bytes()
    assert row["request_id"] == told.headers["x-request-id"]
    wanted = {"key": "alice", "model": "m", "backend": "b", "surface": "chat", "status": 200, "estimated": 0}
    assert {name: row[name] for name in wanted} == wanted
    assert (row["prompt_tokens"], row["completion_tokens"], row["cost"]) == (10, 20, 210_000)
    assert 0 < row["first"] <= row["total"] < 10
    assert b"private" not in text
    assert b"Hello to you" not in text


async def test_a_stream_is_counted_although_the_caller_did_not_ask(tmp_path):
    events = stream_head(), chunked(*sse({"t": "Hello"}, {"t": " to you"}, "[DONE]")), LAST_CHUNK
    backend = {"stream": {"framing": "sse", "text": "t"}}
    async with desk(KEYS, tmp_path, always(*events), backend=backend) as place:
        told = await place.ask(stream=True)
        (row,) = await place.rows(1)
    assert b'"usage"' not in told.body
    assert told.body.endswith(b"data: [DONE]\n\n")
    assert (row["status"], row["estimated"]) == (200, 1)
    assert row["prompt_tokens"] > 0
    assert row["completion_tokens"] > 0


@pytest.mark.parametrize(
    ("script", "ask", "status"),
    [
        (always(answer(b"{}", status="500 Broken")), {}, 502),
        (always(answer(b"{}", status="429 Slow")), {}, 429),
        (always(json_answer({"reply": "ok"})), {"model": "other"}, 403),
    ],
    ids=["failed", "limited", "forbidden"],
)
async def test_a_call_that_fails_is_a_row_with_its_status_and_without_tokens(tmp_path, script, ask, status):
    async with desk(KEYS, tmp_path, script) as place:
        assert (await place.ask(**ask)).status == status
        (row,) = await place.rows(1)
    assert (row["status"], row["prompt_tokens"], row["completion_tokens"], row["cost"]) == (status, 0, 0, 0)


async def test_a_caller_that_leaves_is_a_row_with_499(tmp_path):
    script = after(30, always(json_answer({"reply": "ok"})))
    async with desk(KEYS, tmp_path, script) as place:
        leaving = asyncio.ensure_future(place.ask())
        await becomes(lambda: len(place.upstream.requests) == 1)
        leaving.cancel()
        (row,) = await place.rows(1)
    assert row["status"] == 499


async def test_sums_per_day_follow_the_rows(tmp_path):
    async with desk(KEYS, tmp_path, model=PRICE) as place:
        await place.many(20)
        await place.ask(model="other")
        await place.rows(21)
        with sqlite3.connect(place.file) as connection:
            days = connection.execute("SELECT model, calls, failed, prompt_tokens, cost FROM usage_days").fetchall()
            spent = connection.execute("SELECT period, cost FROM spent WHERE model = 'm'").fetchall()
    assert sorted(days) == [("m", 20, 0, 200, 20 * 210_000), ("other", 1, 1, 0, 0)]
    assert len(spent) == 3
    assert {cost for _, cost in spent} == {20 * 210_000}


async def test_calls_go_on_while_the_store_is_locked_and_rows_come_later(tmp_path):
    async with desk(KEYS, tmp_path) as place:
        await place.ask()
        await place.rows(1)
        locking = sqlite3.connect(place.file, isolation_level=None)
        locking.execute("BEGIN IMMEDIATE")
        assert [told.status for told in await place.many(10)] == [200] * 10
        await asyncio.sleep(0.5)
        locking.execute("ROLLBACK")
        locking.close()
        assert len(await place.rows(11)) == 11


async def test_what_waits_too_long_is_dropped_and_counted(tmp_path):
    missing = tmp_path / "missing"
    async with desk(KEYS, tmp_path, store=f"sqlite:///{missing}/dragoman.db", usage={"queue": 5}) as place:
        assert [told.status for told in await place.many(8)] == [200] * 8
        accounts = place.gateway._accounts
        assert accounts.dropped == 3
        missing.mkdir()
        await becomes(lambda: accounts.written == 5, 10)
