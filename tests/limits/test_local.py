"""Limits in a process, held against a plain model with exact numbers."""

import asyncio
from fractions import Fraction
from math import inf

import pytest
from hypothesis import settings
from hypothesis import strategies as some
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule

from dragoman.limits import InProcess, Places, Purse, Rate


class Model:
    """What limits are, told as simply as can be."""

    def __init__(self):
        self.used: dict[str, Fraction] = {}
        self.at: dict[str, Fraction] = {}

    def level(self, want, now):
        held = self.used.get(want.name, Fraction(0))
        if isinstance(want, Rate):
            return max(Fraction(0), held - (now - self.at.get(want.name, now)) * want.limit / 60)
        return max(held, Fraction(want.seed))

    def fits(self, want, now):
        level = self.level(want, now)
        return level + want.least <= want.limit if isinstance(want, Rate) else level < want.limit

    def add(self, want, amount, now):
        self.used[want.name], self.at[want.name] = max(Fraction(0), self.level(want, now) + amount), now

    def amount(self, want, now):
        if isinstance(want, Rate):
            return want.least + max(0, min(want.hoped, int(want.limit - self.level(want, now)) - want.least))
        return want.least + want.hoped


RATES = some.builds(
    Rate, some.sampled_from(["r1", "r2"]), some.just(60), some.integers(0, 70), some.integers(0, 30)
)  # fmt: skip
PLACES = some.builds(Places, some.just("c"), some.just(3))
PURSES = some.builds(
    Purse, some.just("p"), some.just(100), some.integers(0, 60), some.integers(0, 20), some.just(0), some.just(1e9)
)
WANTS = some.lists(some.one_of(RATES, PLACES, PURSES), min_size=1, max_size=4, unique_by=lambda want: want.name)


class Limits(RuleBasedStateMachine):
    """Calls come, take, use more or less than they took, and end, while time passes."""

    calls = Bundle("calls")

    def __init__(self):
        super().__init__()
        self.now = Fraction(0)
        self.limits = InProcess(lambda: float(self.now))
        self.model = Model()
        self.open = 0

    @rule(seconds=some.integers(0, 400))
    def passes(self, seconds):
        self.now += Fraction(seconds, 8)

    @rule(target=calls, wants=WANTS)
    def take(self, wants):
        taken = asyncio.run(self.limits.take(wants))
        fitting = [self.model.fits(want, self.now) for want in wants]
        expected = None if all(fitting) else fitting.index(False)
        assert taken.refused == expected
        if expected is not None:
            assert taken.wait > 0
            assert list(taken.amounts) == [0] * len(wants)
            return wants, taken
        amounts = [self.model.amount(want, self.now) for want in wants]
        assert list(taken.amounts) == amounts
        for place, (want, amount) in enumerate(zip(wants, amounts, strict=True)):
            self.model.add(want, amount, self.now)
            left = max(0.0, float(want.limit - self.model.level(want, self.now)))
            assert taken.left[place] == pytest.approx(left, abs=1)
        return wants, taken

    @rule(call=consumes(calls), more=some.integers(-30, 30), twice=some.booleans())
    def end(self, call, more, twice):
        wants, taken = call
        used = [
            0 if isinstance(want, Places) else max(0, amount + more)
            for want, amount in zip(wants, taken.amounts, strict=True)
        ]
        for _ in range(2 if twice else 1):
            self.limits.settle(wants, taken, used)
        if taken.refused is None:
            for want, amount, really in zip(wants, taken.amounts, used, strict=True):
                self.model.add(want, really - amount, self.now)

    @rule(wants=WANTS)
    def a_refusal_says_when_it_would_fit(self, wants):
        taken = asyncio.run(self.limits.take(wants))
        if taken.refused is None:
            self.limits.settle(wants, taken, [0] * len(wants))
            # what was taken and given back at once leaves the model as it was
            return
        want = wants[taken.refused]
        if isinstance(want, Rate) and taken.wait != inf:
            assert self.model.fits(want, self.now + Fraction(taken.wait) + Fraction(1, 10**6))
            assert not self.model.fits(want, self.now + Fraction(taken.wait) - Fraction(1, 1000))

    @invariant()
    def no_more_calls_than_places(self):
        assert self.model.used.get("c", 0) <= 3


Limits.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
test_limits_are_what_the_model_says = Limits.TestCase


async def test_a_request_that_is_larger_than_the_limit_never_fits():
    assert (await InProcess().take([Rate("r", 10, 11)])).wait == inf


async def test_what_does_not_fit_takes_nothing_of_the_others():
    limits = InProcess()
    wants = [Rate("a", 10, 5), Places("b", 1), Purse("c", 5, 1, 0, 5, 60)]
    for _ in range(50):
        assert (await limits.take(wants)).refused == 2
    assert (await limits.take(wants[:2])).left == [5, 0]


async def test_a_budget_knows_what_others_have_spent():
    limits = InProcess()
    assert (await limits.take([Purse("p", 100, 10, 0, 95, 60)])).left == [0]
    assert (await limits.take([Purse("p", 100, 10, 0, 0, 60)])).refused == 0


async def test_names_that_say_nothing_any_more_are_forgotten():
    now = [0.0]
    limits = InProcess(lambda: now[0], most=100)
    for number in range(1000):
        await limits.take([Rate(f"address {number}", 60, 1)])
        now[0] += 0.5
        assert len(limits) <= 100
    assert (await limits.take([Rate("address 999", 60, 60)])).refused == 0


async def test_places_that_are_given_back_are_forgotten():
    limits = InProcess()
    wants = [Places("p", 10)]
    taken = [await limits.take(wants) for _ in range(10)]
    assert (await limits.take(wants)).refused == 0
    for each in taken:
        limits.settle(wants, each, [0])
    assert len(limits) == 0
