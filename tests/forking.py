"""Commands in processes of their own, forked from one that has loaded the program already: each start is a second less.

Run as a program it is that process: it listens on a socket for what to run, and where.
"""

import asyncio
import atexit
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path
from typing import IO

SECONDS = 60.0
"""That a command may take."""
MOST = 256 * 1024
"""Bytes of a request."""

WIDE = {"COLUMNS": "200", "NO_COLOR": "1"}
"""What is read while the program is loaded."""

Ran = tuple[int, str, str]
"""Exit code, standard output, standard error."""


async def ran(*arguments: str) -> Ran:
    """Runs `dragoman` with these arguments, in this folder and with this environment."""
    asked = {"arguments": arguments, "folder": str(Path.cwd()), "environment": dict(os.environ)}
    return await asyncio.to_thread(_ran, json.dumps(asked).encode())


def _ran(asked: bytes) -> Ran:
    with (
        socket.socket(socket.AF_UNIX) as connection,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        connection.settimeout(SECONDS)
        connection.connect(_listening())
        socket.send_fds(connection, [asked], [out.fileno(), err.fileno()])
        connection.shutdown(socket.SHUT_WR)
        status = int(connection.recv(16))
        return status, _read(out), _read(err)


def _read(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


@cache
def _listening() -> str:
    """Where the process listens that has the program loaded; it ends with this one."""
    folder = tempfile.mkdtemp(prefix="dragoman-forking-")
    place = f"{folder}/socket"
    environment = {**os.environ, **WIDE}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.forking", place],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[1],
        env=environment,
    )
    atexit.register(process.kill)
    assert process.stdout
    assert process.stdout.readline() == b"ready\n"
    return place


def serve(place: str) -> None:
    """Forks for every request."""
    __import__("dragoman.cli")
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(place)
        listening.listen()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while True:
            connection, _ = listening.accept()
            if not os.fork():
                listening.close()
                os._exit(_answer(connection))
            connection.close()


def _answer(connection: socket.socket) -> int:
    """Runs what is asked in a process below this one, and tells its exit code."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    asked, files, _, _ = socket.recv_fds(connection, MOST, 2)
    while more := connection.recv(MOST):
        asked += more
    process = os.fork()
    if not process:
        connection.close()
        _run(json.loads(asked), *files)
    _, status = os.waitpid(process, 0)
    connection.send(str(os.waitstatus_to_exitcode(status)).encode())
    return 0


def _run(asked: dict[str, object], out: int, err: int) -> None:
    """Becomes the command. Never returns."""
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.chdir(str(asked["folder"]))
    os.environ.clear()
    os.environ.update(asked["environment"])  # type: ignore[call-overload]
    sys.argv = ["dragoman", *asked["arguments"]]  # type: ignore[misc]
    sys.path[0] = ""
    code: object = 1
    try:
        __import__("dragoman.cli").cli.cli(prog_name="dragoman")
    except SystemExit as ended:
        code = ended.code
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    serve(sys.argv[1])
