"""The real application behind a real uvicorn on a real port, in the test's own event loop."""

import asyncio
import shutil
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import openai
import pytest
import uvicorn

from dragoman import Gateway
from dragoman.server import settings

TRUSTED = ssl.create_default_context()
"""Made once, because making it takes longer than a call."""

needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="no curl is installed")

QUESTION = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


@asynccontextmanager
async def served(app: Any, **options: Any) -> AsyncIterator[str]:
    """The address of an ASGI application while it is served."""
    listening = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(settings(app, **options))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[listening])
    assert server.started, "the application did not start"
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        await _ended(server)
        await server.lifespan.shutdown()  # which a forced exit leaves out


async def _ended(server: uvicorn.Server) -> None:
    """Shuts down as uvicorn does, but without its pause for connections to end by themselves."""
    for listener in server.servers:
        listener.close()
    for connection in list(server.server_state.connections):
        connection.transport.abort()
    if server.server_state.tasks:
        await asyncio.wait(server.server_state.tasks, timeout=5)
    await server.lifespan.shutdown()


@asynccontextmanager
async def gateway(config: Gateway | Mapping[str, Any]) -> AsyncIterator[str]:
    """The address of a gateway while it is served."""
    made = config if isinstance(config, Gateway) else Gateway(config)
    async with served(made.app) as url:
        yield url


def http_backend(url: str, **options: Any) -> dict[str, Any]:
    """A configuration with one model `m` on one `http` backend `b`; `errors=` and `bounds=` go to the top level."""
    top = {key: options.pop(key) for key in ("errors", "bounds", "hooks") if key in options}
    backend = {
        "kind": "http",
        "url": url,
        "request": {"q": "{{ last_user }}"},
        "response": {"text": "reply"},
        **options,
    }
    return {"backends": {"b": backend}, "models": {"m": "b"}, **top}


def openai_backend(url: str, **options: Any) -> dict[str, Any]:
    top = {key: options.pop(key) for key in ("errors", "bounds", "hooks") if key in options}
    return {"backends": {"b": {"kind": "openai", "url": url, **options}}, "models": {"m": "b"}, **top}


def client(url: str, **options: Any) -> openai.AsyncOpenAI:
    """The official SDK, without retries."""
    options = {"http_client": openai.DefaultAsyncHttpxClient(verify=TRUSTED), "api_key": "sk-test", **options}
    return openai.AsyncOpenAI(base_url=f"{url}/v1", max_retries=0, **options)


async def post(
    url: str, body: Any, path: str = "/v1/chat/completions", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """Posts to a path, the chat's by default: status, headers in lower case, body (as far as it came)."""
    data = {"data": body} if isinstance(body, bytes) else {"json": body}
    async with (
        aiohttp.ClientSession() as session,
        session.post(url + path, headers=headers, **data) as got,
    ):
        read = b""
        try:
            async for piece in got.content.iter_any():
                read += piece
        except aiohttp.ClientPayloadError:
            read += b"<unfinished>"
        return got.status, {name.lower(): value for name, value in got.headers.items()}, read


async def raw(url: str, *pieces: bytes, pause: float = 0.0, wait: float = 5.0) -> bytes:
    """Writes bytes to the server's port; returns what it answers until it closes or falls silent for `wait` seconds."""
    host, _, port = url.removeprefix("http://").rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    got = b""
    try:
        for number, piece in enumerate(pieces):
            if number and pause:
                await asyncio.sleep(pause)
            writer.write(piece)
            await writer.drain()
        async with asyncio.timeout(wait):
            while piece := await reader.read(65536):
                got += piece
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.close()
    return got
