"""Upstreams that say their own names, and a gateway in front of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from dragoman import Gateway
from tests.serving import QUESTION, gateway, post
from tests.upstream import Script, Upstream, always, answer, json_answer, listening


@dataclass
class Heard:
    """What a caller got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def backend(self) -> str | None:
        return self.headers.get("x-dragoman-backend")

    @property
    def code(self) -> str | None:
        return None if self.status == 200 else json.loads(self.body)["error"]["code"]

    @property
    def text(self) -> str:
        return json.loads(self.body)["choices"][0]["message"]["content"]


@dataclass
class Place:
    """A gateway, and the upstreams behind it by their names."""

    url: str
    gateway: Gateway
    upstreams: dict[str, Upstream] = field(default_factory=dict)

    async def ask(self, model: str = "m", *, headers: Mapping[str, str] | None = None, **more: Any) -> Heard:
        return Heard(*await post(self.url, {**QUESTION, "model": model, **more}, **(headers or {})))

    async def many(self, count: int, model: str = "m", **more: Any) -> list[Heard]:
        return [await self.ask(model, **more) for _ in range(count)]

    def asked(self, name: str) -> int:
        return len(self.upstreams[name].requests)


def says(text: str) -> Script:
    return always(json_answer({"reply": text}))


def fails(status: str = "500 Broken", *headers: str) -> Script:
    return always(answer(b"{}", *headers, status=status))


def after(seconds: float, then: Script) -> Script:
    async def script(connection: Any, received: Any) -> None:
        await asyncio.sleep(seconds)
        await then(connection, received)

    return script


DEAD = "http://127.0.0.1:1"
"""Where nobody listens."""


@asynccontextmanager
async def placed(
    scripts: Mapping[str, Script | None],
    models: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
    **top: Any,
) -> AsyncIterator[Place]:
    """A gateway in front of an upstream for each script; None is one that nobody listens at."""
    async with AsyncExitStack() as opening:
        upstreams = {
            name: await opening.enter_async_context(listening(script)) for name, script in scripts.items() if script
        }
        backends = {name: _backend(upstreams[name].url if scripts[name] else DEAD, options) for name in scripts}
        made = Gateway({"backends": backends, "models": dict(models), **top})
        url = await opening.enter_async_context(gateway(made))
        yield Place(url, made, upstreams)


def _backend(url: str, options: Mapping[str, Any] | None) -> dict[str, Any]:
    said = {"kind": "http", "url": url, "request": {"q": "{{ last_user }}", "all": "{{ messages }}"}}
    asked = {"model": "{{ model }}", "temperature": "{{ temperature }}", "limit": "{{ max_tokens }}"}
    return {**said, "request": {**said["request"], **asked}, "response": {"text": "reply"}, **(options or {})}
