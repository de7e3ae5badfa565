"""Who may how much: what callers get when a limit is reached."""

import asyncio

import pytest

from tests.meter.desk import desk, key
from tests.redis_server import needs_redis, redis_server
from tests.routing.places import after
from tests.serving import client
from tests.upstream import always, answer, json_answer
from tests.watching import becomes, eventually


async def test_a_key_may_ask_so_often_a_minute_and_no_more(tmp_path):
    async with desk({"alice": key("alice", rpm=5), "bob": key("bob")}, tmp_path) as place:
        statuses = sorted(told.status for told in await place.many(12))
        assert statuses == [200] * 5 + [429] * 7
        assert (await place.ask("bob")).status == 200
        assert len(place.upstream.requests) == 6


async def test_a_refusal_says_when_to_come_back(tmp_path):
    async with desk({"alice": key("alice", rpm=1)}, tmp_path) as place:
        first, second = await place.ask(), await place.ask()
    assert first.headers["x-ratelimit-limit-requests"] == "1"
    assert first.headers["x-ratelimit-remaining-requests"] == "0"
    assert first.headers["x-ratelimit-reset-requests"] in ("1m0s", "59.99s", "60s")
    assert (second.status, second.error["code"], second.error["type"]) == (429, "rate_limit_exceeded", "requests")
    assert 55 <= int(second.headers["retry-after"]) <= 60
    assert second.headers["x-ratelimit-remaining-requests"] == "0"
    assert "1 requests a minute" in second.error["message"]


async def test_tokens_are_reserved_before_and_settled_after_a_call(tmp_path):
    async with desk({"alice": key("alice", tpm=100)}, tmp_path) as place:
        left = [int((await place.ask()).headers.get("x-ratelimit-remaining-tokens", -1)) for _ in range(2)]
        assert all(0 <= each <= 100 for each in left)
        statuses = [(await place.ask()).status for _ in range(3)]
    # 30 tokens each are used, whatever was expected: three fit into 100, and a fourth is not begun with 10 left
    assert statuses[0] == 200
    assert 429 in statuses


async def test_a_request_that_can_never_fit_says_so_and_is_not_tried_again(tmp_path):
    async with desk({"alice": key("alice", tpm=100)}, tmp_path) as place:
        told = await place.ask(max_tokens=5000)
    assert (told.status, told.error["type"], told.headers["x-should-retry"]) == (429, "tokens", "false")
    assert "max_tokens" in told.error["message"]
    assert place.upstream.requests == []


async def test_a_failed_call_gives_its_tokens_back(tmp_path):
    script = always(answer(b"{}", status="500 Broken"))
    async with desk({"alice": key("alice", tpm=50)}, tmp_path, script, backend={"breaker": False}) as place:
        assert [(await place.ask(max_tokens=30)).status for _ in range(4)] == [502] * 4


async def test_calls_at_once_are_bounded_and_places_come_back(tmp_path):
    script = after(0.3, always(json_answer({"reply": "ok"})))
    async with desk({"alice": key("alice", concurrent=3)}, tmp_path, script) as place:
        for _ in range(2):
            statuses = sorted(told.status for told in await place.many(8))
            assert statuses == [200] * 3 + [429] * 5


async def test_a_caller_who_leaves_gives_its_place_back(tmp_path):
    async def script(connection, received):
        await asyncio.sleep(60 if b"slow" in received.body else 0)
        await connection.send(json_answer({"reply": "ok"}))

    slow = [{"role": "user", "content": "slow"}]
    async with desk({"alice": key("alice", concurrent=1)}, tmp_path, script) as place:
        leaving = asyncio.ensure_future(place.ask(messages=slow))
        await becomes(lambda: len(place.upstream.requests) == 1)
        assert (await place.ask()).status == 429
        leaving.cancel()
        await eventually(lambda: place.answers(200))


async def test_a_models_limit_holds_for_all_keys_together(tmp_path):
    keys = {"alice": key("alice"), "bob": key("bob")}
    async with desk(keys, tmp_path, model={"limits": {"rpm": 4}}) as place:
        told = await place.many(3) + await place.many(3, "bob")
        assert sorted(each.status for each in told) == [200] * 4 + [429] * 2
        assert "this model" in next(each.error["message"] for each in told if each.status == 429)
        assert (await place.ask(model="other")).status == 200


async def test_a_key_may_have_a_limit_on_one_model(tmp_path):
    async with desk({"alice": key("alice", per_model={"m": {"rpm": 1}})}, tmp_path) as place:
        assert [(await place.ask()).status for _ in range(2)] == [200, 429]
        assert (await place.ask(model="other")).status == 200


@pytest.mark.parametrize("budget", ["100 tokens/day", "0.0003/month", "0.0003/total"])
async def test_a_budget_is_spent_and_then_nothing_more_is_begun(tmp_path, budget):
    model = {"price": {"prompt": 2, "completion": 4}}  # 10 and 20 tokens: 0.0001 a call
    async with desk({"alice": key("alice", budget=budget)}, tmp_path, model=model) as place:
        statuses = [(await place.ask(max_tokens=20)).status for _ in range(6)]
        assert statuses.count(200) == (4 if "tokens" in budget else 3)
        assert statuses == sorted(statuses)
        told = await place.ask()
    assert (told.error["type"], told.error["code"]) == ("insufficient_quota", "insufficient_quota")
    assert told.headers["x-should-retry"] == "false"
    assert budget in told.error["message"]


async def test_many_at_once_overspend_by_no_more_than_one_reservation(tmp_path):
    async with desk({"alice": key("alice", budget="100 tokens/day")}, tmp_path) as place:
        statuses = [told.status for told in await place.many(20, max_tokens=20)]
    # each reserves some 30: three fit, and a fourth is begun while less than 100 are spent
    assert statuses.count(200) in (3, 4)


async def test_what_is_spent_is_remembered_over_a_restart(tmp_path):
    keys = {"alice": key("alice", budget="60 tokens/month")}
    async with desk(keys, tmp_path) as place:
        assert [(await place.ask(max_tokens=20)).status for _ in range(3)] == [200, 200, 429]
        await place.rows(3)
    async with desk(keys, tmp_path) as place:
        assert (await place.ask()).status == 429


async def test_the_sdk_sees_what_it_knows(tmp_path):
    import openai

    keys = {"alice": key("alice", models=["m"], rpm=1), "bob": key("bob", budget="1 tokens/day")}
    async with desk(keys, tmp_path) as place:
        alice, bob, eve = (client(place.url, api_key=f"secret-{name}") for name in ("alice", "bob", "eve"))
        asked = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
        with pytest.raises(openai.PermissionDeniedError, match="may not use the model"):
            await alice.chat.completions.create(**{**asked, "model": "other"})
        with pytest.raises(openai.AuthenticationError):
            await eve.chat.completions.create(**asked)
        assert [model.id async for model in alice.models.list()] == ["m"]
        await alice.chat.completions.create(**asked)
        with pytest.raises(openai.RateLimitError) as limited:
            await alice.chat.completions.create(**asked)
        assert limited.value.code == "rate_limit_exceeded"
        await bob.chat.completions.create(**asked)
        patient = bob.with_options(max_retries=5)
        with pytest.raises(openai.RateLimitError) as spent:
            await patient.chat.completions.create(**asked)
        assert spent.value.code == "insufficient_quota"
        for each in (alice, bob, eve):
            await each.close()


@needs_redis
async def test_limits_in_redis_hold_over_two_gateways(tmp_path):
    keys = {"alice": key("alice", rpm=7, concurrent=100)}
    with redis_server() as url:
        async with desk(keys, tmp_path, redis=url) as one, desk(keys, tmp_path, redis=url) as other:
            told = await asyncio.gather(one.many(10), other.many(10))
    assert sorted(each.status for each in (*told[0], *told[1])) == [200] * 7 + [429] * 13


@needs_redis
@pytest.mark.parametrize(("mode", "expected"), [("allow", {200}), ("refuse", {503}), ("local", {200, 429})])
async def test_a_redis_that_is_gone_is_met_as_configured(tmp_path, mode, expected):
    with redis_server() as url:
        pass
    limits = {"when_store_is_down": mode}
    async with desk({"alice": key("alice", rpm=2)}, tmp_path, redis=url, limits=limits) as place:
        assert {told.status for told in await place.many(5)} == expected
