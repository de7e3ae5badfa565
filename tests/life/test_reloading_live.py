"""`await gateway.reload(...)`: what is served changes in one step, and nobody who calls notices."""

import asyncio
from typing import Any

import pytest

from dragoman import Gateway
from dragoman.errors import ConfigError
from tests.life.conversing import Conversation, remembering, remembering_backend
from tests.life.running import listed, status
from tests.life.talking import ask, backend, endless, loaded, telling
from tests.serving import QUESTION, gateway, post
from tests.upstream import listening
from tests.watching import becomes, leaving_nothing

RELOADS = 100
CALLERS = 12
DEAD = "http://127.0.0.1:1"


def config(url: str, **more: Any) -> dict[str, Any]:
    return {"backends": {"b": backend(url)}, "models": {"m": "b"}, **more}


async def test_no_call_fails_while_it_reloads_all_the_time_and_nothing_stays():
    async with listening(telling(0.02)) as one, listening(telling(0.02)) as other:
        made = Gateway(config(one.url))
        async with gateway(made) as url, leaving_nothing():
            async with loaded(lambda number: ask(url, stream=number % 2 == 0), CALLERS) as load:
                for number in range(RELOADS):
                    before = len(load.told)
                    await made.reload(config((other, one)[number % 2].url))
                    await becomes(lambda before=before: len(load.told) > before, within=10)
            assert [told for told in load.told if not told.whole] == []
            assert load.refused == []
            assert min(len(one.requests), len(other.requests)) >= RELOADS / 4
            await made.reload(config(DEAD))
            await becomes(lambda: one.open + other.open == 0)


async def test_a_call_that_runs_finishes_on_what_it_began_on_and_then_that_is_closed():
    async with listening(telling(0.5)) as old, listening(telling(0)) as new:
        made = Gateway(config(old.url))
        async with gateway(made) as url:
            streams = [asyncio.create_task(ask(url, stream=True)) for _ in range(5)]
            await becomes(lambda: len(old.requests) == 5)
            await made.reload(config(new.url))
            assert (await ask(url)).whole
            assert old.open == 5
            assert [told.whole for told in await asyncio.gather(*streams)] == [True] * 5
            await becomes(lambda: old.open == 0)
        assert len(new.requests) == 1


async def test_a_caller_that_leaves_an_old_call_closes_what_it_began_on():
    async with listening(endless) as old, listening(telling(0)) as new:
        made = Gateway(config(old.url))
        async with gateway(made) as url:
            call = asyncio.create_task(ask(url, stream=True))
            await becomes(lambda: len(old.requests) == 1)
            await made.reload(config(new.url))
            call.cancel()
            await becomes(lambda: old.open == 0)
            assert (await ask(url)).whole


async def test_conversations_that_are_remembered_in_the_process_go_on():
    script = remembering()
    async with listening(script) as upstream:
        first = {"backends": {"b": remembering_backend(upstream.url)}, "models": {"talk": "b"}}
        made = Gateway(first)
        async with gateway(made) as url:
            talk = Conversation()
            await talk.say(url, "I am Anna.")
            await made.reload({**first, "models": {"talk": "b", "more": "b"}})
            await talk.say(url, "Who am I?")
            await made.reload(first)
            await talk.say(url, "Sure?")
    assert len({said["talk"] for said in script.said}) == 1
    assert [[turn["content"] for turn in said["turns"]] for said in script.said] == [
        ["I am Anna."],
        ["Who am I?"],
        ["Sure?"],
    ]


async def test_terms_that_change_hold_from_the_next_call_on():
    made = Gateway(config(DEAD))
    async with gateway(made) as url:
        assert (await ask(url)).status == 500
        await made.reload(config(DEAD, errors="openai"))
        assert (await ask(url)).status == 502
        await made.reload(config(DEAD, bounds={"body": "200B"}))
        assert (await ask(url)).status == 500
        large = {**QUESTION, "messages": [{"role": "user", "content": "x" * 300}]}
        assert (await post(url, large))[0] == 413
        await made.reload(config(DEAD))
        assert (await post(url, large))[0] == 500


async def test_fewer_calls_at_once_hold_for_those_that_come():
    async with listening(telling(0.5)) as upstream:
        made = Gateway(config(upstream.url))
        async with gateway(made) as url:
            calls = [asyncio.create_task(ask(url, stream=True)) for _ in range(4)]
            await becomes(lambda: len(upstream.requests) == 4)
            await made.reload(config(upstream.url, bounds={"calls": 2}))
            assert (await ask(url)).code == "gateway_overloaded"
            assert all(told.whole for told in await asyncio.gather(*calls))
            assert (await ask(url)).whole


WRONG = [
    {"backends": {}, "models": {"m": "nowhere"}},
    {"backends": {"b": {"kind": "python", "target": "tests.life.nowhere:answer"}}, "models": {"m": "b"}},
    "nowhere.yaml",
]


@pytest.mark.parametrize("wrong", WRONG, ids=["names nobody", "cannot be opened", "is not there"])
async def test_what_is_wrong_is_raised_and_changes_nothing(wrong: Any):
    async with listening(telling(0)) as upstream:
        made = Gateway(config(upstream.url))
        async with gateway(made) as url, leaving_nothing():
            with pytest.raises(ConfigError):
                await made.reload(wrong)
            assert (await ask(url)).whole
            assert await listed(url) == ["m"]
            await made.reload(config(DEAD))


async def test_a_backend_that_was_down_is_up_again_in_another_configuration():
    breaker = {"breaker": {"calls": 2, "open": "60s"}}
    async with listening(telling(0)) as upstream:
        made = Gateway({"backends": {"b": backend(DEAD, **breaker)}, "models": {"m": "b"}})
        async with gateway(made) as url:
            for _ in range(5):
                await ask(url)
            assert (await status(url, "/ready"))[0] == 503
            await made.reload(config(upstream.url))
            assert (await status(url, "/ready"))[0] == 200
            assert (await ask(url)).whole


async def test_reloads_at_the_same_time_leave_the_last():
    async with listening(telling(0)) as old, listening(telling(0)) as last:
        made = Gateway(config(old.url))
        async with gateway(made) as url, leaving_nothing():
            await asyncio.gather(*(made.reload(config(each.url)) for each in [old] * 20 + [last]))
            assert (await ask(url)).whole
            assert (len(old.requests), len(last.requests)) == (0, 1)
            await made.reload(config(DEAD))
            await becomes(lambda: last.open == 0)
