"""An upstream that embeds: what it is sent it counts and remembers, and each text's numbers are known."""

import base64
import json
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.serving import gateway, post
from tests.upstream import Connection, Received, Script, Upstream, json_answer, listening

EMBED = {"request": {"texts": "{{ input }}"}, "response": {"vectors": "points", "usage": {"prompt": "count"}}}


def numbers(text: Any) -> list[float]:
    """The embedding of a text, or of an array of tokens: exact in 32 bits."""
    return [float(len(text)), 0.5, -0.25]


async def points(connection: Connection, received: Received) -> None:
    """A list of texts, or one."""
    asked = received.json
    if "text" in asked:
        await connection.send(json_answer({"point": numbers(asked["text"]), "count": 1}))
        return
    told = {"points": [numbers(text) for text in asked["texts"]], "count": len(asked["texts"])}
    await connection.send(json_answer(told))


async def openai(connection: Connection, received: Received) -> None:
    """OpenAI's own answer, in a strange order; base64 where that is asked for."""
    asked = received.json
    texts = [asked["input"]] if isinstance(asked["input"], str) else asked["input"]
    told = [{"object": "embedding", "index": at, "embedding": numbers(text)} for at, text in enumerate(texts)]
    if asked.get("encoding_format") == "base64":
        for item in told:
            item["embedding"] = base64.b64encode(array("f", item["embedding"]).tobytes()).decode()
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    await connection.send(json_answer({"object": "list", "data": told[::-1], "model": asked["model"], "usage": usage}))


def http(base: str, backend: dict[str, Any] | None = None, **options: Any) -> dict[str, Any]:
    """A configuration with one model `m` on a backend `b` that embeds and does nothing else."""
    top = {key: options.pop(key) for key in ("errors", "hooks", "keys", "store") if key in options}
    about = {"url": f"{base}/embed", **EMBED, **options}
    return {"backends": {"b": {"kind": "http", "embeddings": about, **(backend or {})}}, "models": {"m": "b"}, **top}


@asynccontextmanager
async def served(script: Script = points, **options: Any) -> AsyncIterator[tuple[str, Upstream]]:
    """The address of a gateway before such a backend, and the backend."""
    async with listening(script) as upstream, gateway(http(upstream.url, **options)) as url:
        yield url, upstream


async def embed(url: str, **asked: Any) -> tuple[int, dict[str, str], dict[str, Any]]:
    """Status, headers and JSON of an answer."""
    status, headers, body = await post(url, {"model": "m", "input": "Hello", **asked}, "/v1/embeddings")
    return status, headers, json.loads(body)


async def refused(url: str, **asked: Any) -> tuple[int, str | None, str | None, str]:
    """Status, code, param and message of a refusal."""
    status, _, told = await embed(url, **asked)
    error = told["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return status, error["code"], error["param"], error["message"]


def told(answer: dict[str, Any]) -> list[list[float]]:
    """The embeddings of an answer."""
    assert [item["index"] for item in answer["data"]] == list(range(len(answer["data"])))
    return [item["embedding"] for item in answer["data"]]
