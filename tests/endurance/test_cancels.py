"""Callers that leave at any moment: nobody hears of another's answer, and nothing stays behind."""

from bench.endurance.cancels import cancelled_calls


async def test_callers_that_leave_at_any_moment_leave_nothing_and_nobody_hears_anothers_answer(monkeypatch):
    monkeypatch.setattr("dragoman.connection.IDLE_SECONDS", 0.2)
    told = await cancelled_calls(1000, within=5)
    assert told.violations == []
    assert told.calls == 1000
    for heard in ("whole", "left amid the answer", "left before it"):
        assert told.figures[heard] > 50, heard
