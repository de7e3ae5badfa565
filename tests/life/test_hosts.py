"""A gateway on several hosts behind nginx survives the loss of one."""

import asyncio
import signal
import time
from pathlib import Path
from typing import Any

from tests.life.conversing import Conversation, remembering, remembering_backend
from tests.life.hosts import host, hosts, needs_nginx
from tests.life.talking import Load, Told, ask, backend, loaded, telling
from tests.redis_server import needs_redis
from tests.upstream import Upstream, listening
from tests.watching import becomes

pytestmark = [needs_nginx, needs_redis]
CALLERS = 16
SOME = 40


def config(upstream: Upstream) -> dict[str, Any]:
    return {"backends": {"b": backend(upstream.url)}, "models": {"m": "b"}}


def since(load: Load, moment: float) -> list[Told]:
    return [told for told in load.told if told.began >= moment]


async def test_a_killed_host_costs_only_the_answers_that_it_had_begun(tmp_path: Path):
    async with listening(telling(0.4)) as upstream, hosts(tmp_path, config(upstream)) as place:
        async with loaded(lambda number: ask(place.url, stream=number % 4 > 0), CALLERS) as load:
            await becomes(lambda: len(load.told) >= SOME, within=15)
            place.first.send(signal.SIGKILL)
            assert await place.first.ended() == -signal.SIGKILL
            killed = time.monotonic()
            await becomes(lambda: len(since(load, killed)) >= SOME, within=15)
        broken = [told for told in load.told if not told.whole]
        assert broken, "nothing was under way on the host that was killed"
        assert {(told.status, host(told)) for told in broken} == {(200, place.first.url)}
        assert max(told.began for told in broken) < killed
        assert {host(told) for told in since(load, killed)} == {place.second.url}
        assert load.refused == []
        assert {host(told) for told in load.told if told.whole} == {place.first.url, place.second.url}


async def test_a_host_that_is_told_to_end_costs_nothing(tmp_path: Path):
    async with listening(telling(0.4)) as upstream, hosts(tmp_path, config(upstream)) as place:
        async with loaded(lambda number: ask(place.url, stream=number % 4 > 0), CALLERS) as load:
            await becomes(lambda: len(load.told) >= SOME, within=15)
            place.first.send(signal.SIGTERM)
            assert await place.first.ended() == 0
            ended = time.monotonic()
            await becomes(lambda: len(since(load, ended)) >= SOME, within=15)
        assert [told for told in load.told if not told.whole] == []
        assert load.refused == []
        assert {host(told) for told in since(load, ended)} == {place.second.url}


async def test_a_conversation_begun_on_one_host_goes_on_at_the_other(tmp_path: Path):
    script = remembering()
    async with listening(script) as upstream:
        made = {"backends": {"b": remembering_backend(upstream.url)}, "models": {"talk": "b"}}
        async with hosts(tmp_path, made) as place:
            talks = [Conversation() for _ in range(5)]
            await asyncio.gather(*(talk.say(place.first.url, f"I am number {n}.") for n, talk in enumerate(talks)))
            await asyncio.gather(*(talk.say(place.second.url, "Who am I?") for talk in talks))
            await asyncio.gather(*(talk.say(place.first.url, "Sure?") for talk in talks))
            place.first.send(signal.SIGKILL)
            await place.first.ended()
            await asyncio.gather(*(talk.say(place.url, "Still there?") for talk in talks))
    said = [[turn["content"] for turn in each["turns"]] for each in script.said]
    assert (len(script.talks), len(said), {len(each) for each in said}) == (5, 20, {1})
    for turns in script.talks.values():
        assert [text for role, text in turns if role == "user"][1:] == ["Who am I?", "Sure?", "Still there?"]
