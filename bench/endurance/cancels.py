"""Callers that leave at any moment: nobody hears of another's answer, and nothing stays behind."""

import asyncio
import gc
import random
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

from bench.endurance.callers import STAYING, Caller, Heard, Leaving, asking, many
from bench.endurance.told import Told
from bench.endurance.upstream import Asked, Upstream, listening
from bench.endurance.words import events, http_backend, openai_backend, text, whole
from tests.serving import gateway
from tests.upstream import LAST_CHUNK, Connection, answer, chunked, json_answer, stream_head
from tests.watching import becomes, descriptors, resident

PATIENT = 0.1
"""The share of callers that wait for as long as it takes."""
LONG = 3500
"""Bytes of a long answer."""
UNTIL_SWEPT = 45.0
"""Seconds after which no connection may be kept for further calls."""
CONTENT = re.compile(rb'"content":"([^"]*)"')


async def wandering(connection: Connection, asked: Asked) -> None:
    """Answers in its own time."""
    await asyncio.sleep(random.uniform(0, 0.01))
    if not asked.stream:
        await connection.send(*_halves(answer(whole(asked.prompt, asked.mapped))), pause=random.uniform(0, 0.004))
        return
    first, second = _halves(chunked(*events(asked.prompt, asked.mapped)) + LAST_CHUNK)
    await connection.send(stream_head(), first, second, pause=random.uniform(0, 0.01))


async def failing(connection: Connection, asked: Asked) -> None:
    """Answers, says that it cannot, or hangs up."""
    match random.randrange(6):
        case 0:
            await connection.send(json_answer({"error": asked.prompt}, status="503 Unavailable"))
        case 1:
            connection.writer.close()
        case _:
            await wandering(connection, asked)


def _halves(said: bytes) -> tuple[bytes, bytes]:
    middle = random.randrange(len(said))
    return said[:middle], said[middle:]


def config(good: str, bad: str) -> dict[str, Any]:
    """Backends of each kind, one of them failing, alone and by policies."""
    backends: dict[str, Any] = {}
    for kind, made in {"http": http_backend, "openai": openai_backend}.items():
        backends |= {kind: made(good), f"{kind}-2": made(good), f"{kind}-bad": made(bad, breaker=False)}
    for name, function in {"python": "streaming", "python-2": "telling", "python-bad": "failing"}.items():
        backends[name] = {"kind": "python", "target": f"bench.endurance.saying:{function}", "breaker": False}
    models: dict[str, Any] = {}
    for kind in ("http", "openai", "python"):
        models[kind] = kind
        models[f"{kind}-fallback"] = {"backends": [f"{kind}-bad", kind]}
        models[f"{kind}-hedge"] = {"backends": [kind, f"{kind}-2"], "policy": "hedge", "after": "5ms"}
    return {"backends": backends, "models": models}


class _Crowd:
    """Callers, and what they heard."""

    def __init__(self, url: str, models: list[str], told: Told) -> None:
        self._url, self._models, self._told = url, models, told
        self._idle: list[Caller] = []
        self._typical = 0.03

    async def one(self, number: int) -> None:
        """One call, which its caller may leave at any moment."""
        nonce, model = f"n{number}", random.choice(self._models)
        leaving = self._leaving()
        caller = self._idle.pop() if self._idle else Caller(self._url)
        began = time.monotonic()
        heard = await caller.ask(asking(model, nonce, random.random() < 0.5), leaving)
        self._idle.append(caller)
        if heard.whole:
            self._typical += 0.05 * (time.monotonic() - began - self._typical)
        self._note(f"{nonce} to {model}", nonce, heard, leaving is STAYING)

    def _leaving(self) -> Leaving:
        if random.random() < PATIENT:
            return STAYING
        reset = random.random() < 0.3
        if random.random() < 0.5:
            return Leaving(size=random.uniform(1, LONG), reset=reset)
        return Leaving(random.uniform(0, 1.6 * self._typical), reset=reset)

    def _note(self, call: str, nonce: str, heard: Heard, stayed: bool) -> None:
        told, said = self._told, b"".join(CONTENT.findall(heard.body)).decode()
        told.calls += 1
        told.figures["whole" if heard.whole else "left amid the answer" if heard.body else "left before it"] += 1
        told.check(text(nonce).startswith(said), f"{call}: heard {said!r}")
        told.check(heard.status in (0, 200), f"{call}: {heard.body[:500]!r}")
        told.check(heard.whole or not stayed, f"{call}: stayed, and got {heard.body!r}")
        told.check(said == text(nonce) or not heard.whole, f"{call}: whole with {said!r}")

    def leave(self) -> None:
        for caller in self._idle:
            caller.leave()


async def cancelled_calls(count: int, at_once: int = 64, within: float = UNTIL_SWEPT) -> Told:
    """Most calls are given up at a random moment; after `within` seconds nothing may be left of them."""
    told = Told("calls given up at a random moment")
    async with listening(wandering) as good, listening(failing) as bad:
        made = config(good.url, bad.url)
        async with gateway(made) as url, _leaving_nothing([good, bad], told, within):
            crowd = _Crowd(url, list(made["models"]), told)
            await many(count // 10, at_once, crowd.one)
            warm = resident()
            await many(count - count // 10, at_once, lambda number: crowd.one(number + count // 10))
            told.figures["MB more than after a tenth"] = (resident() - warm) / 2**20
            crowd.leave()
    return told


@asynccontextmanager
async def _leaving_nothing(upstreams: list[Upstream], told: Told, within: float) -> AsyncIterator[None]:
    """Connections to the upstreams, tasks and descriptors come back to what they were."""
    gc.collect()
    counts: dict[str, Callable[[], int]] = {
        "upstream connections": lambda: sum(upstream.open for upstream in upstreams),
        "tasks": lambda: len(asyncio.all_tasks()),
        "descriptors": descriptors,
    }
    before = {name: count() for name, count in counts.items()}
    yield
    told.figures["asked of upstreams"] = sum(upstream.asked for upstream in upstreams)
    for name, count in counts.items():
        with suppress(AssertionError):
            await becomes(lambda name=name, count=count: count() <= before[name], within)
        told.figures[f"{name} left"] = count() - before[name]
        told.check(count() <= before[name], f"{count() - before[name]} {name} stayed")
