"""A real PostgreSQL on a free port, for as long as a test wants it."""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import pytest

USER, PASSWORD, NAME = "dragoman", "s3cret:of/the@base", "ledger"
QUOTED = "s3cret%3Aof%2Fthe%40base"
SECONDS = 30.0
"""That it may take to start."""
# what a process has written outlives it without fsync, too
QUICK = ("fsync=off", "shared_buffers=8MB", "max_connections=40", "full_page_writes=off", "autovacuum=off")


def _bin() -> Path | None:
    """Where all of its programs are; a link to one of them may be elsewhere."""
    linked = shutil.which("initdb") or max(map(str, Path("/usr/lib/postgresql").glob("*/bin/initdb")), default=None)
    return Path(linked).resolve().parent if linked else None


BIN = _bin()
AS_ROOT = os.geteuid() == 0
"""It refuses to run as root, and then runs as `postgres`."""
needs_postgres = pytest.mark.skipif(BIN is None, reason="no PostgreSQL is installed")


class Postgres:
    """A server that can be stopped, killed, hung and started again; what it keeps stays."""

    def __init__(self, data: Path, port: int) -> None:
        self.port = port
        self._data = data
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return self.named()

    def named(self, name: str = NAME, password: str = QUOTED) -> str:
        """The URL of a database in it."""
        return f"postgresql://{USER}:{password}@127.0.0.1:{self.port}/{name}"

    def start(self) -> None:
        """Starts it, unless it runs, and waits until it answers."""
        if self._process is not None:
            return
        options = [part for option in QUICK for part in ("-c", option)]
        place = ("-D", str(self._data), "-p", str(self.port), "-h", "127.0.0.1", "-k", "")
        command = [*_unprivileged(), _program("postgres"), *place, *options]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        self._wait()

    def stop(self) -> None:
        """Ends it in order, at once."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Ends it as a crash would."""
        self._end(signal.SIGQUIT)

    def hang(self) -> None:
        """Lets it and all that it has begun do nothing, until `wake`."""
        for process in self._all():
            os.kill(process, signal.SIGSTOP)

    def wake(self) -> None:
        for process in self._all():
            os.kill(process, signal.SIGCONT)

    def make(self, name: str) -> str:
        """The URL of a new, empty database."""
        self.tell(f'CREATE DATABASE "{name}"')
        return self.named(name)

    def tell(self, sql: str, name: str = NAME) -> str:
        """What it answers to a statement."""
        command = [_program("psql"), "-X", "-q", "-t", "-A", "-d", self.named(name), "-c", sql]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=SECONDS).stdout.strip()

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        self._process.send_signal(how)
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def _all(self) -> list[int]:
        assert self._process, "it does not run"
        main = self._process.pid
        inner = Path(f"/proc/{main}/task/{main}/children").read_text().split()
        return [main, *map(int, inner)]

    def _wait(self) -> None:
        assert self._process
        end = time.monotonic() + SECONDS
        while self._process.poll() is None and time.monotonic() < end:
            command = [_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)]
            if subprocess.run(command, timeout=SECONDS).returncode == 0:
                return
            time.sleep(0.02)
        raise RuntimeError("PostgreSQL did not start")


@contextmanager
def postgres_server() -> Iterator[Postgres]:
    """A server with an empty database, `url`."""
    with tempfile.TemporaryDirectory(prefix="dragoman-postgres-", ignore_cleanup_errors=True) as folder:
        _own(folder)
        data = Path(folder, "data")
        _run(*_unprivileged(), "cp", "-a", str(_template()), str(data))
        server = Postgres(data, _free_port())
        server.start()
        try:
            yield server
        finally:
            server.kill()


@cache
def _template() -> Path:
    """A data folder that was made once, by whichever test process came first, for all that follow."""
    version = _run(_program("postgres"), "--version").split()[-1].strip("()")
    folder = Path(tempfile.gettempdir(), f"dragoman-postgres-template-{os.getuid()}-{version.replace('/', '-')}")
    if not folder.exists():
        with tempfile.TemporaryDirectory(prefix="dragoman-postgres-") as making:
            _own(making)
            _initialise(Path(making, "data"), Path(making, "password"))
            try:
                Path(making, "data").rename(folder)
            except OSError:
                assert folder.exists(), "the template could neither be made nor found"  # else another was quicker
    return folder


def _initialise(data: Path, password: Path) -> None:
    password.write_text(PASSWORD)
    _own(str(password))
    as_whom = ("-U", USER, f"--pwfile={password}", "--auth=scram-sha-256")
    _run(*_unprivileged(), _program("initdb"), "-D", str(data), *as_whom, "-E", "UTF8", "--locale=C", "-N")
    made = f"CREATE DATABASE {NAME};\n".encode()
    command = [*_unprivileged(), _program("postgres"), "--single", "-D", str(data), "postgres"]
    subprocess.run(command, input=made, check=True, capture_output=True, timeout=SECONDS, cwd="/")


def _program(name: str) -> str:
    assert BIN, "no PostgreSQL is installed: mark the test with needs_postgres"
    return str(BIN / name)


def _unprivileged() -> list[str]:
    return ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", "--"] if AS_ROOT else []


def _own(path: str) -> None:
    if AS_ROOT:
        shutil.chown(path, "postgres", "postgres")


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, cwd="/")
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])
