"""Wires a Config into one handler: the gateway itself."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from dragoman.call import Call, Chunk, Handler, Middleware, Telling, stack
from dragoman.config import Config
from dragoman.counting import opened as counter_of
from dragoman.counting.requests import prompt_tokens
from dragoman.emulation import completed
from dragoman.errors import ConfigError, Failure, UnknownModel
from dragoman.ground import Backend, Ground
from dragoman.guard import Guard
from dragoman.limits import InProcess
from dragoman.meter import Meter, allowed, metered
from dragoman.middleware.deadline import hurried
from dragoman.middleware.hooks import hooked
from dragoman.names import meant
from dragoman.reach import Timeouts
from dragoman.routing import Copies, Plan, planned, routed
from dragoman.routing.options import Waits
from dragoman.secret import hidden
from dragoman.storage import Memory
from dragoman.storage import opened as remembering
from dragoman.tape.recording import Recorder


@dataclass(frozen=True)
class Opened:
    """A configuration whose backends are open."""

    handler: Handler
    """Answers calls for all models."""
    counter: Handler
    """Answers with the tokens that a call asks with, and asks no backend."""
    memory: Memory
    """What outlives a call."""
    guards: Mapping[str, frozenset[Guard]]
    """For each model, the guards of the backends that may answer."""

    @property
    def down(self) -> list[str]:
        """The models that have no backend that is not known to be down."""
        return [name for name, guards in self.guards.items() if not any(guard.available for guard in guards)]


@asynccontextmanager
async def opened(
    config: Config,
    around: Iterable[Middleware] = (),
    record: Path | None = None,
    memory: Memory | None = None,
    meter: Meter | None = None,
) -> AsyncIterator[Opened]:
    """A whole configuration, for as long as its backends are open.

    `around` stands before every model's handler, outermost first, inside the configured hooks. What backends are asked
    and answer is written into the folder `record`. What outlives a call is kept in `memory` unless it is in Redis.
    Calls are measured by `meter`. Raises ConfigError.
    """
    async with AsyncExitStack() as opening:
        kept = await opening.enter_async_context(remembering(config.redis))
        memory = kept if config.redis or memory is None else memory
        backends = _Backends(config, record, memory, opening)
        copies = Copies()
        opening.push_async_callback(copies.close)
        road = [hurried, *(hooked(hook) for hook in config.hooks), *around]
        meter = meter or Meter(InProcess())
        models, guards, counters = {}, {}, {}
        for name, model in config.models.items():
            plan = planned(name, config.models, config.backends)
            for leaf in plan.leaves:
                await backends.open(leaf)
            measured = metered(meter, name, model.limits, model.price)
            routes = routed(plan, backends.leaf, backends.connects, copies, model.retry)
            models[name] = stack(routes, [measured, *road])
            counters[name] = allowed(backends.counting(next(plan.leaves)))
            guards[name] = frozenset(backends.guards[leaf.backend or ""] for leaf in plan.leaves)
        by_model, counting = (_by_model(each, config.default_model) for each in (models, counters))
        yield Opened(by_model, counting, memory, guards)


class _Backends:
    """Backends that are opened once for each set of timeouts."""

    def __init__(self, config: Config, record: Path | None, memory: Memory, opening: AsyncExitStack) -> None:
        self._options: Mapping[str, Any] = config.backends
        self._record, self._memory, self._opening = record, memory, opening
        self._open: dict[tuple[str, tuple[tuple[str, float], ...]], Handler] = {}
        self.guards = {name: Guard(name, options, memory) for name, options in self._options.items()}
        self.connects = {name: _waits(options, Waits()).connect for name, options in self._options.items()}

    async def open(self, plan: Plan) -> None:
        """Opens the backend at a plan's end, with the timeouts that the plan gives. Raises ConfigError."""
        if self._key(plan) in self._open:
            return
        name = plan.backend or ""
        ground = Ground(name, self._memory, Recorder(self._record, name, hidden) if self._record else None)
        try:
            handler = await self._opening.enter_async_context(self._timed(plan).opened(ground))
        except ConfigError as error:
            raise ConfigError(f"backends.{name}: {error}") from error
        self._open[self._key(plan)] = self.guards[name].around(handler)

    def leaf(self, plan: Plan) -> Handler:
        """The backend at a plan's end, with what it lacks. Raises ConfigError."""
        name = plan.backend or ""
        try:
            whole = completed(self._open[self._key(plan)], self._timed(plan), plan.supplied, name)
        except ConfigError as error:
            raise ConfigError(f"backends.{name}: {error}") from error
        return stack(whole, [_signed(name)])

    def counting(self, plan: Plan) -> Handler:
        """Counts what the backend at a plan's end would be asked."""
        counter = counter_of(self._timed(plan).under(plan.supplied).tokens)

        async def count(call: Call) -> AsyncIterator[Chunk]:
            yield Chunk(usage={"prompt_tokens": prompt_tokens(call.request, counter)}, finish="stop")

        return count

    def _timed(self, plan: Plan) -> Backend:
        own: Any = self._options[plan.backend or ""]
        timed: Backend = own.model_copy(update={"timeout": _waits(own, plan.waits)}) if hasattr(own, "timeout") else own
        return timed

    def _key(self, plan: Plan) -> "tuple[str, tuple[tuple[str, float], ...]]":
        return plan.backend or "", tuple(sorted(plan.waits.given.items()))


def _waits(backend: Any, over: Waits) -> Timeouts:
    """A backend's timeouts, with those that a model gives over them."""
    own: Timeouts = getattr(backend, "timeout", Timeouts())
    return own.model_copy(update=over.given)


def _by_model(models: Mapping[str, Handler], default: str | None) -> Handler:
    """The model's handler, found by the name that the caller asks for."""

    def handle(call: Call) -> AsyncIterator[Chunk]:
        handler = models.get(call.request.model)
        if handler is None:
            return elsewhere(call)
        return handler(call)

    def elsewhere(call: Call) -> AsyncIterator[Chunk]:
        name = meant(call.request.model, models)
        if name is not None:
            return models[name](call)
        if default is not None:
            return models[default](call.asking(model=default))
        raise _unknown(call.request.model, models)

    return handle


def _unknown(name: str, models: Iterable[str]) -> UnknownModel:
    near = get_close_matches(name, models, 1)
    return UnknownModel(f"{UnknownModel.fixed_message} Did you mean '{near[0]}'?" if near else None)


class _Signed(Telling):
    """Says which backend answered, or failed to."""

    __slots__ = ()

    async def _first(self, facts: dict[str, str]) -> Chunk:
        try:
            return await super()._first(facts)
        except Failure as failure:
            failure.backend = failure.backend or facts["backend"]
            raise


def _signed(name: str) -> Middleware:
    return lambda handler: lambda call: _Signed(handler(call), {"backend": name})
