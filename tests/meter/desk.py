"""A gateway with keys in front of an upstream, and callers who hold them."""

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from dragoman import Gateway
from tests.serving import QUESTION, gateway, post
from tests.upstream import Script, Upstream, always, json_answer, listening
from tests.watching import eventually

SAYS = always(json_answer({"reply": "Hello to you", "in": 10, "out": 20}))


def key(name: str, **grant: Any) -> dict[str, Any]:
    """A configured key, whose secret is `secret-NAME`."""
    return {"hash": sha256(f"secret-{name}".encode()).hexdigest(), **grant}


@dataclass
class Told:
    """What a caller got."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def error(self) -> dict[str, Any]:
        return json.loads(self.body)["error"]


@dataclass
class Desk:
    url: str
    gateway: Gateway
    upstream: Upstream
    file: Path

    async def ask(self, name: str | None = "alice", model: str = "m", **more: Any) -> Told:
        headers = {"authorization": f"Bearer secret-{name}"} if name else {}
        return await self.asking(headers, model, **more)

    async def asking(self, headers: Mapping[str, str], model: str = "m", **more: Any) -> Told:
        return Told(*await post(self.url, {**QUESTION, "model": model, **more}, **headers))

    async def answers(self, status: int, name: str = "alice") -> bool:
        """Whether a call is answered with that status."""
        return (await self.ask(name)).status == status

    async def many(self, count: int, name: str = "alice", **more: Any) -> list[Told]:
        return list(await asyncio.gather(*(self.ask(name, **more) for _ in range(count))))

    async def rows(self, count: int) -> list[dict[str, Any]]:
        """The ledger, once there are so many rows in it."""

        async def there() -> bool:
            return len(self._rows()) >= count

        await eventually(there)
        return self._rows()

    def _rows(self) -> list[dict[str, Any]]:
        with sqlite3.connect(self.file) as connection:
            connection.row_factory = sqlite3.Row
            return [dict(row) for row in connection.execute("SELECT * FROM usage ORDER BY at")]


@asynccontextmanager
async def desk(
    keys: Mapping[str, Any], folder: Path, script: Script = SAYS, model: Mapping[str, Any] | None = None, **top: Any
) -> AsyncIterator[Desk]:
    """A gateway with models `m` and `other`, whose answers say that they have 10 and 20 tokens."""
    async with listening(script) as upstream:
        backend = {
            "kind": "http",
            "url": upstream.url,
            "request": {"q": "{{ last_user }}"},
            "response": {"text": "reply", "usage": {"prompt": "in", "completion": "out"}},
            **top.pop("backend", {}),
        }
        file = folder / "dragoman.db"
        config = {
            "backends": {"b": backend},
            "models": {"m": {"backend": "b", **(model or {})}, "other": "b"},
            "keys": dict(keys),
            "store": f"sqlite:///{file}",
            **top,
        }
        made = Gateway(config)
        async with gateway(made) as url:
            yield Desk(url, made, upstream, file)
