"""What a key may: how it is written, and that nobody gives more than he has."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some
from pydantic import ValidationError

from dragoman.grants import Budget, Grant, Price, exceeding


@pytest.mark.parametrize(
    ("text", "unit", "amount", "per"),
    [
        ("20/month", "money", 20 * 10**9, "month"),
        ("0.5/day", "money", 5 * 10**8, "day"),
        ("5M tokens/day", "tokens", 5_000_000, "day"),
        ("90_000 tokens/total", "tokens", 90_000, "total"),
        ("1.5k tokens / month", "tokens", 1500, "month"),
    ],
)
def test_a_budget_is_written_as_people_say_it(text, unit, amount, per):
    assert Grant(budget=text).budget == (Budget(unit=unit, amount=amount, per=per),)


@pytest.mark.parametrize(
    "text", ["20", "20/year", "-5/day", "0/day", "1e99/day", "lots/month", "5 tokens", "9999999999B/day", ""]
)
def test_what_is_no_budget_is_refused(text):
    with pytest.raises(ValidationError):
        Grant(budget=text)


@given(some.integers(1, 10**15), some.sampled_from(["money", "tokens"]), some.sampled_from(["day", "month", "total"]))
def test_a_budget_reads_what_it_writes(amount, unit, per):
    budget = Budget(unit=unit, amount=amount, per=per)
    read = Grant(budget=str(budget)).budget[0]
    assert (read.unit, read.per) == (unit, per)
    assert read.amount == pytest.approx(amount, rel=1e-12)


def test_an_end_is_a_date_a_time_or_so_long_from_now():
    assert Grant(expires="2027-01-31").expires == datetime(2027, 1, 31, tzinfo=UTC)
    assert Grant(expires="2027-01-31T12:00:00+02:00").expires == datetime(2027, 1, 31, 10, tzinfo=UTC)
    assert abs(Grant(expires="90d").expires - datetime.now(UTC) - timedelta(days=90)) < timedelta(minutes=1)


def test_a_grant_survives_being_written_down():
    grant = Grant(models=["a", "b*"], rpm="1k", budget=["20/month", "5M tokens/day"], expires="90d", admin=True)
    assert Grant.model_validate_json(grant.model_dump_json(exclude_defaults=True)) == grant


def test_prices_are_exact_and_rounded_up():
    price = Price(prompt=0.15, completion=0.6)
    assert price.of(1_000_000, 1_000_000) == 750_000_000
    assert price.of(1, 0) == 150
    assert Price(prompt=0.0001).of(1, 0) == 1
    assert Price(prompt=2, cached=1).of(10, 0, 4) == 16_000


@pytest.mark.parametrize(
    ("asked", "granter", "what"),
    [
        ({}, {"models": ["a"]}, "models"),
        ({"models": ["a", "c"]}, {"models": ["a", "b"]}, "models"),
        ({"models": ["*"]}, {"models": ["a*"]}, "models"),
        ({"rpm": 61}, {"rpm": 60}, "rpm"),
        ({}, {"tpm": 1000}, "tpm"),
        ({"concurrent": 2}, {"concurrent": 1}, "concurrent"),
        ({"budget": "30/month"}, {"budget": "20/month"}, "budget"),
        ({"budget": "20/day"}, {"budget": "20/month"}, "budget"),
        ({"expires": "2028-01-01"}, {"expires": "2027-01-01"}, "expires"),
        ({}, {"expires": "2027-01-01"}, "expires"),
        ({"admin": True}, {}, "admin"),
        ({}, {"per_model": {"m": {"rpm": 5}}}, "per_model.m.rpm"),
    ],
)
def test_nobody_gives_more_than_he_has(asked, granter, what):
    assert exceeding(Grant(**asked), Grant(**granter)) == what


@pytest.mark.parametrize(
    ("asked", "granter"),
    [
        ({"models": ["a"], "rpm": 5}, {}),
        ({"models": ["team-x", "team-y*"]}, {"models": ["team-*"]}),
        ({"budget": ["20/month", "5/day"]}, {"budget": "20/month"}),
        ({"admin": True, "expires": "2026-12-01"}, {"admin": True, "expires": "2027-01-01"}),
    ],
)
def test_within_what_he_has_he_may(asked, granter):
    assert exceeding(Grant(**asked), Grant(**granter)) is None


models = some.lists(some.text("ab*", min_size=1, max_size=4), min_size=1, max_size=3)


@given(models, models, some.text("ab", min_size=1, max_size=5))
def test_a_grant_that_does_not_exceed_opens_no_further_model(asked, granter, model):
    if exceeding(Grant(models=asked), Grant(models=granter)) is None and Grant(models=asked).may(model):
        assert Grant(models=granter).may(model)
