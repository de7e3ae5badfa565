#!/usr/bin/env python3
"""What keys, limits and the ledger add to a call, in CPU microseconds of the process, threads and all.

.venv/bin/python -m bench.accounts [--redis redis://127.0.0.1:6379]
"""

import argparse
import asyncio
import gc
import json
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from hashlib import sha256
from pathlib import Path
from typing import Any

import uvloop

from dragoman import Gateway
from dragoman.server import GC_THRESHOLDS

CALLS, ROUNDS, CALLERS = 1600, 12, 16
SECRET = "dm-bench"
BODY = {"model": "m", "messages": [{"role": "user", "content": "Where do the herring boats land? " * 16}]}
KEY = {"hash": sha256(SECRET.encode()).hexdigest(), "models": ["m", "team-*"]}
LIMITS = {"rpm": 10**8, "tpm": 10**9, "concurrent": 1000, "budget": "1000000/month"}


async def answer(request: Any) -> str:
    return "They land at the quay, below the café."


def shapes(folder: Path, redis: str | None) -> Mapping[str, dict[str, Any]]:
    """What is compared: each has more than the one before."""
    ledger = {"store": f"sqlite:///{folder}/bench.db"}
    made: dict[str, dict[str, Any]] = {
        "open": {},
        "a key": {"keys": {"k": KEY}},
        "a key with limits": {"keys": {"k": {**KEY, **LIMITS}}},
        "a key with limits, and the ledger": {"keys": {"k": {**KEY, **LIMITS}}, **ledger},
        "the ledger alone": {"store": f"sqlite:///{folder}/alone.db"},
    }
    if redis:
        made["… and limits in Redis"] = {"keys": {"k": {**KEY, **LIMITS}}, "redis": redis, **ledger}
    return made


async def main(redis: str | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with AsyncExitStack() as opening:
            gateways = {}
            for name, more in shapes(Path(folder), redis).items():
                backends = {"b": {"kind": "python", "target": answer}}
                models = {"m": {"backend": "b", "price": {"prompt": 1, "completion": 2}}}
                gateways[name] = Gateway({"backends": backends, "models": models, **more})
                await opening.enter_async_context(gateways[name].opened())
            gc.collect()
            gc.freeze()
            gc.set_threshold(*GC_THRESHOLDS)  # as it is served
            for stream in (False, True):
                await compare(gateways, json.dumps({**BODY, "stream": stream}).encode())


async def compare(gateways: Mapping[str, Gateway], body: bytes) -> None:
    best = dict.fromkeys(gateways, float("inf"))
    for _ in range(ROUNDS):
        for name, gateway in gateways.items():
            best[name] = min(best[name], await measured(gateway, body))
    print("a stream" if b'"stream": true' in body else "one JSON")
    for name, spent in best.items():
        print(f"  {name:36} {spent:7.1f} µs   + {spent - best['open']:5.1f}")


async def measured(gateway: Gateway, body: bytes) -> float:
    began = time.process_time()
    await asyncio.gather(*(calls(gateway, body, CALLS // CALLERS) for _ in range(CALLERS)))
    await asyncio.sleep(0.6)  # until the ledger has written
    return (time.process_time() - began) / CALLS * 1e6


async def calls(gateway: Gateway, body: bytes, count: int) -> None:
    for _ in range(count):
        await call(gateway, body)


async def call(gateway: Gateway, body: bytes) -> None:
    headers = [(b"host", b"x"), (b"authorization", f"Bearer {SECRET}".encode()), (b"content-type", b"application/json")]
    scope = {"type": "http", "method": "POST", "path": "/v1/chat/completions", "headers": headers, "client": ("::1", 1)}
    came: list[dict[str, Any]] = []
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> dict[str, Any]:
        return left.pop() if left else await asyncio.get_running_loop().create_future()

    async def send(message: dict[str, Any]) -> None:
        came.append(message)

    await gateway.app(scope, receive, send)
    assert came[0]["status"] == 200, came


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--redis")
    uvloop.run(main(options.parse_args().redis))
