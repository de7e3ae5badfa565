"""Fallback, balance, hedge and mirror: handlers over handlers."""

import asyncio
import json
import time
from collections import Counter

import pytest

from tests.routing.places import after, fails, placed, says
from tests.serving import client
from tests.upstream import sse, stream_head

BOTH = {"m": {"backends": ["a", "b"], "retry": {"attempts": 0}}}


async def until(condition, seconds: float = 5.0):
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("policy", ["fallback", "balance", "hedge"])
@pytest.mark.parametrize("script", [None, fails(), fails("429 Slow"), fails("503 Later"), fails("401 Who")])
async def test_another_answers_where_one_fails(policy, script):
    models = {"m": {"backends": ["a", "b"], "policy": policy}}
    async with placed({"a": script, "b": says("b")}, models) as place:
        for heard in await place.many(4):
            assert (heard.status, heard.text, heard.backend) == (200, "b", "b")


@pytest.mark.parametrize("policy", ["fallback", "hedge"])
async def test_a_request_that_is_refused_is_not_passed_around(policy):
    models = {"m": {"backends": ["a", "b"], "policy": policy}}
    async with placed({"a": fails("400 No"), "b": says("b")}, models) as place:
        heard = await place.ask()
        assert (heard.status, heard.code, place.asked("b")) == (422, "upstream_rejected", 0)


async def test_what_one_backend_cannot_do_another_may():
    models = {"m": {"backends": [{"backend": "a", "abilities": {"n": "reject"}}, "b"]}}
    async with placed({"a": says("a"), "b": says("b")}, models) as place:
        assert (await place.ask(n=2)).backend == "b"
        assert (await place.ask()).backend == "a"


async def test_the_first_is_asked_as_long_as_it_can():
    async with placed({"a": says("a"), "b": says("b")}, BOTH) as place:
        assert {heard.backend for heard in await place.many(5)} == {"a"}
        assert place.asked("b") == 0


async def test_all_that_are_down_are_503_with_a_time_to_wait():
    async with placed({"a": None, "b": None}, BOTH) as place:
        heard = await place.ask()
    assert (heard.status, heard.code) == (503, "no_backend_available")
    assert int(heard.headers["retry-after"]) >= 1


async def test_what_a_backend_said_is_told_rather_than_that_others_are_down():
    async with placed({"a": fails("429 Slow", "Retry-After: 30"), "b": None}, BOTH) as place:
        heard = await place.ask()
    assert (heard.status, heard.code, heard.headers["retry-after"]) == (429, "upstream_rate_limited", "30")


@pytest.mark.parametrize("policy", ["fallback", "balance", "hedge"])
async def test_backends_that_swallow_connections_cost_one_connect_timeout_in_all(policy, monkeypatch):
    async def never(self):
        await asyncio.sleep(60)

    monkeypatch.setattr("dragoman.connection.Origin._connected", never)
    models = {"m": {"backends": ["a", "b", "c"], "policy": policy}}
    async with placed({"a": None, "b": None, "c": None}, models, {"timeout": {"connect": "1s"}}) as place:
        began = time.monotonic()
        heard = await place.ask()
        assert (heard.status, heard.code) == (503, "no_backend_available")
        assert 0.9 < time.monotonic() - began < 1.8


async def test_policies_nest():
    inner = {"backends": ["a", "b"], "policy": "balance"}
    async with placed({"a": None, "b": fails(), "c": says("c")}, {"m": {"backends": [inner, "c"]}}) as place:
        assert {heard.backend for heard in await place.many(3)} == {"c"}


async def test_balance_shares_by_weight():
    models = {"m": {"backends": [{"backend": "a", "weight": 9}, "b"], "policy": "balance"}}
    async with placed({"a": after(1, says("a")), "b": after(1, says("b"))}, models) as place:
        seen = Counter(heard.backend for heard in await asyncio.gather(*(place.ask() for _ in range(60))))
    assert seen["a"] > 1.5 * seen["b"] > 0


async def test_balance_prefers_the_quicker():
    models = {"m": {"backends": ["a", "b"], "policy": "balance"}}
    async with placed({"a": after(1, says("a")), "b": says("b")}, models) as place:
        seen = Counter(heard.backend for heard in await place.many(60))
    assert seen["b"] > 1.5 * seen["a"] > 0


async def test_a_hedge_answers_where_the_first_is_slow_and_the_loser_is_cancelled():
    models = {"m": {"backends": ["a", "b"], "policy": "hedge", "after": "50ms"}}
    async with placed({"a": after(30, says("a")), "b": says("b")}, models) as place:
        began = time.monotonic()
        heard = await place.ask()
        assert (heard.backend, time.monotonic() - began < 5) == ("b", True)
        await until(lambda: place.upstreams["a"].open <= 1)


async def test_a_hedge_asks_nobody_else_while_the_first_is_quick():
    models = {"m": {"backends": ["a", "b"], "policy": "hedge", "after": "2s"}}
    async with placed({"a": says("a"), "b": says("b")}, models) as place:
        assert {heard.backend for heard in await place.many(10)} == {"a"}
        assert place.asked("b") == 0


async def test_hedges_stay_within_a_fifth_of_the_calls():
    models = {"m": {"backends": ["a", "b"], "policy": "hedge", "after": "1ms"}}
    async with placed({"a": after(0.02, says("a")), "b": after(0.02, says("b"))}, models) as place:
        await asyncio.gather(*(place.ask() for _ in range(60)))
        assert place.asked("a") == 60
        assert place.asked("b") <= 10 + 60 * 0.2


async def test_a_mirror_is_sent_a_copy_that_nobody_waits_for():
    models = {"m": {"backends": ["a", "b"], "policy": "mirror"}}
    async with placed({"a": says("a"), "b": after(1, fails())}, models) as place:
        began = time.monotonic()
        assert {heard.backend for heard in await place.many(3)} == {"a"}
        assert time.monotonic() - began < 0.9
        await until(lambda: place.asked("b") == 3)
        assert [received.json["q"] for received in place.upstreams["b"].requests] == ["Hello"] * 3


async def test_a_mirror_copies_a_share():
    models = {"m": {"backends": ["a", "b"], "policy": "mirror", "share": 0.2}}
    async with placed({"a": says("a"), "b": says("b")}, models) as place:
        await place.many(100)
        await until(lambda: place.asked("b") > 0)
        assert place.asked("b") < 50


STREAMED = {"stream": {"framing": "sse", "text": "t"}, "response": None}


def streams(*texts: str, whole: bool):
    async def script(connection, received):
        end = b"data: [DONE]\n\n" if whole else b""
        body = b"".join(sse(*({"t": text} for text in texts))) + end
        await connection.send(stream_head(), b"%x\r\n%b\r\n" % (len(body), body))
        await (connection.send(b"0\r\n\r\n") if whole else connection.send())
        if not whole:
            connection.writer.close()

    return script


GOES_ON = {"m": {"backends": ["a", "b"], "continue": True}}


async def test_a_stream_that_broke_is_gone_on_with_by_the_next():
    scripts = {"a": streams("Once ", "upon ", whole=False), "b": streams("a time", whole=True)}
    async with placed(scripts, GOES_ON, STREAMED) as place:
        heard = await place.ask(stream=True)
        said = place.upstreams["b"].requests[0].json["all"]
        async with client(place.url) as sdk:
            stream = await sdk.chat.completions.create(
                model="m", messages=[{"role": "user", "content": "?"}], stream=True
            )
            text = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert b": x-dragoman-continued: b\n\n" in heard.body
    assert heard.body.endswith(b"data: [DONE]\n\n")
    assert text == "Once upon a time"
    assert said[1] == {"role": "assistant", "content": "Once upon "}
    assert said[2]["role"] == "user"


async def test_a_whole_answer_that_was_gone_on_with_says_so_in_a_header():
    scripts = {"a": streams("Once ", whole=False), "b": streams("upon", whole=True)}
    async with placed(scripts, GOES_ON, STREAMED) as place:
        heard = await place.ask()
    assert (heard.text, heard.headers["x-dragoman-continued"]) == ("Once upon", "b")


async def test_without_continue_a_broken_stream_ends_honestly():
    scripts = {"a": streams("Once ", whole=False), "b": streams("upon", whole=True)}
    async with placed(scripts, BOTH, STREAMED) as place:
        heard = await place.ask(stream=True)
        assert place.asked("b") == 0
    assert heard.body.endswith(b"<unfinished>")
    assert b"[DONE]" not in heard.body


async def test_a_document_is_not_gone_on_with():
    scripts = {"a": streams('{"a": ', whole=False), "b": streams("1}", whole=True)}
    async with placed(scripts, GOES_ON, STREAMED) as place:
        heard = await place.ask(stream=True, response_format={"type": "json_object"})
    assert json.loads(heard.body.split(b"data: ")[-1].split(b"\n")[0])["error"]
