"""A whole answer as a message."""

from collections.abc import Iterator
from typing import Any

from dragoman.call import Chunk
from dragoman.completion import Folded
from dragoman.errors import UpstreamBadResponse, UpstreamFailure
from dragoman.json import dumped, loaded
from dragoman.messages.heard import Heard
from dragoman.messages.words import thoughts_in, usage
from dragoman.wire.chat import ChatRequest
from dragoman.wire.messages import SIGNATURE

CUT = ("length", "content_filter")
"""Ends that may come in the midst of a call."""


class Whole:
    """A message taking shape."""

    def __init__(self, id: str, request: ChatRequest, beginning: str) -> None:
        self._request = request
        self._folded = Folded(id, 0, request.model)
        self._heard = Heard(request, beginning)

    def add(self, chunk: Chunk) -> None:
        if chunk.index:  # there is one message, whatever a backend says beside it
            self._folded.usage = chunk.usage or self._folded.usage
            return
        self._heard.read(chunk)
        self._folded.add(chunk)

    def json(self) -> bytes:
        """The message. Raises UpstreamDisconnected if it is not whole, UpstreamBadResponse if a call cannot be read."""
        completion = self._folded.completion()
        choice = completion["choices"][0]
        said, finish = choice["message"], choice["finish_reason"]
        calls = [call for call in said.get("tool_calls") or () if call["type"] == "function"]
        texts = thoughts_in(said), said["content"] or "", *(call["function"]["arguments"] for call in calls)
        return dumped(
            {
                "id": completion["id"],
                "type": "message",
                "role": "assistant",
                "model": completion["model"],
                "content": list(_blocks(texts[0], texts[1], calls, finish)),
                **self._heard.ending(finish),
                "usage": usage(completion.get("usage"), self._request, sum(map(len, texts))),
            }
        )


def _blocks(thoughts: str, text: str, calls: list[dict[str, Any]], finish: str) -> Iterator[dict[str, Any]]:
    if thoughts:
        yield {"type": "thinking", "thinking": thoughts, "signature": SIGNATURE}
    if text or not (thoughts or calls):
        yield {"type": "text", "text": text}
    for call in calls:
        function = call["function"]
        given = arguments(function["arguments"], finish, UpstreamBadResponse)
        yield {"type": "tool_use", "id": call["id"], "name": function["name"], "input": given}


def arguments(text: str, finish: str | None, bad: type[UpstreamFailure]) -> dict[str, Any]:
    """What a tool is called with; nothing, if the answer was cut before it was complete. Raises a failure if it is no
    object."""
    try:
        given = loaded(text.encode(errors="replace")) if text.strip() else {}
    except ValueError:
        given = None
    if isinstance(given, dict):
        return given
    if finish in CUT:
        return {}
    raise bad(detail="the arguments of a tool call are no JSON object")
