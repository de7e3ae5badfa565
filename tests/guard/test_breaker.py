"""A breaker lets everything through, or nothing, or one that finds out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import dragoman.guard.breaker
import dragoman.guard.window
from dragoman.errors import UpstreamError, UpstreamFailure, UpstreamRejected
from dragoman.guard.breaker import Breaker
from dragoman.guard.options import Breaking
from dragoman.guard.window import Window

STEPS = st.lists(st.tuples(st.sampled_from(["ok", "fail", "rejected", "gone"]), st.floats(0, 3)), max_size=200)


class Clock:
    def __init__(self, monkeypatch):
        self.now = 1000.0
        for module in (dragoman.guard.breaker, dragoman.guard.window):
            monkeypatch.setattr(module, "monotonic", lambda: self.now)


@given(steps=STEPS)
def test_it_never_stays_shut_and_probes_one_at_a_time(steps):
    with pytest.MonkeyPatch.context() as monkeypatch:
        clock = Clock(monkeypatch)
        breaker = Breaker("b", Breaking(open=1, longest=8))
        for step, pause in steps:
            clock.now += pause
            try:
                probing = breaker.admit()
            except UpstreamFailure as failure:
                assert 1 <= int(failure.headers["retry-after"]) <= 8  # noqa: PT017
                assert not failure.asked  # noqa: PT017
                continue
            if probing:
                with pytest.raises(UpstreamFailure):
                    breaker.check()
            _ends(breaker, step, probing)
        clock.now += 8
        breaker.admit()
        breaker.succeeded(0.1)
        breaker.check()


def _ends(breaker, step, probing):
    match step:
        case "ok":
            breaker.succeeded(0.1)
        case "fail":
            breaker.failed(UpstreamError())
        case "rejected":
            breaker.failed(UpstreamRejected())
        case "gone" if probing:
            breaker.unproven()


def test_it_is_left_alone_twice_as_long_each_time(monkeypatch):
    clock, breaker = Clock(monkeypatch), Breaker("b", Breaking(open=1, longest=4))
    for _ in range(5):
        breaker.admit()
        breaker.failed(UpstreamError())
    for seconds in (1, 2, 4, 4):
        clock.now += seconds - 0.01
        assert not breaker.available
        clock.now += 0.02
        assert breaker.admit()
        breaker.failed(UpstreamError())


def test_half_that_fail_open_it_and_fewer_do_not(monkeypatch):
    Clock(monkeypatch)
    for share, open in ((2, True), (3, False)):
        breaker = Breaker("b", Breaking(calls=10, failures=0.5))
        for number in range(60):
            if breaker.available:
                breaker.failed(UpstreamError()) if number % share == 1 else breaker.succeeded(0.1)
        assert breaker.available is not open


@given(steps=st.lists(st.tuples(st.floats(0, 5), st.integers(0, 5), st.integers(0, 5)), max_size=100))
def test_a_window_counts_what_is_not_too_long_ago(steps):
    with pytest.MonkeyPatch.context() as monkeypatch:
        clock, window, seen = Clock(monkeypatch), Window(10), []
        for pause, ours, others in steps:
            clock.now += pause
            window.add(ours, others)
            seen.append((clock.now, ours, others))
        window.turn()
        surely = [each for each in seen if each[0] > clock.now - 9]
        perhaps = [each for each in seen if each[0] > clock.now - 10]
        assert sum(each[1] for each in surely) <= window.ours <= sum(each[1] for each in perhaps)
        assert sum(each[2] for each in surely) <= window.others <= sum(each[2] for each in perhaps)
