"""Wires a Config into one handler: the gateway itself."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from difflib import get_close_matches
from pathlib import Path

from dragoman.call import Call, Chunk, Handler, Middleware, Telling, stack
from dragoman.config import Config, ModelOptions
from dragoman.emulation import completed
from dragoman.errors import ConfigError, Failure, UnknownModel
from dragoman.ground import Ground
from dragoman.middleware.hooks import hooked
from dragoman.secret import hidden
from dragoman.storage import opened as remembering
from dragoman.tape.recording import Recorder


@asynccontextmanager
async def opened(
    config: Config, around: Iterable[Middleware] = (), record: Path | None = None
) -> AsyncIterator[Handler]:
    """The handler of a whole configuration, for as long as its backends are open.

    `around` stands before every model's handler, outermost first, inside the configured hooks. What backends are asked
    and answer is written into the folder `record`. Raises ConfigError.
    """
    async with AsyncExitStack() as opening:
        memory = await opening.enter_async_context(remembering(config.redis))
        backends = {}
        for name, backend in config.backends.items():
            ground = Ground(name, memory, Recorder(record, name, hidden) if record else None)
            try:
                handler = await opening.enter_async_context(backend.opened(ground))
            except ConfigError as error:
                raise ConfigError(f"backends.{name}: {error}") from error
            backends[name] = handler
        road = [*(hooked(hook) for hook in config.hooks), *around]
        models = {name: stack(_model(model, config, backends), road) for name, model in config.models.items()}
        yield _by_model(models)


def _model(model: ModelOptions, config: Config, backends: Mapping[str, Handler]) -> Handler:
    """A model's backend with what it lacks, under the backend's own name of the model. Raises ConfigError."""
    name = model.backend
    try:
        whole = completed(backends[name], config.backends[name], model, name)
    except ConfigError as error:
        raise ConfigError(f"backends.{name}: {error}") from error
    return _renamed(stack(whole, [_signed(name)]), model.model)


def _by_model(models: Mapping[str, Handler]) -> Handler:
    """The model's handler, found by the name that the caller asks for."""

    def handle(call: Call) -> AsyncIterator[Chunk]:
        handler = models.get(call.request.model)
        if handler is None:
            raise _unknown(call.request.model, models)
        return handler(call)

    return handle


def _unknown(name: str, models: Iterable[str]) -> UnknownModel:
    near = get_close_matches(name, models, 1)
    return UnknownModel(f"{UnknownModel.fixed_message} Did you mean '{near[0]}'?" if near else None)


def _renamed(handler: Handler, model: str | None) -> Handler:
    """Asks the backend for its own name of the model."""
    return handler if model is None else lambda call: handler(call.asking(model=model))


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
