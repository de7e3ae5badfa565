"""A folder that recordings are written into, each with a number of its own, by as many processes as there are."""

import asyncio
import re
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from dragoman.errors import ConfigError
from dragoman.logs import log
from dragoman.tape.exchange import Exchange
from dragoman.tape.files import written


class Folder:
    """Where exchanges become files, `NAME-0001.yaml` and so on. What cannot be written is a warning in the log."""

    def __init__(self, path: Path, name: str) -> None:
        """Raises ConfigError if there can be no such folder."""
        self._path, self._name = path, name
        self._writing: set[asyncio.Future[None]] = set()
        numbered = re.compile(rf"{re.escape(name)}-(\d{{4,9}})\.yaml(\.part)?")
        try:
            path.mkdir(parents=True, exist_ok=True)
            found = [match for file in path.iterdir() if (match := numbered.fullmatch(file.name))]
        except OSError as error:
            raise ConfigError(f"{path}: cannot be recorded into: {error.strerror}") from error
        self._number = max((int(match[1]) for match in found), default=0)

    def part(self) -> Path | None:
        """A new file for an exchange that begins, for the one without `.part`; None if there can be none."""
        try:
            while True:
                self._number += 1
                part = self._path / f"{self._name}-{self._number:04}.yaml.part"
                try:
                    part.touch(exist_ok=False)
                except FileExistsError:
                    continue
                if not part.with_suffix("").exists():
                    return part
                part.unlink()
        except OSError as error:
            _warn(self._path, error)
            return None

    def write(self, part: Path, exchange: Callable[[], Exchange]) -> None:
        """Begins to write what `exchange` gives, which is called in a thread."""
        try:
            writing = asyncio.get_running_loop().run_in_executor(None, _write, part, exchange)
        except RuntimeError as error:
            _warn(part, error)
            return
        self._writing.add(writing)
        writing.add_done_callback(self._writing.discard)

    async def settled(self) -> None:
        """Waits until everything is written."""
        if self._writing:
            await asyncio.wait(self._writing)


def _write(part: Path, exchange: Callable[[], Exchange]) -> None:
    try:
        part.write_bytes(written(exchange()))
        part.replace(part.with_suffix(""))
    except Exception as error:
        _warn(part, error)
        drop(part)


def drop(part: Path) -> None:
    """There is nothing to write."""
    with suppress(OSError):
        part.unlink()


def _warn(path: Path, error: Exception) -> None:
    # what a ValueError says may quote what is to be hidden
    log.warning("not recorded", file=str(path), detail=getattr(error, "strerror", None) or type(error).__name__)
