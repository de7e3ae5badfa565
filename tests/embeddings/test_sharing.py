"""Keys, limits, budgets and the ledger hold for embeddings as they hold for chat."""

import pytest

from tests.embeddings.vectors import EMBED, points
from tests.meter.desk import desk, key
from tests.serving import post

EMBEDS = {"response": None, "request": None, "embeddings": {"batch": 2, **EMBED}}


def asking(at, name="alice", **asked):
    headers = {"authorization": f"Bearer secret-{name}"} if name else {}
    return post(at.url, {"model": "m", "input": ["a", "bc", "d"], **asked}, "/v1/embeddings", **headers)


def embedding(keys, folder, **options):
    return desk(keys, folder, points, backend=EMBEDS, **options)


async def test_without_a_key_or_with_one_for_another_model_nothing_is_embedded(tmp_path):
    keys = {"alice": key("alice", models=["other"])}
    async with embedding(keys, tmp_path) as at:
        assert (await asking(at, None))[0] == 401
        status, _, body = await asking(at)
        assert (status, b"model_not_allowed" in body) == (403, True)
        assert (await asking(at, model="other"))[0] == 200


async def test_the_ledger_knows_which_door_it_was_and_what_it_came_to(tmp_path):
    async with embedding({"alice": key("alice")}, tmp_path, model={"price": {"prompt": 1000}}) as at:
        assert (await asking(at))[0] == 200
        assert (await asking(at, input=""))[0] == 422
        [row] = await at.rows(1)
    assert (row["surface"], row["key"], row["model"], row["status"]) == ("embeddings", "alice", "m", 200)
    assert (row["prompt_tokens"], row["completion_tokens"], row["estimated"]) == (3, 0, 0)
    assert row["cost"] == 3 * 10**6


@pytest.mark.parametrize(
    ("grant", "told"),
    [({"rpm": 1}, "requests"), ({"tpm": 20}, "tokens"), ({"budget": "25 tokens/day"}, "insufficient_quota")],
)
async def test_limits_are_of_requests_and_tokens_and_budgets(tmp_path, grant, told):
    text = "word " * 15
    async with embedding({"alice": key("alice", **grant)}, tmp_path) as at:
        first = await asking(at, input=text)
        answers = [await asking(at, input=text) for _ in range(40)]
    assert first[0] == 200
    refused = [(status, body) for status, _, body in answers if status != 200]
    assert {status for status, _ in refused} == {429}
    assert told.encode() in refused[-1][1]


async def test_an_answer_is_not_expected_to_have_tokens(tmp_path):
    taking = {**EMBEDS, "abilities": {"token_inputs": "native"}}
    async with desk({"alice": key("alice", tpm=1000)}, tmp_path, points, backend=taking) as at:
        status, headers, _ = await asking(at, input=[[1] * 40, [2] * 10])
    assert (status, headers["x-ratelimit-remaining-tokens"]) == (200, "950")


async def test_a_texts_tokens_are_reckoned_before_it_is_asked(tmp_path):
    async with embedding({"alice": key("alice", tpm=100)}, tmp_path) as at:
        status, headers, body = await asking(at, input=[list(range(101))])
        assert (status, headers["x-should-retry"]) == (429, "false")
        assert not at.upstream.requests
    assert b"it may need 101" in body
