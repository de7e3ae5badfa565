"""What a served gateway does when it is told to end, or to read its configuration again."""

import asyncio
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dragoman.app import Gateway
from dragoman.config import served
from dragoman.errors import ConfigError
from dragoman.logs import log
from dragoman.secret import hidden

LOOK_SECONDS = 0.5
ENDING = (signal.SIGTERM, signal.SIGINT)


class Living:
    """Obeys signals while it is open: SIGTERM and SIGINT drain, and a second one ends at once; SIGHUP reloads.

    The handlers that were there before are called once it is drained. With `watch`, the file is looked at, too.
    """

    def __init__(self, gateway: Gateway, file: Path | None, watch: bool) -> None:
        self._gateway, self._file, self._watch = gateway, file, watch
        self._before: dict[int, Any] = {}

    async def __aenter__(self) -> None:
        self._life = _Life(self._gateway, self._file, self._ended)
        for number in (*ENDING, signal.SIGHUP):
            self._before[number] = signal.signal(number, self._life.told)
        self._watching = asyncio.ensure_future(self._life.watching()) if self._watch and self._file else None

    async def __aexit__(self, *error: object) -> None:
        if self._watching:
            self._watching.cancel()
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._life.told:
                signal.signal(number, handler)

    def _ended(self, number: int) -> None:
        handler = self._before[number]
        if callable(handler):
            handler(number, None)


class _Life:
    def __init__(self, gateway: Gateway, file: Path | None, ended: Callable[[int], None]) -> None:
        self._gateway, self._file, self._ended = gateway, file, ended
        self._loop = asyncio.get_running_loop()
        self._heard: set[int] = set()
        self._reading = asyncio.Lock()
        """One after the other, so that what is read last is served last."""
        self._tasks: set[asyncio.Task[None]] = set()

    def told(self, number: int, frame: Any) -> None:
        """A signal has come, at any moment."""
        self._loop.call_soon_threadsafe(self._obey, number)

    def _obey(self, number: int) -> None:
        if number == signal.SIGHUP:
            self._start(self.reload())
        elif number in self._heard:
            self._gateway.terms.load.hurry()
        elif not self._heard:
            self._heard.add(number)
            self._start(self._end(number))
        else:
            self._heard.add(number)

    def _start(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _end(self, number: int) -> None:
        await self._gateway.drain()
        self._ended(number)

    async def reload(self) -> None:
        """Reads the file again; what is wrong with it is logged, and what was served goes on."""
        if self._file is None:
            log.info("nothing to reload", message="the built-in demo is served, not a file")
            return
        async with self._reading:
            try:
                await self._gateway.reload(await asyncio.to_thread(served, self._file))
            except ConfigError as error:
                log.error("reload failed", message=hidden(str(error)))
            except Exception as error:
                log.error("reload failed", message=f"{type(error).__name__} while opening it", exc_info=error)
            else:
                log.info("reloaded", file=str(self._file))

    async def watching(self) -> None:
        """Reloads whenever the file has changed."""
        seen = self._stamp()
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            now = self._stamp()
            if now not in (seen, None):
                seen = now
                await self.reload()

    def _stamp(self) -> tuple[int, int, int] | None:
        try:
            found = (self._file or Path()).stat()
        except OSError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino
