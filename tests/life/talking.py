"""An upstream that takes its time, and callers that keep it busy."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.faults import text_in
from tests.serving import QUESTION, post
from tests.upstream import LAST_CHUNK, Connection, Received, Script, chunked, json_answer, sse, stream_head

WORDS = [f"word{number} " for number in range(15)]
TEXT = "".join(WORDS)


def backend(url: str, **more: Any) -> dict[str, Any]:
    """A backend that is asked for a stream or for a whole answer, whichever the caller wants."""
    stream = {"framing": "sse", "text": "t", "request": {"live": True}}
    request = {"q": "{{ last_user }}"}
    return {"kind": "http", "url": url, "request": request, "response": {"text": "reply"}, "stream": stream, **more}


def telling(seconds: float) -> Script:
    """All words, for so long; a whole answer all at once."""

    async def tell(connection: Connection, received: Received) -> None:
        if not received.json.get("live"):
            await connection.send(json_answer({"reply": TEXT}))
            return
        events = [chunked(*sse({"t": word})) for word in WORDS]
        await connection.send(stream_head(), *events, pause=seconds / len(WORDS))
        await connection.send(chunked(*sse("[DONE]")) + LAST_CHUNK)

    return tell


async def endless(connection: Connection, received: Received) -> None:
    """Words without end; a whole answer never comes."""
    leaving = asyncio.create_task(connection.gone())
    with suppress(ConnectionError):
        if received.json.get("live"):
            await connection.send(stream_head())
        while not leaving.done():
            if received.json.get("live"):
                await connection.send(chunked(*sse({"t": "word "})))
            await asyncio.sleep(0.05)
    await leaving


@dataclass
class Told:
    """What a caller was told, and when it asked."""

    status: int
    headers: dict[str, str]
    body: bytes
    began: float = 0.0

    @property
    def whole(self) -> bool:
        """Whether it is a complete answer with every word."""
        return self.status == 200 and self.text == TEXT and not self.cut

    @property
    def cut(self) -> bool:
        """Whether a stream came to no good end."""
        return b"<unfinished>" in self.body or (self.body[:5] == b"data:" and self.body[-14:] != b"data: [DONE]\n\n")

    @property
    def events(self) -> list[dict[str, Any]]:
        said = self.body.decode().removesuffix("<unfinished>")
        texts = [event.removeprefix("data: ") for event in said.split("\n\n") if event.startswith("data: ")]
        return [json.loads(text) for text in texts if text != "[DONE]"]

    @property
    def text(self) -> str:
        if self.body[:5] == b"data:":
            return text_in(self.events)
        return str(json.loads(self.body)["choices"][0]["message"]["content"])

    @property
    def code(self) -> str | None:
        """The code of the error that was told, in the envelope or as the last event."""
        last = self.events[-1] if self.body[:5] == b"data:" else json.loads(self.body)
        return last["error"]["code"] if "error" in last else None


async def ask(url: str, model: str = "m", stream: bool = False, **headers: str) -> Told:
    """One call on a connection of its own."""
    began = time.monotonic()
    return Told(*await post(url, {**QUESTION, "model": model, "stream": stream}, **headers), began)


@dataclass
class Load:
    """What callers were told that asked all the time, and when those asked who could not connect."""

    told: list[Told] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)


@asynccontextmanager
async def loaded(asks: Callable[[int], Awaitable[Told]], callers: int) -> AsyncIterator[Load]:
    """Callers ask one call after the other while it is open; then their last calls are waited for."""
    load, enough = Load(), asyncio.Event()

    async def come(number: int) -> None:
        while not enough.is_set():
            began = time.monotonic()
            try:
                load.told.append(await asks(number))
            except aiohttp.ClientConnectionError:
                load.refused.append(began)
                await asyncio.sleep(0.02)

    async with asyncio.TaskGroup() as group:
        for number in range(callers):
            group.create_task(come(number))
        try:
            yield load
        finally:
            enough.set()
