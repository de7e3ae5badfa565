"""Backends that are out: callers do not make it worse, and where others are left they notice nothing."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any
from unittest.mock import patch

import aiohappyeyeballs
from bench.endurance.callers import Caller, asking
from bench.endurance.told import Told
from bench.endurance.upstream import Asked, Script, Upstream, listening, refusing
from bench.endurance.words import openai_backend, whole
from tests.serving import gateway
from tests.upstream import Connection, answer, json_answer

CALLERS = 16
MORE = 1.25
"""How much more than the callers ask may be asked of backends that are all out."""
FEW = 0.001
"""The share of calls that may fail while some backends are in order."""


async def good(connection: Connection, asked: Asked) -> None:
    await asyncio.sleep(0.01)
    await connection.send(answer(whole(asked.prompt, asked.mapped)))


async def unavailable(connection: Connection, asked: Asked) -> None:
    await connection.send(json_answer({"error": {"message": "Not now."}}, status="503 Unavailable"))


async def back_soon(connection: Connection, asked: Asked) -> None:
    await connection.send(json_answer({"error": {}}, "Retry-After: 1", status="503 Unavailable"))


async def resetting(connection: Connection, asked: Asked) -> None:
    connection.reset()


async def slow(connection: Connection, asked: Asked) -> None:
    await asyncio.sleep(2)
    await good(connection, asked)


async def half(connection: Connection, asked: Asked) -> None:
    await (good if random.random() < 0.5 else unavailable)(connection, asked)


OUTAGES: dict[str, Script | None] = {
    "503": unavailable,
    "503 for a second": back_soon,
    "refused": None,
    "reset": resetting,
}
TROUBLES: dict[str, Script | None] = {
    "dead": None,
    "slow": slow,
    "failing half of the time": half,
}
THREE = ["a", "b", "c"]
POLICIES: dict[str, Any] = {
    "single": "a",
    "single without a breaker": "unguarded",
    "fallback": {"backends": THREE},
    "balance": {"backends": THREE, "policy": "balance"},
    "hedge": {"backends": THREE, "policy": "hedge", "after": "20ms"},
}


async def total_outage(outage: str, policy: str, seconds: float) -> Told:
    """All backends are out; nearly everything that is asked of them is asked by callers."""
    told = Told(f"all backends {outage}, {policy}")
    with _connects() as connects:
        async with _serving(policy, [OUTAGES[outage]] * 3) as (url, upstreams):
            calls = await _called(url, seconds)
    told.calls = len(calls)
    reached = connects[0] if outage == "refused" else sum(upstream.asked for upstream in upstreams)
    told.figures["asked"] = reached
    told.figures["asked a call"] = reached / max(1, len(calls))
    told.check(reached <= MORE * len(calls), f"{told.name}: {reached} requests for {len(calls)} calls")
    told.check(not any(good for *_, good in calls), f"{told.name}: some calls were answered")
    return told


async def partial_outage(trouble: str, policy: str, seconds: float, settling: float = 1.0, connect: str = "5s") -> Told:
    """One of three backends is in trouble; after the first second, hardly a call fails."""
    told = Told(f"one of three {trouble}, {policy}")
    async with _serving(policy, [TROUBLES[trouble], good, good], connect) as (url, _):
        calls = await _called(url, seconds, settling)
    told.calls = len(calls)
    failed = sum(not good for *_, good in calls)
    took = sorted(took for took, _ in calls)
    told.figures["failed"] = failed
    told.figures["p50 ms"] = took[len(took) // 2] * 1000
    told.figures["p99 ms"] = took[len(took) * 99 // 100] * 1000
    told.check(failed < max(1, FEW * len(calls)), f"{told.name}: {failed} of {len(calls)} calls failed")
    return told


@asynccontextmanager
async def _serving(
    policy: str, scripts: list[Script | None], connect: str = "5s"
) -> AsyncIterator[tuple[str, list[Upstream]]]:
    """A gateway before upstreams with these scripts; where there is none, nobody listens."""
    async with AsyncExitStack() as opened:
        urls, upstreams = [], []
        for script in scripts:
            if script is None:
                urls.append(await opened.enter_async_context(refusing()))
            else:
                upstreams.append(await opened.enter_async_context(listening(script)))
                urls.append(upstreams[-1].url)
        backends = {
            name: openai_backend(url, timeout={"connect": connect, "first": "1s"})
            for name, url in zip(THREE, urls, strict=True)
        }
        backends["unguarded"] = {**backends["a"], "breaker": False}
        config = {"backends": backends, "models": {"m": POLICIES[policy]}}
        yield await opened.enter_async_context(gateway(config)), upstreams


async def _called(url: str, seconds: float, settling: float = 0.0) -> list[tuple[float, bool]]:
    """How long each call took that began after `settling` seconds, and whether it was answered."""
    began = time.monotonic()
    calls: list[tuple[float, bool]] = []
    request = asking("m", "n1", False)

    async def calling() -> None:
        caller = Caller(url)
        while (now := time.monotonic()) < began + seconds:
            heard = await caller.ask(request)
            if now >= began + settling:
                calls.append((time.monotonic() - now, heard.whole and heard.status == 200))
        caller.leave()

    await asyncio.gather(*(calling() for _ in range(CALLERS)))
    return calls


@contextmanager
def _connects() -> Iterator[list[int]]:
    """Counts how often anybody tries to connect: where nobody listens, nobody else can tell."""
    count, connect = [0], aiohappyeyeballs.start_connection

    async def counted(*arguments: Any, **options: Any) -> Any:
        count[0] += 1
        return await connect(*arguments, **options)

    with patch.object(aiohappyeyeballs, "start_connection", counted):
        yield count
