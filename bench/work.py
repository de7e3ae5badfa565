"""The kinds of calls that are measured, and the bodies that are posted."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WORDS = (
    "The harbour lay quiet under a pale sky; two boats came in before noon, heavy with herring, "
    "and the gulls followed them to the quay, where a café had just opened its shutters. "
)


@dataclass(frozen=True)
class Work:
    """One kind of call."""

    name: str
    callers: int
    one_in: int
    """There is one such call for so many JSON calls, because it takes that much longer."""
    model: str
    """The upstream answers at once, except for the model `paced`."""
    mark: str
    """What a whole answer contains."""
    events: int
    budget: int
    """The CPU time, in µs, that dragoman may take for it."""
    path: str = "/v1/chat/completions"

    @property
    def title(self) -> str:
        return f"{self.name}, c={self.callers}"

    @property
    def file(self) -> str:
        return f"{self.name.lower().replace(' ', '-')}.json"

    def calls(self, json_calls: int) -> int:
        return max(json_calls // self.one_in, self.callers)


WORKS = (
    Work("JSON", callers=32, one_in=1, model="quick", mark='"finish_reason":"stop"', events=0, budget=200),
    Work("burst stream", callers=32, one_in=4, model="quick", mark="data: [DONE]", events=50, budget=400),
    Work("paced stream", callers=8, one_in=25, model="paced", mark="data: [DONE]", events=50, budget=4000),
)


def request(model: str, stream: bool = False, size: int = 330, turns: int = 1) -> dict[str, Any]:
    """A chat request whose messages have `size` characters each."""
    text = (WORDS * (size // len(WORDS) + 1))[:size]
    said = [{"role": "assistant" if turn % 2 else "user", "content": text} for turn in range(turns)]
    return {
        "model": model,
        "messages": [{"role": "system", "content": "You are a helpful assistant."}, *said],
        "temperature": 0.7,
        "top_p": 0.95,
        "max_tokens": 256,
        "presence_penalty": 0.0,
        "frequency_penalty": 0.0,
        "seed": 7,
        "user": "user-1234",
        "stream": stream,
    }


def as_body(request: dict[str, Any]) -> bytes:
    return json.dumps(request, ensure_ascii=False, separators=(",", ":")).encode()


def write_bodies(folder: Path) -> None:
    for work in WORKS:
        (folder / work.file).write_bytes(as_body(request(work.model, stream=work.events > 0)))
