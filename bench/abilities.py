"""What an emulated ability adds to a streamed event, and to a call: CPU in this process, beside the bare handler.

.venv/bin/python -m bench.abilities
"""

import asyncio
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from typing import Any

from dragoman.abilities import JSON, Supplied, Tools
from dragoman.call import ANYONE, Call, Chunk, Handler
from dragoman.config import Config
from dragoman.counting import opened
from dragoman.emulation import completed
from dragoman.emulation.json_schema import structured
from dragoman.emulation.max_tokens import limited
from dragoman.emulation.stop import stopped
from dragoman.emulation.tools import called
from dragoman.emulation.usage import counted
from dragoman.wire.chat import ChatRequest

EVENTS = 2000
ROUNDS = 15
PROSE = "The quick brown fox, it is said, jumps over the lazy dog; nobody has asked the dog. "
WEATHER = {"type": "object", "properties": {"text": {"type": "string"}}}
TOOLS = [{"type": "function", "function": {"name": "write", "description": "Writes.", "parameters": WEATHER}}]
WHOLE = f'<tool_call>\n{{"name": "write", "arguments": {{"text": "{PROSE * 115}"}}}}\n</tool_call>'
DOCUMENT = f'{{"text": "{PROSE * 115}"}}'


def saying(text: str) -> Handler:
    """Says a text in pieces of five characters."""
    pieces = [text[place : place + 5] for place in range(0, EVENTS * 5, 5)]

    async def handle(call: Call) -> AsyncIterator[Chunk]:
        for piece in pieces:
            yield Chunk(piece)
        yield Chunk(finish="stop")

    return handle


def seconds(handler: Handler, request: dict[str, Any], calls: int = 1) -> float:
    """The least CPU time that a round takes."""
    asked = ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": "Go."}], **request})

    async def once() -> None:
        for _ in range(calls):
            async with AsyncExitStack() as open:
                async for _chunk in handler(Call(asked, ANYONE, open)):
                    pass

    def timed() -> float:
        began = time.process_time()
        asyncio.run(once())
        return time.process_time() - began

    return min(timed() for _ in range(ROUNDS))


def an_event(name: str, layer: Callable[[Handler], Handler], text: str, **request: Any) -> None:
    """Says what a layer adds to an event."""
    handler = saying(text)
    bare, more = seconds(handler, {}), seconds(layer(handler), {"stream": True, **request})
    tell(name, (more - bare) / EVENTS * 1e6, "µs an event")


def a_call(name: str, **request: Any) -> None:
    """Says what a backend that lacks everything costs a call that does not ask for it."""

    async def handle(call: Call) -> AsyncIterator[Chunk]:
        yield Chunk("Yes.", "stop", usage={"prompt_tokens": 1})

    backend = Config.of({"backends": {"b": {"kind": "python", "target": print}}, "models": {"m": "b"}}).backends["b"]
    made = completed(handle, backend, Supplied(), "b")
    bare, more = seconds(handle, {}, EVENTS), seconds(made, request, EVENTS)
    tell(name, (more - bare) / EVENTS * 1e6, "µs a call")


def tell(name: str, cost: float, unit: str) -> None:
    sys.stdout.write(f"{name:<34}{cost:8.2f} {unit}\n")


def main() -> None:
    counter, prose = opened("estimate"), PROSE * 200
    an_event("stop, two words", stopped, prose, stop=["STOP", "\nObservation:"])
    an_event("stop, one that often almost begins", stopped, prose, stop=["the l-word"])
    an_event("usage", counted(counter), prose, stream_options={"include_usage": True})
    an_event("max_tokens, not reached", limited(counter), prose, max_tokens=1_000_000)
    an_event("max_tokens, almost reached", limited(counter), prose, max_tokens=counter.count(prose[: EVENTS * 5]) + 1)
    an_event("tools, none called", called(Tools(), 60), prose, tools=TOOLS)
    an_event("tools, arguments", called(Tools(), 60), WHOLE, tools=TOOLS)
    an_event("json_object", structured(JSON(), 60, False), DOCUMENT, response_format={"type": "json_object"})
    a_call("nothing asked for, streamed", stream=True)
    a_call("nothing asked for, whole (usage)")


if __name__ == "__main__":
    main()
