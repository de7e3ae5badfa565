"""A chat API that keeps conversations, and answers with the fingerprint of all that it was told in one."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any

from tests.upstream import LAST_CHUNK, Connection, Received, Upstream, chunked, json_answer, sse, stream_head

Turn = tuple[str, str]


def fingerprint(turns: Iterable[Turn]) -> str:
    """What is answered to exactly these turns."""
    said = list(turns)
    return f"{len(said)} heard: {sha256(json.dumps(said).encode()).hexdigest()[:12]}"


class Remembering:
    """`POST /talks` begins a conversation, `POST /say` goes on in one, or begins one if it names none."""

    def __init__(self) -> None:
        self.talks: dict[str, list[Turn]] = {}
        self.begun = 0
        """How many conversations there ever were."""
        self.said: list[dict[str, Any]] = []
        """The bodies of all requests to `/say`."""
        self.created: list[Received] = []
        self.answers: list[bytes] = []
        """What is answered to the next requests, in place of anything sensible."""
        self.lost = json_answer({"error": "no such talk"}, status="404 Not Found")
        self.takes_any = False
        """Whether an id that was never heard begins a conversation."""
        self.call: dict[str, Any] | None = None
        """A tool call that is answered to whoever says `call`."""
        self.pause = 0.0
        """Seconds before an answer, and in the middle of a stream."""

    async def __call__(self, connection: Connection, received: Received) -> None:
        path = received.head.split(" ")[1]
        if self.answers:
            await connection.send(self.answers.pop(0))
        elif path == "/talks":
            self.created.append(received)
            told = received.json.get("system")
            await connection.send(json_answer({"talk": {"id": self.opened([("system", told)] if told else [])}}))
        else:
            await self.say(connection, received.json)

    def opened(self, turns: list[Turn], id: str | None = None) -> str:
        """A new conversation."""
        self.begun += 1
        id = id or f"talk-{self.begun}"
        self.talks[id] = turns
        return id

    async def say(self, connection: Connection, body: dict[str, Any]) -> None:
        """Answers to what is new in a conversation."""
        self.said.append(body)
        id = body.get("talk")
        if id is None or (self.takes_any and id not in self.talks):
            id = self.opened([], id)
        if id not in self.talks:
            await connection.send(self.lost)
            return
        talk = self.talks[id]
        talk += [(turn["role"], turn["content"]) for turn in body["turns"]]
        called = self.call if talk[-1][1] == "call" else None
        reply = "" if called else fingerprint(talk)
        talk.append(("assistant", reply))
        await asyncio.sleep(self.pause)
        if body.get("live"):
            await self.stream(connection, id, reply, called)
        else:
            await connection.send(json_answer({"reply": reply, "talk": {"id": id}, "calls": called}))

    async def stream(self, connection: Connection, id: str, reply: str, called: Any) -> None:
        """Says it in three events, the id in the last but one."""
        first, second, third = sse({"reply": reply[:4]}, {"reply": reply[4:], "talk": {"id": id}}, {"calls": called})
        await connection.send(stream_head() + chunked(first))
        await asyncio.sleep(self.pause)
        await connection.send(chunked(second, third) + LAST_CHUNK)

    @property
    def news(self) -> list[list[str]]:
        """The texts of the turns that each request brought."""
        return [[turn["content"] for turn in body["turns"]] for body in self.said]


class Street:
    """An upstream that can be shut, and opened again at the same place."""

    def __init__(self, script: Remembering) -> None:
        self.upstream = Upstream(script=script)
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        self._server = await asyncio.start_server(self.upstream.serve, "127.0.0.1", self.upstream.port)
        self.upstream.port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        assert self._server
        self._server.close()
        for connection in self.upstream.connections:
            connection.writer.transport.abort()
        await self._server.wait_closed()


@asynccontextmanager
async def remembered() -> AsyncIterator[tuple[Remembering, Street]]:
    """A chat API that keeps conversations, on a street that is open."""
    backend = Remembering()
    street = Street(backend)
    await street.open()
    try:
        yield backend, street
    finally:
        await street.shut()
