"""One call, as far as it has come: what it used, and what the ledger keeps of it."""

import time
from typing import Any

from dragoman.call import Call, Chunk
from dragoman.counting.estimate import Estimate
from dragoman.counting.requests import prompt_tokens
from dragoman.ids import unique
from dragoman.json import dumped
from dragoman.store import Row

LEFT = 499
"""The status of a call whose caller did not wait for the answer."""
BROKEN = 502
"""That of an answer which ended before it was finished."""
MOST_TOKENS = 10**9
"""That a backend is believed to have used for one call."""

ESTIMATE = Estimate()


class Seen:
    """What is seen of a call while it is answered."""

    __slots__ = ("backend", "began", "call", "ended", "estimated", "first", "others", "status", "texts", "usage")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.began = time.perf_counter()
        self.first = 0.0
        """When the first chunk came; before that, 0."""
        self.status = 0
        self.ended = self.estimated = False
        self.backend = ""
        self.usage: dict[str, Any] | None = None
        self.texts: list[str] = []
        self.others: list[Chunk] = []

    def begin(self, chunk: Chunk) -> None:
        """The first chunk has come."""
        self.first = time.perf_counter()
        about = chunk.about or {}
        self.backend = about.get("backend", "")
        self.estimated = "usage" in about.get("emulated", "").split(",")

    def add(self, chunk: Chunk) -> None:
        """A chunk that says more than text."""
        if chunk.usage:
            self.usage = chunk.usage
        if chunk.finish:
            self.ended = True
        if chunk.text:
            self.texts.append(chunk.text)
        if chunk.tool_calls or chunk.delta:
            self.others.append(chunk)

    def finish(self) -> None:
        """Nothing more comes."""
        self.status = 200 if self.ended else BROKEN

    def tokens(self) -> tuple[int, int, int, bool]:
        """Tokens asked, answered and cached, and whether they are estimates. Nothing where nothing was answered."""
        if self.usage:
            details = self.usage.get("prompt_tokens_details")
            asked, answered = (_number(self.usage.get(name)) for name in ("prompt_tokens", "completion_tokens"))
            cached = _number(details.get("cached_tokens")) if isinstance(details, dict) else 0
            return asked, answered, min(cached, asked), self.estimated
        if not self.first:
            return 0, 0, 0, False
        texts = [*self.texts, *(dumped([chunk.tool_calls, chunk.delta]).decode() for chunk in self.others)]
        return prompt_tokens(self.call.request, ESTIMATE), ESTIMATE.count("".join(texts)), 0, True

    def row(self, model: str, prompt: int, completion: int, estimated: bool, cost: int) -> Row:
        """What the ledger keeps."""
        now, at = time.perf_counter(), time.time()
        return Row(
            unique(f"{round(at * 1000):x}-"),  # in the order of time, which a database keeps at half the cost
            at - (now - self.began),
            self.call.key.id,
            model,
            self.backend,
            self.call.surface,
            prompt,
            completion,
            estimated,
            cost,
            self.status or LEFT,
            self.first - self.began if self.first else None,
            now - self.began,
            self.call.id,
        )


def _number(given: Any) -> int:
    """A backend's number of tokens, if it can be one."""
    return given if isinstance(given, int) and 0 <= given <= MOST_TOKENS else 0
