"""An answer as Anthropic's events: one block after the other, however the deltas of a chat come mixed.

A message starts, each of its blocks starts, grows and stops before the next one starts, and the message ends
(Claude API reference, streaming messages).
"""

from collections.abc import Iterator
from typing import Any

from dragoman.call import Chunk
from dragoman.completion import Choice
from dragoman.errors import Failure, UpstreamBadEvent, UpstreamDisconnected
from dragoman.json import dumped, loaded
from dragoman.messages.heard import Heard
from dragoman.messages.manners import refusal
from dragoman.messages.whole import arguments
from dragoman.messages.words import thoughts_in, usage, used
from dragoman.wire.chat import ChatRequest
from dragoman.wire.messages import SIGNATURE

TEXT, THINKING = "text", "thinking"
"""The blocks that are no tool calls; those go by their numbers."""
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
_GROWS: dict[int | str, tuple[str, str]] = {
    TEXT: ("text_delta", "text"),
    THINKING: ("thinking_delta", "thinking"),
}


class _Block:
    """What is not told yet of a block, and of a call all that it is called with."""

    __slots__ = ("_looked", "arguments", "key", "opening", "waiting")

    def __init__(self, key: int | str, opening: dict[str, Any]) -> None:
        self.key, self.opening = key, opening
        self.arguments: list[str] = []
        self.waiting: list[str] = []
        self._looked = 0

    def complete(self) -> bool:
        """Whether another block may come: a call must have got its arguments."""
        if self.key in _GROWS:
            return True
        if self._looked == len(self.arguments) or not self.arguments[-1].rstrip().endswith("}"):
            return False  # a look takes as long as they are
        self._looked = len(self.arguments)
        try:
            return isinstance(loaded("".join(self.arguments).encode(errors="replace")), dict)
        except ValueError:
            return False


class Events:
    """A message as server-sent events."""

    def __init__(self, id: str, request: ChatRequest, beginning: str) -> None:
        self._id, self._request = id, request
        self._choice = Choice(0)
        self._heard = Heard(request, beginning)
        self._usage: dict[str, Any] | None = None
        self._said = 0
        self._started = False
        self._index = -1
        self._now: _Block | None = None
        self._later: dict[int | str, _Block] = {}
        self._head = b""
        """What a piece of text begins with while text is told; empty while anything else is."""

    def events(self, chunk: Chunk) -> bytes:
        """The chunk as events; none at all if there is nothing to tell."""
        if self._head and not (chunk.finish or chunk.tool_calls or chunk.delta or chunk.choice or chunk.usage):
            if not chunk.text or chunk.index:
                return b""
            self._said += len(chunk.text)
            return self._head + dumped(chunk.text) + b"}}\n\n"
        return b"".join(self._written(chunk))

    def _written(self, chunk: Chunk) -> Iterator[bytes]:
        if chunk.usage:
            self._usage = chunk.usage
        if not self._started:
            self._started = True
            yield _event("message_start", message=self._opening())
        if chunk.index:  # there is one message, whatever a backend says beside it
            return
        self._heard.read(chunk)
        ended = self._choice.finish
        for delta in self._choice.deltas(chunk):
            yield from self._told(delta)
        if self._choice.finish != ended:
            yield from self._closed()
        self._head = self._text_head()

    def _opening(self) -> dict[str, Any]:
        """The message before anything is said. What it was asked with is known exactly at its end only."""
        known = usage(self._usage, self._request, 0)
        return {
            "id": self._id,
            "type": "message",
            "role": "assistant",
            "model": self._request.model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {**known, **used(known["input_tokens"], 0, known["cache_read_input_tokens"])},
        }

    def _told(self, delta: dict[str, Any]) -> Iterator[bytes]:
        if thoughts := thoughts_in(delta):
            yield from self._grown(THINKING, {"type": "thinking", "thinking": "", "signature": ""}, thoughts)
        if text := delta.get("content"):
            yield from self._grown(TEXT, {"type": "text", "text": ""}, text)
        for call in delta.get("tool_calls") or ():
            if call.get("type", "function") == "function" and "function" in call:
                function = call["function"]
                opening = {"type": "tool_use", "id": call.get("id"), "name": function.get("name"), "input": {}}
                yield from self._grown(call["index"], opening, function.get("arguments") or "")

    def _grown(self, key: int | str, opening: dict[str, Any], text: str) -> Iterator[bytes]:
        """More of a block. It waits while another one cannot be left."""
        self._said += len(text)
        now = self._now
        if now and now.key == key:
            yield from self._piece(now, text)
            return
        block = self._later.setdefault(key, _Block(key, opening))
        block.waiting.append(text)
        while self._later and (self._now is None or self._now.complete()):
            yield from self._next()

    def _next(self) -> Iterator[bytes]:
        """Stops the block that is told, and starts the first one that waits."""
        yield from self._stopped()
        key = next(iter(self._later))
        block = self._now = self._later.pop(key)
        self._index += 1
        yield _event("content_block_start", index=self._index, content_block=block.opening)
        yield from self._piece(block, "".join(block.waiting))

    def _piece(self, block: _Block, text: str) -> Iterator[bytes]:
        if not text:
            return
        kind, field = _GROWS.get(block.key, ("input_json_delta", "partial_json"))
        if block.key not in _GROWS:
            block.arguments.append(text)
        yield _event("content_block_delta", index=self._index, delta={"type": kind, field: text})

    def _stopped(self) -> Iterator[bytes]:
        block, self._now = self._now, None
        if block is None:
            return
        if block.key == THINKING:
            signed = {"type": "signature_delta", "signature": SIGNATURE}
            yield _event("content_block_delta", index=self._index, delta=signed)
        if block.key not in _GROWS:
            arguments("".join(block.arguments), self._choice.finish, UpstreamBadEvent)
        yield _event("content_block_stop", index=self._index)

    def _closed(self) -> Iterator[bytes]:
        """All that waits, and the end of the last block."""
        while self._later:
            yield from self._next()
        if self._index < 0:
            self._later[TEXT] = _Block(TEXT, {"type": "text", "text": ""})
            yield from self._next()
        yield from self._stopped()

    def _text_head(self) -> bytes:
        if self._now is None or self._now.key != TEXT:
            return b""
        start = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":' % self._index
        return start + b'{"type":"text_delta","text":'

    def ending(self) -> bytes:
        """What comes after the last chunk. Raises UpstreamDisconnected if the answer is not whole."""
        if not self._choice.finish:
            raise UpstreamDisconnected(detail="the answer ended without a finish reason")
        told = usage(self._usage, self._request, self._said)
        return _event("message_delta", delta=self._heard.ending(self._choice.finish), usage=told) + STOP

    def broken(self, failure: Failure, request_id: str) -> bytes:
        """The failure as an event, after which the message has no end."""
        return b"event: error\ndata: " + refusal(failure, request_id) + b"\n\n"


def _event(type: str, **fields: Any) -> bytes:
    return b"".join((b"event: ", type.encode(), b"\ndata: ", dumped({"type": type, **fields}), b"\n\n"))
