"""The old `functions` for a backend that knows `tools`: asked in the new words, answered in the old ones."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

from dragoman.call import Call, Chunk, Handler

Message = dict[str, Any]


def translated(next: Handler) -> Handler:
    """Asks for functions as tools, one call at most, and gives the call as `function_call`."""

    async def handle(call: Call) -> AsyncIterator[Chunk]:
        asked = call.without("functions", "function_call").asking(messages=_messages(call.request.messages))
        if call.request.functions:
            tools = [{"type": "function", "function": function} for function in call.request.functions]
            asked = asked.asking(tools=tools, tool_choice=_choice(call), parallel_tool_calls=False)
        made = False
        async for chunk in next(asked):
            if chunk.tool_calls:
                made = True
                chunk = _old(chunk)
            if chunk.finish and made and chunk.finish in ("stop", "tool_calls", "tool_call", "tool_use"):
                chunk.finish = "function_call"
            yield chunk

    return handle


def _choice(call: Call) -> Any:
    choice: Any = call.request.function_call or "auto"
    return choice if isinstance(choice, str) else {"type": "function", "function": {"name": choice["name"]}}


def _old(chunk: Chunk) -> Chunk:
    """The chunk with the pieces of its first call as those of a `function_call`."""
    delta = dict(chunk.delta or {})
    for given in chunk.tool_calls or ():
        if not given.get("index"):
            inner: Any = given.get("function") or {}
            old: dict[str, Any] = delta.get("function_call", {})
            joined = old.get("arguments", "") + (inner.get("arguments") or "")
            delta["function_call"] = {**({"name": inner["name"]} if inner.get("name") else old), "arguments": joined}
    return replace(chunk, tool_calls=None, delta=delta or None)


def _messages(messages: list[Any]) -> list[Message]:
    """The messages with `function_call` and `function` as tool calls and their results."""
    return list(_new(messages))


def _new(messages: list[Any]) -> Iterator[Message]:
    id = "call_0"
    for place, message in enumerate(messages):
        if message["role"] == "assistant" and message.get("function_call") and not message.get("tool_calls"):
            id = f"call_{place}"
            rest = {name: value for name, value in message.items() if name != "function_call"}
            yield {**rest, "tool_calls": [{"id": id, "type": "function", "function": message["function_call"]}]}
        elif message["role"] == "function":
            yield {"role": "tool", "tool_call_id": id, "content": message["content"] or ""}
        else:
            yield message
