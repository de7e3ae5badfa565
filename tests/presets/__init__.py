"""Known chat APIs: how each of them speaks, what it is asked, and what was recorded of it.

A folder of a preset's name holds its wire (`__init__.py`) and its recordings. The wire:

    GIVEN       what the preset is given beside its URL; `{url}` in a text is the upstream's
    MODEL       the backend's own name for the model
    whole()     an answer of a text as HTTP, for whatever the backend is asked
    stream()    the same in words as a stream; None if what is asked is no stream
    SAYS        by case, what a caller gets: `content`, `finish_reason`, `usage` (a part of it), `tool_calls` as
                (name, arguments), `annotations` as (url, title), whatever else a message has; or `status` and `code`
    ASKED       by case, what is asked beside or instead of `QUESTIONS`; may be left out

The requests are what dragoman sends; the answers are written as the APIs' references have them.

A case is a file, `whole.yaml`, or several exchanges, `whole-1.yaml`, `whole-2.yaml` and so on.
"""

import re
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any
from urllib.parse import urlsplit

from dragoman import Gateway
from dragoman.preset import preset
from dragoman.tape.exchange import Exchange
from dragoman.tape.files import read
from tests.upstream import Connection, Received, Script

HERE = Path(__file__).parent
STREAMED = ("text/event-stream", "application/x-ndjson", "text/plain")
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNkYAAAAAYAAjCB0C8AAAAASUVORK5CYII="

CITY = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
WEATHER = {"name": "get_weather", "description": "The weather in a city.", "parameters": CITY}
ASKING = {"role": "user", "content": "What is the weather in Graz and in Linz?"}
TOOLS = {"messages": [ASKING], "tools": [{"type": "function", "function": WEATHER}], "tool_choice": "auto"}


def call(id: str, city: str) -> dict[str, Any]:
    function = {"name": "get_weather", "arguments": f'{{"city": "{city}"}}'}
    return {"id": id, "type": "function", "function": function}


def result(id: str, text: str) -> dict[str, Any]:
    return {"role": "tool", "tool_call_id": id, "content": text}


def calling(*calls: dict[str, Any]) -> dict[str, Any]:
    return {"role": "assistant", "content": None, "tool_calls": list(calls)}


QUESTION: dict[str, Any] = {
    "messages": [
        {"role": "system", "content": "Answer in one sentence."},
        {"role": "user", "content": "Hello!"},
        {"role": "assistant", "content": "Grüß Gott, what can I do for you?"},
        {"role": "user", "content": "What is a dragoman?"},
    ],
    "temperature": 0.5,
    "max_tokens": 200,
    "stop": ["END"],
}
QUESTIONS: dict[str, dict[str, Any]] = {
    "tools": TOOLS,
    "results": {
        **TOOLS,
        "messages": [
            ASKING,
            calling(call("call_1", "Graz"), call("call_2", "Linz")),
            result("call_1", "sunny, 21 °C"),
            result("call_2", "rain, 14 °C"),
        ],
    },
    "image": {
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "What is this?"},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}},
                ],
            }
        ]
    },
    "schema": {
        "messages": [{"role": "user", "content": "Name a city."}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}},
    },
}
"""What is asked in a case; `QUESTION` where it is not here."""


@dataclass(frozen=True)
class Wire:
    """A known chat API as the tests know it."""

    name: str
    module: ModuleType

    def config(self, url: str, **more: Any) -> dict[str, Any]:
        """A configuration with the model `m` at an upstream, below whose URL is the path that the preset's has."""
        given = {name: _at(url, value) for name, value in self.module.GIVEN.items()}
        own = urlsplit(preset(self.name).takes["url"].default or "").path.rstrip("/")
        backend = {"preset": self.name, "url": url + own, **given}
        return {"backends": {"b": backend}, "models": {"m": {"backend": "b", "model": self.module.MODEL}}, **more}

    def app(self, url: str) -> Any:
        """The application in front of an upstream."""
        return Gateway(self.config(url)).app

    def script(self, text: str, words: list[str]) -> Script:
        """An upstream that speaks as the API does, and always says the same."""

        async def script(connection: Connection, received: Received) -> None:
            streamed = received.headers.get("accept") in STREAMED or "stream" in received.head.lower()
            said = self.module.stream(received, words) if streamed else None
            await connection.send(said or self.module.whole(received, text))

        return script

    @cached_property
    def cases(self) -> dict[str, list[Exchange]]:
        """What was recorded."""
        cases: dict[str, list[Exchange]] = {}
        for file in sorted((HERE / self.name).glob("*.yaml")):
            cases.setdefault(re.sub(r"-\d+$", "", file.stem), []).append(read(file))
        return cases

    def asked(self, case: str) -> dict[str, Any]:
        """What a caller asks in a case."""
        question = QUESTIONS.get(case.removesuffix("-stream"), QUESTION)
        return {"model": "m", **question, **getattr(self.module, "ASKED", {}).get(case, {})}


def _at(url: str, value: Any) -> Any:
    return value.replace("{url}", url) if isinstance(value, str) else value


WIRES = [
    Wire(file.parent.name, import_module(f"{__name__}.{file.parent.name}"))
    for file in sorted(HERE.glob("*/__init__.py"))
]
