"""Streams that are cut on their way to the gateway: the official SDK takes none for complete that is not."""

import asyncio
import random
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openai
from bench.endurance.callers import many
from bench.endurance.told import Told
from bench.endurance.upstream import Asked, listening
from bench.endurance.words import FINISH, events, folded_backend, http_backend, openai_backend, text, whole
from tests.serving import client, gateway
from tests.upstream import LAST_CHUNK, Connection, answer, chunked, stream_head

ROOT = Path(__file__).parents[2]
KINDS = {"openai": openai_backend, "http": http_backend, "folded": folded_backend}
FRAMINGS = ("chunked", "length", "close")
UNCUT = 0.05
"""The share of streams that are let be."""
LIVES = (0.02, 0.2)
"""Seconds that an upstream lives before it is killed."""


@dataclass(frozen=True)
class Fate:
    """What befalls an answer; it is told to the upstream in the prompt."""

    nonce: str
    framing: str
    ending: str
    share: float
    """How much of its bytes get through."""

    @classmethod
    def of(cls, prompt: str) -> "Fate":
        nonce, framing, ending, share = prompt.split()
        return cls(nonce, framing, ending, float(share))

    @classmethod
    def drawn(cls, number: int) -> "Fate":
        share = 1.0 if random.random() < UNCUT else random.random()
        return cls(f"n{number}", random.choice(FRAMINGS), random.choice(("closed", "reset")), share)

    @property
    def prompt(self) -> str:
        return f"{self.nonce} {self.framing} {self.ending} {self.share!r}"


async def cutting(connection: Connection, asked: Asked) -> None:
    """Sends as much of an answer as its fate allows, in two pieces."""
    fate = Fate.of(asked.prompt)
    said = framed(fate, asked)
    end = int(fate.share * len(said))
    middle = random.randint(0, end)
    await connection.send(said[:middle], said[middle:end], pause=random.choice((0.0, 0.002)))
    if fate.share < 1 and fate.ending == "reset":
        connection.reset()
    elif fate.share < 1 or fate.framing == "close":
        connection.writer.close()


def framed(fate: Fate, asked: Asked) -> bytes:
    """The bytes of an answer that nothing befalls."""
    pieces = events(fate.nonce, asked.mapped) if asked.stream else [whole(fate.nonce, asked.mapped)]
    type = "text/event-stream" if asked.stream else "application/json"
    if fate.framing == "chunked":
        return stream_head(type) + chunked(*pieces) + LAST_CHUNK
    said = answer(b"".join(pieces), type=type)
    return said.replace(b"Content-Length", b"X-Length") if fate.framing == "close" else said


async def cut_streams(count: int, at_once: int = 32) -> Told:
    """Each stream is cut at a random byte."""
    told = Told("streams cut at a random byte")
    async with listening(cutting) as upstream, _asking(upstream.url) as sdk:
        await many(count, at_once, lambda number: _consume(sdk, Fate.drawn(number), told))
    return told


async def dying_upstreams(count: int, at_once: int = 32) -> Told:
    """The upstream's process is killed again and again, with all that it streams."""
    told = Told("streams from an upstream that is killed")
    async with _killed(told) as url, _asking(url) as sdk:

        async def one(number: int) -> None:
            await _consume(sdk, Fate(f"n{number}", random.choice(FRAMINGS), "killed", random.uniform(0, 0.99)), told)

        await many(count, at_once, one)
    return told


@asynccontextmanager
async def _asking(url: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """The SDK before a gateway with backends of each kind there."""
    backends = {kind: made(url, breaker=False) for kind, made in KINDS.items()}
    async with gateway({"backends": backends, "models": {kind: kind for kind in KINDS}}) as at, client(at) as sdk:
        yield sdk


async def _consume(sdk: openai.AsyncOpenAI, fate: Fate, told: Told) -> None:
    """Reads an answer to its end: either that is an error, or nothing of it is missing or made up."""
    told.calls += 1
    kind = random.choice(list(KINDS))
    stream = kind != "folded" and random.random() < 0.8
    try:
        async with asyncio.timeout(60):
            got = await (_streamed if stream else _answered)(sdk, kind, fate.prompt)
    except Exception as error:
        told.figures[f"raised {type(error).__name__}"] += 1
        told.check(fate.share < 1, f"{kind}, {stream=}, {fate}: was whole, but raised {error!r}")
        told.check(not isinstance(error, TimeoutError), f"{kind}, {stream=}, {fate}: never ended")
        return
    told.figures["whole"] += 1
    told.check(got == (text(fate.nonce), FINISH), f"{kind}, {stream=}, {fate}: looks complete with {got}")


async def _streamed(sdk: openai.AsyncOpenAI, model: str, prompt: str) -> tuple[str, str | None]:
    said, finish = "", None
    async for chunk in await sdk.chat.completions.create(model=model, messages=_messages(prompt), stream=True):
        said += chunk.choices[0].delta.content or ""
        finish = chunk.choices[0].finish_reason or finish
    return said, finish


async def _answered(sdk: openai.AsyncOpenAI, model: str, prompt: str) -> tuple[str, str | None]:
    [choice] = (await sdk.chat.completions.create(model=model, messages=_messages(prompt))).choices
    return choice.message.content or "", choice.finish_reason


def _messages(prompt: str) -> Any:
    return [{"role": "user", "content": prompt}]


@asynccontextmanager
async def _killed(told: Told) -> AsyncIterator[str]:
    """The URL of an upstream that is killed again and again; its socket listens on, for the next."""
    with socket.create_server(("127.0.0.1", 0), backlog=256) as listener:
        killing = asyncio.create_task(_kill(listener.fileno(), told))
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            killing.cancel()
            await asyncio.wait([killing])


async def _kill(listener: int, told: Told) -> None:
    command = [sys.executable, "-m", "bench.endurance.dying", str(listener)]
    while True:
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, pass_fds=[listener], stdout=asyncio.subprocess.PIPE
        )
        try:
            assert process.stdout is not None
            await process.stdout.readline()
            await asyncio.sleep(random.uniform(*LIVES))
        finally:
            process.kill()
            await process.wait()
        told.figures["killed"] += 1
