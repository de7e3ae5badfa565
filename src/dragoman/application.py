"""The FastAPI application around a gateway: its paths, its documentation, its errors."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from fastapi import FastAPI
from fastapi.responses import Response
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Match, Route

from dragoman.about import able
from dragoman.backends.demo import PATHS as DEMO_PATHS
from dragoman.backends.demo import Demo, DemoAPI
from dragoman.call import ANYONE, Call, Chunk, Handler, Key, stack
from dragoman.config import Config
from dragoman.cors import crossing
from dragoman.door import Door, Surface
from dragoman.edge import (
    Caller,
    Manners,
    Send,
    Terms,
    address_in,
    answer_headers,
    check_headers,
    failure_of,
    request_id_in,
)
from dragoman.errors import Failure, GatewayError, MethodNotAllowed, NotAllowed, Unauthorized, UnknownPath
from dragoman.keyring import Keyring
from dragoman.logs import log, note_failure
from dragoman.messages.manners import manners
from dragoman.middleware.deadline import hurried
from dragoman.names import meant
from dragoman.prompts.asking import prompted
from dragoman.reference import add_reference
from dragoman.responses.kept import Kept
from dragoman.routing import planned
from dragoman.storage import Memory
from dragoman.store import Store
from dragoman.surfaces.admin import admin
from dragoman.surfaces.azure import plain
from dragoman.surfaces.chat import Chat
from dragoman.surfaces.completions import Completions
from dragoman.surfaces.embeddings import Embeddings
from dragoman.surfaces.messages import CountTokens, Messages
from dragoman.surfaces.models import models
from dragoman.surfaces.moderations import Moderations
from dragoman.surfaces.responses import CountInput, Responses, responses
from dragoman.version import __version__
from dragoman.wire.error import ErrorEnvelope
from dragoman.wire.models import Model


class Served(Protocol):
    """What an application is made around (`app.Gateway`)."""

    config: Config
    """The configuration that is served now."""
    terms: Terms

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Opens the backends, for as long as the application runs."""

    def handle(self, call: Call) -> AsyncIterator[Chunk]:
        """Answers a call."""

    def count(self, call: Call) -> AsyncIterator[Chunk]:
        """Tells the tokens that a call asks with."""

    @property
    def memory(self) -> Memory:
        """What outlives a call."""

    def key(self, headers: Mapping[bytes, bytes], address: str) -> Awaitable[Key]:
        """Who asks."""

    @property
    def open(self) -> bool:
        """Whether no key is needed."""

    @property
    def store(self) -> Store:
        """Where keys and usage are kept."""

    def check_ready(self) -> None:
        """Raises NotReady or Draining when it may not take traffic."""


class _Direct(APIRoute):
    """A route that its function's signature documents and that function's `asgi` answers, a plain ASGI endpoint."""

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        super().__init__(path, endpoint, **options)
        self.app = endpoint.asgi  # type: ignore[attr-defined]


class _Probed(Route):
    """A path that exists for its methods only: what else is asked there may be another route's, or nobody's."""

    def matches(self, scope: Any) -> tuple[Match, Any]:
        match, inner = super().matches(scope)
        return (match if match is Match.FULL else Match.NONE), inner


def _there(request: Request) -> Response:
    """Tells whoever only asks whether a server is there, as Anthropic's clients do before they call."""
    return Response()


class _Application(FastAPI):
    """FastAPI with an edge: every answer has its request id, and the hot paths go straight to their endpoint."""

    direct: Mapping[str, Callable[..., Any]] = {}
    events: Iterable[Any] = ()
    """The types of what surfaces stream."""
    terms: Terms

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document, with the stream events that no route's signature tells of."""
        document = super().openapi()
        schemas = document["components"]["schemas"]
        for kind in filter(None, self.events):
            event = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
            for name, schema in {**event.pop("$defs", {}), kind.__name__: event}.items():
                schemas.setdefault(name, schema)
        document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
        document["security"] = [{"key": []}, {}]
        _mend(document)
        return document

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        scope, cors = plain(scope), self.terms.cors
        if cors is None:
            await self.answer(scope, receive, send)
            return
        try:
            await crossing(cors, self.answer)(scope, receive, _identified(scope, send))
        except NotAllowed as failure:
            await Caller(scope, receive, send, self.terms, _manners(scope)).refuse(failure)

    async def answer(self, scope: Any, receive: Any, send: Any) -> None:
        """Answers what has come by a path of OpenAI's."""
        endpoint = self.direct.get(scope["path"]) if scope["method"] == "POST" and not self.user_middleware else None
        if endpoint is not None and not scope.get("root_path"):
            await endpoint(scope, receive, send)
            return
        try:
            check_headers(scope["headers"])
        except Failure as failure:
            await Caller(scope, receive, send, self.terms, _manners(scope)).refuse(failure)
            return
        await super().__call__(scope, receive, _identified(scope, send))


def _mend(document: dict[str, Any]) -> None:
    """Puts right what FastAPI writes by itself: its own 422, and unions whose branches overlap as if they did not."""
    for operation in (operation for path in document["paths"].values() for operation in path.values()):
        told = operation["responses"].get("422", {}).get("content", {}).get("application/json", {}).get("schema", {})
        if told.get("$ref", "").endswith("HTTPValidationError"):
            del operation["responses"]["422"]
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    waiting = list(schemas.values())
    while waiting:
        schema = waiting.pop()
        if isinstance(schema, dict):
            if "oneOf" in schema:
                schema["anyOf"] = schema.pop("oneOf")
            waiting.extend(schema.values())
        elif isinstance(schema, list):
            waiting.extend(schema)


def _manners(scope: Mapping[str, Any]) -> Manners:
    """How whoever sends this request expects to be answered, where no door answers it."""
    return manners(scope["path"].removeprefix(scope.get("root_path", "")), scope["headers"])


def _identified(scope: Any, send: Send) -> Any:
    """A `send` that puts the request id on the answer."""
    request_id = request_id_in(scope["headers"])
    scope.setdefault("state", {})["request_id"] = request_id

    async def sent(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start" and not any(
            name == b"x-request-id" for name, _ in message["headers"]
        ):
            told = answer_headers(request_id, {}, _manners(scope))
            message = {**message, "headers": [*message["headers"], *told]}
        await send(message)

    return sent


def application(gateway: Served) -> FastAPI:
    """The ASGI application."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with gateway.opened():
            if gateway.open:
                log.warning("open", message="there are no keys: whoever reaches this server may use it")
            yield

    app = _Application(
        title="dragoman",
        version=__version__,
        summary="OpenAI's API in front of any chat API.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.terms = gateway.terms
    kept = Kept(lambda: gateway.memory, lambda: gateway.config.responses)
    surfaces = _surfaces(gateway, kept)
    _add_doors(app, [(surface, Door(surface, handler, gateway.key, gateway.terms)) for surface, handler in surfaces])
    who = _who(gateway)
    listed = models(*_listed(gateway), who)
    app.include_router(listed, prefix="/v1")
    app.include_router(listed, include_in_schema=False)
    app.include_router(responses(kept, who), prefix="/v1")
    app.include_router(responses(kept, who), include_in_schema=False)
    app.include_router(admin(lambda: Keyring(gateway.store), lambda: gateway.store, _who_administers(who)))
    _add_health(app, gateway)
    app.router.routes.append(_Probed("/", _there, methods=["HEAD"]))
    add_reference(app)
    if any(isinstance(backend, Demo) for backend in gateway.config.backends.values()):
        app.router.routes.extend(Route(path, DemoAPI()) for path in DEMO_PATHS)
    _add_failures(app, gateway.terms)
    return app


def _who(gateway: Served) -> Callable[[Request], Awaitable[Key]]:
    """The dependency of every route that is not for everybody."""

    async def who(request: Request) -> Key:
        return await gateway.key(dict(request.scope["headers"]), address_in(request.scope))

    return who


def _who_administers(who: Callable[[Request], Awaitable[Key]]) -> Callable[[Request], Awaitable[Key]]:
    async def administers(request: Request) -> Key:
        key = await who(request)
        if key is ANYONE:
            raise Unauthorized()
        if not key.grant.admin:
            raise NotAllowed("This API key may not manage keys or read the usage: it has no `admin`.")
        return key

    return administers


def _listed(gateway: Served) -> tuple[Callable[[Key], list[Model]], Callable[[str, Key], Model | None]]:
    """What shows in a key's models list, and how a model is found by its id: wildcards do not show, but are found."""

    def shown(id: str, name: str) -> Model:
        config = gateway.config
        model = config.models[name]
        told: Model = {
            "id": id,
            "object": "model",
            "created": model.created,
            "owned_by": model.owned_by,
            "permission": [],
        }
        if model.about is None:
            return told
        return {**told, **model.about.told(able(planned(name, config.models, config.backends), config.backends))}

    def listed(key: Key) -> list[Model]:
        return [shown(name, name) for name in gateway.config.models if "*" not in name and key.grant.may(name)]

    def found(id: str, key: Key) -> Model | None:
        name = meant(id, gateway.config.models) if key.grant.may(id) else None
        return shown(id, name) if name else None

    return listed, found


def _surfaces(gateway: Served, kept: Kept) -> Iterator[tuple[Surface, Handler]]:
    """The dialects that are spoken, each with what answers it."""
    yield Chat(), gateway.handle
    yield Responses(kept, lambda: gateway.config.default_model), gateway.handle
    yield CountInput(kept, lambda: gateway.config.default_model), gateway.count
    yield Completions(), stack(gateway.handle, [hurried, prompted])
    yield Messages(), gateway.handle
    yield CountTokens(), gateway.count
    yield Embeddings(), gateway.handle
    yield Moderations(_Moderators(gateway).names), gateway.handle


class _Moderators:
    """The models that can moderate, looked up once for each configuration."""

    def __init__(self, gateway: Served) -> None:
        self._gateway = gateway
        self._of: Config | None = None
        self._names: list[str] = []

    def names(self) -> list[str]:
        config = self._gateway.config
        if config is not self._of:
            plans = {name: planned(name, config.models, config.backends) for name in config.models}
            self._names = [name for name, plan in plans.items() if "moderations" in able(plan, config.backends)]
            self._of = config
        return self._names


def _add_doors(app: _Application, doors: Sequence[tuple[Surface, Door]]) -> None:
    """Each surface's path, with `/v1` and without, straight to its door; FastAPI documents it."""
    direct: dict[str, Door] = {}
    for surface, door in doors:
        paths = [f"{prefix}{surface.path}{slash}" for prefix in ("/v1", "") for slash in ("", "/")]
        app.router.routes.extend(Route(path, door, methods=["POST"]) for path in paths)
        app.router.routes.append(_Direct(f"/v1{surface.path}", _documenting(surface, door), **_described(surface)))
        direct |= dict.fromkeys(paths, door)
    app.direct = direct
    app.events = [surface.streams for surface, _ in doors]


def _documenting(surface: Surface, door: Door) -> Callable[..., Any]:
    """A function whose signature tells what the surface takes."""

    async def asked(request: Any) -> None: ...

    asked.__annotations__["request"] = surface.takes
    asked.__name__, asked.__doc__ = surface.summary.lower().replace(" ", "_"), surface.description
    asked.asgi = door  # type: ignore[attr-defined]
    return asked


def _described(surface: Surface) -> dict[str, Any]:
    event = {"schema": {"$ref": f"#/components/schemas/{surface.streams.__name__}"}} if surface.streams else None
    return {
        "methods": ["POST"],
        "response_model": surface.gives,
        "summary": surface.summary,
        "tags": [surface.name],
        "responses": {
            200: {"content": {"text/event-stream": event}} if event else {},
            "4XX": {"model": surface.refuses, "description": "The request cannot be answered"},
            "5XX": {"model": surface.refuses, "description": "The backend failed"},
            422: {"model": surface.refuses, "description": "The payload is not valid"},
        },
    }


def _add_health(app: FastAPI, gateway: Served) -> None:
    @app.get("/health", tags=["health"], summary="Alive")
    async def health() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/ready", tags=["health"], summary="May take traffic", responses={503: {"model": ErrorEnvelope}})
    async def ready() -> dict[str, str]:
        gateway.check_ready()
        return {"status": "ready"}


def _add_failures(app: FastAPI, terms: Terms) -> None:
    """Everything that goes wrong on any path is told in an envelope, as the caller's dialect has it."""

    async def fail(request: Request, error: Exception) -> Response:
        failure = _http_failure(request, error) if isinstance(error, HTTPException) else failure_of(error)
        request_id = request.scope["state"]["request_id"]
        status = failure.status_in(terms.style)
        note_failure(request_id, failure, status)
        told = _manners(request.scope).refusal(failure, request_id)
        return Response(told, status, failure.headers, media_type="application/json")

    app.add_exception_handler(HTTPException, fail)
    app.add_exception_handler(Failure, fail)
    app.add_exception_handler(Exception, fail)


def _http_failure(request: Request, error: HTTPException) -> Failure:
    """What the framework says by a status, in our words."""
    asked: bytes = request.scope.get("raw_path") or request.scope["path"].encode()
    method, path = request.method, asked[:200].decode("latin-1")
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"Not allowed to {method} on {path}. Allowed: {allowed}."
        return MethodNotAllowed(message, headers={"allow": allowed})
    if error.status_code == 404:
        if path.startswith("/v1/v1/"):
            return UnknownPath(f"Invalid URL ({method} {path}). The base URL already ends in /v1.")
        served = ", ".join(each for each in request.app.direct if each.startswith("/v1/") and each[-1] != "/")
        told = f"This server answers {served} and /v1/models; GET /docs tells of all its paths."
        return UnknownPath(f"Invalid URL ({method} {path}). {told}")
    return GatewayError(detail=f"the framework answered {error.status_code}")
