"""Measuring: starts a gateway, lets callers loose on it, and reads what that cost."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gateways import Gateway
from machine import cpu_microseconds, members, memory_megabytes, stay_on
from work import WORKS, Work

MEASURED_SECONDS = 10
WARM_UP_SECONDS = 2
START_SECONDS = 120


class Failed(Exception):
    """Something could not be measured; the message says why."""


@dataclass(frozen=True)
class Tools:
    """The load's program, the upstream's port, and the folder for what is made on the way."""

    folder: Path
    upstream: int

    def loaded(self, port: int, work: Work, calls: int, seconds: float) -> dict:
        """What the callers tell after so many calls, or as many as begin within the seconds. All were answered."""
        numbers = [str(number) for number in (calls, work.callers, seconds)]
        asked = [work.path, self.folder / work.file]
        command = [self.folder / "load", str(port), *asked, *numbers, work.mark, str(work.events)]
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        if done.returncode:
            raise Failed(f"no load: {done.stderr.strip()}")
        told = json.loads(done.stdout)
        if told["failed"] or not told["good"]:
            raise Failed(f"{work.name}: {told['failed']} of {calls} calls failed, first with: {told['failure']}")
        return told


@dataclass(frozen=True)
class Figures:
    """What one kind of call cost in one round: CPU in µs a call, latencies in ms."""

    cpu: float
    p50: float
    p99: float


@dataclass(frozen=True)
class Visit:
    """One gateway in one round."""

    start: float
    """Seconds from its start to its first answer."""
    memory: float
    """MB after the load."""
    figures: dict[str, Figures]


@contextmanager
def running(command: list[str], core: int | None = None, **options) -> Iterator[subprocess.Popen]:
    """A process in a session of its own, on a core if one is named; at the end all that came from it is gone."""
    process = subprocess.Popen(command, start_new_session=True, preexec_fn=lambda: stay_on(core), **options)
    try:
        yield process
    finally:
        _end(process)


def _end(process: subprocess.Popen) -> None:
    """Asks first."""
    try:
        _signal_all(process, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
    finally:
        _signal_all(process, signal.SIGKILL)
        process.wait()


def _signal_all(process: subprocess.Popen, number: signal.Signals) -> None:
    for member in members(process.pid):
        with suppress(ProcessLookupError):
            os.kill(member, number)


@contextmanager
def upstream_on(source: Path, folder: Path) -> Iterator[Tools]:
    """Compiles the load and the upstream, and runs the upstream."""
    for name in ("load", "upstream"):
        _compile(source / f"{name}.c", folder / name)
    with running([str(folder / "upstream")], stdout=subprocess.PIPE, text=True) as process:
        yield Tools(folder, int(process.stdout.readline()))


def _compile(source: Path, program: Path) -> None:
    if program.exists() and program.stat().st_mtime > source.stat().st_mtime:
        return
    try:
        subprocess.run(["cc", "-O2", "-o", program, source], check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise Failed(f"cannot compile {source.name}: {error}; on Debian: apt-get install gcc libc6-dev") from None


def visited(gateway: Gateway, tools: Tools, core: int | None, calls: int) -> Visit:
    """Starts the gateway afresh and measures each kind of call, one after the other."""
    port = free_port()
    command = gateway.command(tools.folder, tools.upstream, port)
    log = tools.folder / f"{gateway.name}.log"
    with log.open("wb") as output:
        began = time.perf_counter()
        environment = {**os.environ, **gateway.environment}
        with running(command, core, env=environment, stdout=output, stderr=output) as process:
            wait_for_answer(process, port, tools.folder / WORKS[0].file, log)
            start = time.perf_counter() - began
            figures = {work.name: measured(process.pid, port, work, tools, calls) for work in WORKS}
            return Visit(start, memory_megabytes(process.pid), figures)


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as found:
        return found.getsockname()[1]


def wait_for_answer(process: subprocess.Popen, port: int, body: Path, log: Path) -> None:
    """Waits until a gateway answers."""
    text, end = body.read_bytes(), time.monotonic() + START_SECONDS
    while not _answers(port, text):
        if process.poll() is not None or time.monotonic() > end:
            said = log.read_text(errors="replace").strip().splitlines()[-5:]
            raise Failed("it did not come to answer; its last words:\n" + "\n".join(said))
        time.sleep(0.01)


def _answers(port: int, body: bytes) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    headers = {"Content-Type": "application/json", "Authorization": "Bearer sk-bench"}
    try:
        connection.request("POST", "/v1/chat/completions", body, headers)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def measured(session: int, port: int, work: Work, tools: Tools, json_calls: int) -> Figures:
    """What a kind of call costs a gateway that runs."""
    calls = work.calls(json_calls)
    tools.loaded(port, work, max(calls // 8, work.callers), WARM_UP_SECONDS)
    before = cpu_microseconds(session)
    told = tools.loaded(port, work, calls, MEASURED_SECONDS)
    spent = cpu_microseconds(session) - before
    return Figures(spent / told["good"], told["p50"], told["p99"])
