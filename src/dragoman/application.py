"""The FastAPI application around a gateway: its paths, its documentation, its errors."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

from fastapi import FastAPI
from fastapi.responses import Response
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Match, Route

from dragoman.backends.demo import PATHS as DEMO_PATHS
from dragoman.backends.demo import Demo, DemoAPI
from dragoman.call import ANYONE, Key
from dragoman.catalogue import Catalogue, Configured
from dragoman.cors import crossing
from dragoman.door import Surface
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
from dragoman.entrance import Answering, add_doors, documented, schemas_beside, surfaces, tag
from dragoman.errors import Failure, GatewayError, MethodNotAllowed, NotAllowed, Unauthorized, UnknownPath
from dragoman.keyring import Keyring
from dragoman.logs import log, note_failure
from dragoman.messages.manners import manners
from dragoman.reference import add_reference
from dragoman.responses.kept import Kept
from dragoman.storage import Memory
from dragoman.store import Store
from dragoman.surfaces.admin import admin
from dragoman.surfaces.azure import plain
from dragoman.surfaces.models import models
from dragoman.surfaces.responses import responses
from dragoman.version import __version__
from dragoman.wire.error import ErrorEnvelope


class Served(Answering, Configured, Protocol):
    """What an application is made around (`app.Gateway`)."""

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Opens the backends, for as long as the application runs."""

    @property
    def memory(self) -> Memory:
        """What outlives a call."""

    @property
    def open(self) -> bool:
        """Whether no key is needed."""

    @property
    def store(self) -> Store:
        """Where keys and usage are kept."""

    def check_ready(self) -> None:
        """Raises NotReady or Draining when it may not take traffic."""


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
    spoken: Sequence[Surface] = ()
    terms: Terms

    def openapi(self) -> dict[str, Any]:
        """The OpenAPI document. What it tells of surfaces is made when it is first asked for, since that takes long."""
        if self.openapi_schema is None:
            self.router.routes.extend(map(documented, self.spoken))
        document = super().openapi()
        schemas = document["components"]["schemas"]
        for name, schema in (each for surface in self.spoken for each in schemas_beside(surface).items()):
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
    kept, catalogue = Kept(lambda: gateway.memory, lambda: gateway.config.responses), Catalogue(gateway)
    spoken = list(surfaces(gateway, kept, catalogue))
    app.direct, app.spoken = add_doors(app, spoken, gateway), [surface for surface, _ in spoken]
    app.openapi_tags = [{"name": name} for name in dict.fromkeys((*map(tag, app.spoken), "models", "admin", "health"))]
    who = _who(gateway)
    for routes in (models(catalogue.listed, catalogue.found, who), responses(kept, who)):
        app.include_router(routes, prefix="/v1")
        app.include_router(routes, include_in_schema=False)
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
