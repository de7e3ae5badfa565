"""A real Redis on a free port, which keeps nothing, for as long as a test wants it."""

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest

SERVER = shutil.which("redis-server")
SECONDS = 10.0
needs_redis = pytest.mark.skipif(SERVER is None, reason="no redis-server is installed")


@contextmanager
def redis_server(*options: str, port: int = 0) -> Iterator[str]:
    """The URL of a Redis while it runs; options are as on its command line: `--requirepass`, `secret`."""
    assert SERVER, "no redis-server is installed: mark the test with needs_redis"
    with tempfile.TemporaryDirectory() as folder:
        port = port or _free_port()
        given = ("--port", str(port), "--bind", "127.0.0.1", "--dir", folder, "--save", "", "--appendonly", "no")
        process = subprocess.Popen([SERVER, *given, *options], stdout=subprocess.DEVNULL)
        try:
            _wait(port, process)
            yield f"redis://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


def tell(url: str, command: str) -> bytes:
    """What Redis answers to a command: `tell(url, "shutdown nosave")` stops it."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname, parts.port), timeout=SECONDS) as connection:
        connection.sendall(f"{command}\r\n".encode())
        return connection.recv(65536)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def _wait(port: int, process: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + SECONDS
    while process.poll() is None and time.monotonic() < end:
        try:
            tell(f"redis://127.0.0.1:{port}", "ping")
        except OSError:
            time.sleep(0.01)
        else:
            return
    raise RuntimeError("redis-server did not start")
