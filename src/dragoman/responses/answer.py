"""The response object, whole or as server-sent events."""

import time
from collections.abc import Mapping
from typing import Any

from dragoman.call import Chunk
from dragoman.errors import Failure, InvalidRequest, TooManyRequests, UpstreamRateLimited
from dragoman.json import dumped
from dragoman.responses.output import Output, usage
from dragoman.responses.tools import Offered
from dragoman.wire.responses import ResponseRequest

UNTOLD = {"description": None, "parameters": None, "strict": None}
ENDED = {"completed": "response.completed", "incomplete": "response.incomplete"}


class Frame:
    """What a response says beside its output: mostly what was asked."""

    def __init__(self, id: str, model: str, request: ResponseRequest, stored: bool) -> None:
        self.id = id
        self.tier = request.service_tier if request.service_tier not in (None, "auto") else "default"
        self._head = dumped(_echoed(id, model, request, stored))[:-1]

    def json(self, status: str, output: Output | None = None, **told: Any) -> bytes:
        """The response object in that status."""
        incomplete = output and output.limited
        more = {
            "status": status,
            "completed_at": int(time.time()) if status == "completed" else None,
            "error": None,
            "incomplete_details": {"reason": incomplete} if status == "incomplete" else None,
            "output": output.items if output else [],
            "service_tier": (output and output.service_tier) or self.tier,
            "usage": usage(output.usage) if output else None,
            **told,
        }
        return self._head + b"," + dumped(more)[1:]


def _echoed(id: str, model: str, request: ResponseRequest, stored: bool) -> dict[str, Any]:
    text: Mapping[str, Any] = request.text or {}
    reasoning: Mapping[str, Any] = request.reasoning or {}
    return {
        "id": id,
        "object": "response",
        "created_at": int(time.time()),
        "background": False,
        "instructions": request.instructions,
        "max_output_tokens": request.max_output_tokens,
        "max_tool_calls": request.max_tool_calls,
        "metadata": request.metadata or {},
        "model": model,
        "parallel_tool_calls": request.parallel_tool_calls is not False,
        "presence_penalty": request.presence_penalty or 0,
        "frequency_penalty": request.frequency_penalty or 0,
        "previous_response_id": request.previous_response_id,
        "prompt_cache_key": request.prompt_cache_key,
        "reasoning": {"effort": None, "summary": None, **reasoning},
        "safety_identifier": request.safety_identifier,
        "store": stored,
        "temperature": 1 if request.temperature is None else request.temperature,
        "text": {**text, "format": text.get("format") or {"type": "text"}},
        "tool_choice": request.tool_choice or "auto",
        "tools": [{**UNTOLD, **tool} if tool["type"] == "function" else tool for tool in request.tools or ()],
        "top_logprobs": request.top_logprobs or 0,
        "top_p": 1 if request.top_p is None else request.top_p,
        "truncation": request.truncation or "disabled",
        "user": request.user,
    }


class Folded:
    """The whole answer taking shape."""

    def __init__(self, frame: Frame, offered: Offered) -> None:
        self.frame = frame
        self.whole = b""
        """The response in the end, once it is known."""
        self._output = Output(frame.id, offered, self._tell)

    def _tell(self, kind: str, **about: Any) -> None:
        """Nobody listens."""

    def add(self, chunk: Chunk) -> None:
        """Takes what comes next."""
        self._output.add(chunk)

    def json(self) -> bytes:
        """The response object. Raises UpstreamDisconnected if it is not whole."""
        self._output.check_finished()
        self.whole = self.frame.json(self._status(), self._output)
        return self.whole

    def _status(self) -> str:
        return "incomplete" if self._output.limited else "completed"


class Streamed(Folded):
    """The same as server-sent events, whose `event:` is their type and whose numbers have no gaps."""

    def __init__(self, frame: Frame, offered: Offered) -> None:
        super().__init__(frame, offered)
        self._number = 0
        self._waiting: list[bytes] = []

    def events(self, chunk: Chunk) -> bytes:
        """What comes next, as events."""
        told = self._output.told
        if told and told.deltas and _only_text(chunk):
            told.pieces.append(chunk.text)
            number = self._number
            self._number += 1
            return b'%b%d,"delta":%b}\n\n' % (told.deltas, number, dumped(chunk.text))
        self._begin()
        self.add(chunk)
        return self._taken()

    def ending(self) -> bytes:
        """The response in the end, as its last event. Raises UpstreamDisconnected if it is not whole."""
        self._lifecycle(ENDED[self._status()], self.json())
        return self._taken()

    def broken(self, failure: Failure, request_id: str) -> bytes:
        """The response as one that failed, with what was said of it."""
        self._begin()
        error = {"code": _code(failure), "message": failure.told(request_id)}
        self._lifecycle("response.failed", self.frame.json("failed", self._output, error=error))
        return self._taken()

    def _begin(self) -> None:
        if not self._number:
            response = self.frame.json("in_progress")
            self._lifecycle("response.created", response)
            self._lifecycle("response.in_progress", response)

    def _tell(self, kind: str, **about: Any) -> None:
        told = dumped({"type": kind, "sequence_number": self._number, **about})
        self._put(kind, told)

    def _lifecycle(self, kind: str, response: bytes) -> None:
        self._put(kind, b'{"type":"%b","sequence_number":%d,"response":%b}' % (kind.encode(), self._number, response))

    def _put(self, kind: str, told: bytes) -> None:
        self._number += 1
        self._waiting.append(b"event: %b\ndata: %b\n\n" % (kind.encode(), told))

    def _taken(self) -> bytes:
        events = b"".join(self._waiting)
        self._waiting.clear()
        return events


def _only_text(chunk: Chunk) -> bool:
    return bool(chunk.text) and not (
        chunk.finish or chunk.index or chunk.tool_calls or chunk.delta or chunk.choice or chunk.answer or chunk.usage
    )


def _code(failure: Failure) -> str:
    """One of the codes that this API knows."""
    if isinstance(failure, TooManyRequests | UpstreamRateLimited):
        return "rate_limit_exceeded"
    return "invalid_prompt" if isinstance(failure, InvalidRequest) else "server_error"
