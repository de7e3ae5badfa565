"""What the simulation of policies shows, in small."""

from collections import Counter

import pytest
from bench.simulation import POLICIES, Backends, Told, Weather, poisson, several, simulated, table

SECONDS, RATE = 2.5, 150.0
TURNS = {"turns": POLICIES["round robin"]}


async def test_balance_leaves_a_slow_backend_alone():
    policies = TURNS | {"balance": {"m": several("balance")}}
    found = await simulated(Weather("one is slow", 4.0, 1, 0.45), policies, SECONDS, RATE)
    asked = {policy: each.asked["a"] / each.asked.total() for policy, each in found.items()}
    assert asked["turns"] == pytest.approx(0.25, abs=0.01)
    assert asked["balance"] < 0.21
    assert {each.extra for each in found.values()} == {0.0}


async def test_hedges_cut_a_heavy_tail_within_their_budget():
    policies = TURNS | {"hedge": {"m": several("hedge", after=0.1)}}
    found = await simulated(Weather("heavy tails", 1.0), policies, SECONDS, RATE)
    late = {policy: each.later(0.4) for policy, each in found.items()}
    assert late["hedge"] < late["turns"] * 0.75
    assert 0 < found["hedge"].extra < 0.3


def test_calls_come_by_chance_but_the_same_each_time():
    arrivals = poisson(60.0, 100.0, 1)
    assert arrivals == poisson(60.0, 100.0, 1) != poisson(60.0, 100.0, 2)
    assert len(arrivals) == pytest.approx(6000, rel=0.1)
    assert arrivals == sorted(arrivals)


def test_spells_come_one_after_the_other():
    weather = Weather("spells", 4.0, 2, 0.1)
    assert [weather.slow(0, moment) for moment in (0.24, 0.26, 0.34, 0.36)] == [False, True, True, False]
    assert [weather.slow(1, moment) for moment in (0.26, 0.76)] == [False, True]
    assert not any(weather.slow(2, moment / 100) for moment in range(100))


async def test_backends_count_how_often_they_are_asked():
    backends = Backends(Weather("calm", 4.0), 1.0, 7)
    answers = [await each["target"]() for each in backends.configured().values()]
    assert (backends.asked, set(answers)) == (Counter("abcd"), {"It is calm."})


def test_the_table_compares_with_round_robin():
    plain = Told([0.01] * 90 + [0.1] * 10, Counter(a=100))
    balanced = Told([0.01] * 100, Counter(a=90, b=15))
    assert list(table({"round robin": plain, "`balance`": balanced}))[2:] == [
        "| round robin | 10 | 100 | 100 | 1.0 | 0.0% |",
        "| `balance` | 10 | 10 | 10 | 10.0 | 5.0% |",
    ]
