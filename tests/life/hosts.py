"""Two dragoman servers behind a real nginx, with one Redis between them."""

import asyncio
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.life.running import Running, running, status
from tests.life.talking import Told
from tests.redis_server import redis_server

NGINX = shutil.which("nginx")
START_SECONDS = 10.0
needs_nginx = pytest.mark.skipif(NGINX is None, reason="no nginx is installed")

CONF = """\
daemon off;
master_process off;
pid nginx.pid;
events {{}}
http {{
    access_log off;
    client_body_temp_path body;
    proxy_temp_path proxy;
    fastcgi_temp_path fastcgi;
    uwsgi_temp_path uwsgi;
    scgi_temp_path scgi;

    upstream dragoman {{
        server {first} max_fails=1 fail_timeout=2s;
        server {second} max_fails=1 fail_timeout=2s;
        keepalive 64;
    }}
    server {{
        listen 127.0.0.1:{port};
        add_header x-host $upstream_addr always;
        location / {{
            proxy_pass http://dragoman;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_set_header Host $host;
            proxy_buffering off;
            proxy_read_timeout 600s;
            proxy_next_upstream error timeout http_503 non_idempotent;
        }}
    }}
}}
"""


@dataclass
class Hosts:
    """Where callers ask, and the two servers behind it."""

    url: str
    first: Running
    second: Running


def host(told: Told) -> str:
    """The URL of the server that answered, which is the last that was asked."""
    return "http://" + told.headers["x-host"].split(", ")[-1]


@asynccontextmanager
async def hosts(folder: Path, config: dict[str, Any]) -> AsyncIterator[Hosts]:
    """Both servers with the same configuration, and nginx in front of them."""
    async with AsyncExitStack() as opening:
        made = {**config, "redis": opening.enter_context(redis_server())}
        for name in ("first", "second", "nginx"):
            (folder / name).mkdir()
        servers = [running(folder / name, made) for name in ("first", "second")]
        first, second = await asyncio.gather(*map(opening.enter_async_context, servers))
        yield Hosts(await opening.enter_async_context(balanced(folder / "nginx", first, second)), first, second)


@asynccontextmanager
async def balanced(folder: Path, *servers: Running) -> AsyncIterator[str]:
    """The URL of an nginx that asks the servers in turn."""
    assert NGINX, "no nginx is installed: mark the test with needs_nginx"
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    first, second = (server.url.removeprefix("http://") for server in servers)
    (folder / "nginx.conf").write_text(CONF.format(first=first, second=second, port=port))
    line = (NGINX, "-p", str(folder), "-c", "nginx.conf", "-e", "error.log")
    process = await asyncio.create_subprocess_exec(*line, stdin=asyncio.subprocess.DEVNULL)
    try:
        url = f"http://127.0.0.1:{port}"
        await _answers(url, folder / "error.log")
        yield url
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


async def _answers(url: str, log: Path) -> None:
    """Waits until a server answers through it."""
    error: Exception | None = None
    with suppress(TimeoutError):
        async with asyncio.timeout(START_SECONDS):
            while True:
                try:
                    assert (await status(url, "/health"))[0] == 200
                    return
                except aiohttp.ClientConnectionError as refused:
                    error = refused
                await asyncio.sleep(0.02)
    raise RuntimeError(f"nginx did not start; {log} may say why") from error
