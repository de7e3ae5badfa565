"""The Gateway that Python users hold."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI

from dragoman.access import Access
from dragoman.access.keys import ring_of
from dragoman.accounts import Accounts
from dragoman.application import application
from dragoman.backends.replay import replaying
from dragoman.call import ANYONE, Call, Chunk, Key, Middleware
from dragoman.completion import Folded
from dragoman.config import Config
from dragoman.edge import Terms
from dragoman.errors import ConfigError, Draining, NotReady, UnknownPath
from dragoman.gateway import Opened, opened
from dragoman.ids import unique
from dragoman.issuer import opened as tokens_of
from dragoman.json import dumped, loaded
from dragoman.limits import InProcess as InProcessLimits
from dragoman.limits import Limits
from dragoman.limits import opened as limits_of
from dragoman.load.cgroup import granted, watched
from dragoman.logs import log, note_call, shown
from dragoman.meter import Meter
from dragoman.middleware.hooks import after, before
from dragoman.reading import request_in
from dragoman.storage import Memory
from dragoman.storage.memory import InProcess
from dragoman.store import Store
from dragoman.wire.chat import ChatRequest

Hook = TypeVar("Hook", bound=Callable[..., Any])


class Gateway:
    """A configuration, ready to be served: `gateway.app` is the ASGI application.

        gateway = Gateway("dragoman.yaml")      # or a dict, a Config, or nothing for the demo

        @gateway.before
        async def greet(call): ...

    It opens its backends when the application starts. What they are asked and answer is written into the folder
    `record`, if there is one. Raises ConfigError.
    """

    def __init__(self, config: Config | Mapping[str, Any] | str | None = None, record: Path | None = None) -> None:
        self.config = _config(config)
        self._record = record
        self._around: list[Middleware] = []
        self._opens: list[AbstractAsyncContextManager[Any]] = []
        self._memory = InProcess()
        self._limits = InProcessLimits()
        self._accounts: Accounts | None = None
        self._now: _Generation | None = None
        self._old: list[_Generation] = []
        self._reloading = asyncio.Lock()
        self.terms = Terms(self.config.bounds, self.config.errors, self.config.cors)

    @classmethod
    def replayed(cls, file: str | Path, recorded: str | Path) -> "Gateway":
        """A configuration's gateway with recorded exchanges, a folder or a file of them, in place of the network.

        Environment variables need not be set. Raises ConfigError.
        """
        config = Config.read(file, unset="unset")
        replays = {name: replaying(backend, Path(recorded)) for name, backend in config.backends.items()}
        return cls(config.model_copy(update={"backends": replays}))

    def before(self, hook: Hook) -> Hook:
        """Runs `hook(call)` before each call. It may return a changed call, or raise `Refused`."""
        self._around.append(before(hook))
        return hook

    def after(self, hook: Hook) -> Hook:
        """Runs `hook(call, chunk)` for each chunk, which it may change, or `hook(call, chunks)` for them all."""
        self._around.append(after(hook))
        return hook

    def use(self, middleware: Middleware) -> Middleware:
        """Puts a middleware before every model, inside those that were put there earlier."""
        self._around.append(middleware)
        return middleware

    def opens(self, resource: AbstractAsyncContextManager[Any]) -> None:
        """Opens a resource of yours with the gateway, and closes it with it."""
        self._opens.append(resource)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        """Opens the backends; the application does it when it starts."""
        async with AsyncExitStack() as opening:
            for resource in self._opens:
                await opening.enter_async_context(resource)
            if self.config.store:
                accounts = Accounts(self.config.store, self.config.usage)
                self._accounts = await opening.enter_async_context(accounts)
            self._now = await self._generation(self.config)
            self.terms.loop = asyncio.get_running_loop()
            opening.push_async_callback(self._closed)
            if memory := granted():
                watching = asyncio.ensure_future(watched(memory, self._measured))
                opening.callback(watching.cancel)
            yield

    async def reload(self, config: Config | Mapping[str, Any] | str) -> None:
        """Serves another configuration from now on; calls that are running finish on the one that they began on.

        Raises ConfigError if it cannot be opened; then nothing changes.
        """
        async with self._reloading:
            made = _config(config)
            if made.store != self.config.store:
                raise ConfigError("store: another one is used after a restart only")
            old, new = self._now, await self._generation(made)
            if old is None:
                await new.close()
                raise NotReady()
            self._now, self.config = new, made
            self.terms.bounds, self.terms.style, self.terms.cors = made.bounds, made.errors, made.cors
            old.retire()
            self._old = [each for each in (*self._old, old) if not each.over]

    async def drain(self) -> None:
        """Takes no more calls, lets those that run finish within the configured time, and ends the rest."""
        await self.terms.load.drain(self.config.drain)

    async def _generation(self, config: Config) -> "_Generation":
        opening = AsyncExitStack()
        try:
            kept = limits_of(config.redis, self._limits, config.limits.when_store_is_down)
            limits = await opening.enter_async_context(kept)
            access = await opening.enter_async_context(self._access(config, limits))
            meter = self._meter(config, limits)
            entered = await opening.enter_async_context(opened(config, self._around, self._record, self._memory, meter))
        except BaseException:
            await opening.aclose()
            raise
        return _Generation(entered, access, opening)

    @asynccontextmanager
    async def _access(self, config: Config, limits: Limits) -> AsyncIterator[Access]:
        rings = [ring_of(config.keys), *([self._accounts.ring] if self._accounts else [])]
        look = self._accounts.look if self._accounts else _nowhere
        async with AsyncExitStack() as opening:
            tokens = await opening.enter_async_context(tokens_of(config.jwt)) if config.jwt else None
            yield Access(tuple(rings), tokens, look, limits, config.limits.failed_logins)

    def _meter(self, config: Config, limits: Limits) -> Meter:
        accounts = self._accounts
        notes = [accounts.note] if accounts else []
        if config.log.calls and shown("info"):
            notes.append(note_call)
        return Meter(limits, accounts.spent if accounts else None, notes, accounts is not None, config.errors)

    async def _closed(self) -> None:
        now, self._now, self.terms.loop = self._now, None, None
        if now:
            await now.close()
        for old in self._old:
            await old.close()

    def _measured(self, share: float) -> None:
        """Takes no more calls while too much of the memory that is granted is used."""
        crowded = share > self.terms.bounds.memory
        if crowded and not self.terms.load.crowded:
            log.warning("overloaded", memory=round(share, 2))
        self.terms.load.crowded = crowded

    def handle(self, call: Call) -> AsyncIterator[Chunk]:
        """The gateway as a handler. Raises NotReady while it is not open."""
        if self._now is None:
            raise NotReady()
        return self._now.handle(call)

    def count(self, call: Call) -> AsyncIterator[Chunk]:
        """A handler that tells what a call asks with, in tokens, and asks no backend. Raises NotReady."""
        if self._now is None:
            raise NotReady()
        return self._now.opened.counter(call)

    @property
    def memory(self) -> Memory:
        """What outlives a call: in the store if there is one, else in Redis or in the process. Raises NotReady."""
        if self._now is None:
            raise NotReady()
        return self._accounts.memory if self._accounts else self._now.opened.memory

    def key(self, headers: Mapping[bytes, bytes], address: str) -> Awaitable[Key]:
        """Who sends these headers from there. Raises Unauthorized, TooManyRequests, KeysUnavailable, NotReady."""
        if self._now is None:
            raise NotReady()
        return self._now.access.key(headers, address)

    @property
    def open(self) -> bool:
        """Whether no key is needed."""
        return self._now is not None and self._now.access.open

    @property
    def store(self) -> Store:
        """Where keys and usage are kept. Raises UnknownPath if nowhere, StoreDown."""
        if self._accounts is None:
            raise UnknownPath("This server has no store, and so neither keys nor usage. Name one as `store`.")
        return self._accounts.store

    async def complete(self, request: Mapping[str, Any]) -> dict[str, Any]:
        """The chat completion that answers a request, without a server in between. Raises Failure."""
        asked = request_in(dumped(dict(request)), ChatRequest)
        async with AsyncExitStack() as opened:
            completion = Folded(unique("chatcmpl-"), int(time.time()), asked.model)
            async for chunk in self.handle(Call(asked, ANYONE, opened, unique("req_"))):
                completion.add(chunk)
        answer: dict[str, Any] = loaded(completion.json())
        return answer

    @property
    def ready(self) -> bool:
        """Whether it may take traffic."""
        return self._now is not None and not self.terms.load.draining and not self._now.opened.down

    def check_ready(self) -> None:
        """Raises NotReady, which says why, or Draining."""
        if self.terms.load.draining:
            raise Draining()
        if self._now is None:
            raise NotReady()
        if down := self._now.opened.down:
            raise NotReady(f"No backend is up for {', '.join(map(repr, down[:10]))}. Try again in a moment.")

    @cached_property
    def app(self) -> FastAPI:
        """The ASGI application, to be served by itself or mounted in another."""
        return application(self)


def _config(given: Config | Mapping[str, Any] | str | None) -> Config:
    match given:
        case None:
            return Config.demo()
        case str():
            return Config.read(given)
        case Config():
            return given
        case _:
            return Config.of(given)


async def _nowhere() -> None:
    """There is no store to look into."""


class _Generation:
    """A configuration that is open, and closes once it is retired and its last call has ended."""

    def __init__(self, opened: Opened, access: Access, opening: AsyncExitStack) -> None:
        self.opened, self.access = opened, access
        self._opening = opening
        self._calls = 0
        self._retired = False
        self._closing: asyncio.Task[None] | None = None

    def handle(self, call: Call) -> AsyncIterator[Chunk]:
        self._calls += 1
        call.open.callback(self._left)
        return self.opened.handler(call)

    def retire(self) -> None:
        """Closes it as soon as no call runs on it."""
        self._retired = True
        if not self._calls:
            self._closing = asyncio.ensure_future(self._opening.aclose())

    @property
    def over(self) -> bool:
        """Whether it is closed."""
        return self._closing is not None and self._closing.done()

    async def close(self) -> None:
        """Closes it now."""
        await (self._closing or self._opening.aclose())

    def _left(self) -> None:
        self._calls -= 1
        if self._retired and not self._calls:
            self._closing = asyncio.ensure_future(self._opening.aclose())
