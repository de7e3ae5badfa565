"""Asks a gateway as callers do, and takes apart what they hear, whole or streamed."""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from dragoman import Gateway
from tests import answering
from tests.serving import QUESTION, gateway, post
from tests.upstream import Script, Upstream, listening

Config = dict[str, Any]


@dataclass(frozen=True)
class Heard:
    """What a caller heard: a completion, an error, or the beginning of an answer and then an error."""

    status: int
    headers: Mapping[str, str]
    completion: Mapping[str, Any]
    error: Mapping[str, Any]
    texts: list[str]
    """The pieces of the text, as they came."""

    @property
    def message(self) -> dict[str, Any]:
        """What the assistant says, without its role."""
        [choice] = self.completion["choices"]
        return {name: value for name, value in choice["message"].items() if name != "role"}

    @property
    def text(self) -> str:
        return "".join(self.texts)

    @property
    def finish(self) -> str:
        [choice] = self.completion["choices"]
        return str(choice["finish_reason"])

    @property
    def usage(self) -> Any:
        return self.completion.get("usage")

    @property
    def calls(self) -> list[tuple[str, Any]]:
        """The name and the arguments of each tool call."""
        functions = [call["function"] for call in self.message.get("tool_calls", ())]
        return [(function["name"], json.loads(function["arguments"])) for function in functions]

    @property
    def ignored(self) -> str:
        return self.headers.get("x-dragoman-ignored", "")


async def ask(url: str, stream: bool = False, headers: Mapping[str, str] | None = None, **more: Any) -> Heard:
    """Asks; an answer without an error is as OpenAI's must be."""
    body = {**QUESTION, **more, **({"stream": True, "stream_options": {"include_usage": True}} if stream else {})}
    status, told, answer = await post(url, body, **(headers or {}))
    if not stream or status != 200:
        return _whole(status, told, answer)
    if not answer.endswith(b"<unfinished>"):
        chunks = answering.streamed(answer, with_usage=True)
        return Heard(status, told, answering.folded(chunks), {}, _texts(chunks))
    *_, last = events = [json.loads(event[6:]) for event in answer.split(b"\n\n") if event.startswith(b"data: {")]
    return Heard(status, told, {}, last["error"], _texts(events[:-1]))


def _whole(status: int, told: Mapping[str, str], answer: bytes) -> Heard:
    if status != 200:
        return Heard(status, told, {}, json.loads(answer)["error"], [])
    completion = answering.whole(answer)
    texts = [choice["message"]["content"] or "" for choice in completion["choices"]]
    return Heard(status, told, answering.said(completion), {}, texts)


def _texts(chunks: list[dict[str, Any]]) -> list[str]:
    deltas = [choice["delta"] for chunk in chunks for choice in chunk["choices"]]
    return [delta["content"] for delta in deltas if delta.get("content")]


def mapped(url: str, response: Any = "reply", **options: Any) -> Config:
    """A configuration with one model `m` on one backend `b` of the kind `http`; `response` may be the text's path."""
    said = {"text": response} if isinstance(response, str) else response
    backend = {"kind": "http", "url": url, **options, **({"response": said} if said else {})}
    if not {"request", "method"} & options.keys():
        backend["request"] = {"q": "{{ last_user }}"}
    return {"backends": {"b": backend}, "models": {"m": "b"}}


@asynccontextmanager
async def served(script: Script, *given: Any, path: str = "", **options: Any) -> AsyncIterator[tuple[str, Upstream]]:
    """The address of a gateway with one mapped backend, and that backend."""
    async with listening(script) as upstream, gateway(Gateway(mapped(upstream.url + path, *given, **options))) as url:
        yield url, upstream
