"""Every surface with its paths: straight to its door, and documented by FastAPI."""

from collections.abc import AsyncIterator, Awaitable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter
from starlette.routing import Route

from dragoman.call import Call, Chunk, Handler, Key, stack
from dragoman.catalogue import Catalogue
from dragoman.door import Door, Surface
from dragoman.edge import Terms
from dragoman.middleware.deadline import hurried
from dragoman.prompts.asking import prompted
from dragoman.responses.kept import Kept
from dragoman.surfaces.chat import Chat
from dragoman.surfaces.completions import Completions
from dragoman.surfaces.embeddings import Embeddings
from dragoman.surfaces.messages import CountTokens, Messages
from dragoman.surfaces.moderations import Moderations
from dragoman.surfaces.responses import CountInput, Responses


class Answering(Protocol):
    """What answers behind the doors (`app.Gateway`)."""

    terms: Terms

    def handle(self, call: Call) -> AsyncIterator[Chunk]:
        """Answers a call."""

    def count(self, call: Call) -> AsyncIterator[Chunk]:
        """Tells the tokens that a call asks with."""

    def key(self, headers: Mapping[bytes, bytes], address: str) -> Awaitable[Key]:
        """Who asks."""


def surfaces(gateway: Answering, kept: Kept, catalogue: Catalogue) -> Iterator[tuple[Surface, Handler]]:
    """The dialects that are spoken, each with what answers it."""
    yield Chat(), gateway.handle
    yield Responses(kept, catalogue.default), gateway.handle
    yield CountInput(kept, catalogue.default), gateway.count
    yield Completions(), stack(gateway.handle, [hurried, prompted])
    yield Messages(), gateway.handle
    yield CountTokens(), gateway.count
    yield Embeddings(), gateway.handle
    yield Moderations(lambda: catalogue.able("moderations")), gateway.handle


def add_doors(app: FastAPI, spoken: Sequence[tuple[Surface, Handler]], gateway: Answering) -> dict[str, Door]:
    """Adds each surface's path, with `/v1` and without. Gives the doors by their paths."""
    doors: dict[str, Door] = {}
    for surface, handler in spoken:
        door = Door(surface, handler, gateway.key, gateway.terms)
        paths = [f"{prefix}{surface.path}{slash}" for prefix in ("/v1", "") for slash in ("", "/")]
        app.router.routes.extend(Route(path, door, methods=["POST"]) for path in paths)
        doors |= dict.fromkeys(paths, door)
    return doors


def tag(surface: Surface) -> str:
    """What the documentation shows a surface under."""
    return surface.path.split("/")[1]


def documented(surface: Surface) -> APIRoute:
    """A route that tells FastAPI's documentation of a surface; its path leads to a door before it comes to this."""

    async def asked(request: Any) -> None: ...

    asked.__annotations__["request"] = surface.takes
    asked.__name__, asked.__doc__ = surface.summary.lower().replace(" ", "_"), surface.description
    event = {"schema": {"$ref": f"#/components/schemas/{surface.streams.__name__}"}} if surface.streams else None
    return APIRoute(
        f"/v1{surface.path}",
        asked,
        methods=["POST"],
        response_model=surface.gives,
        summary=surface.summary,
        tags=[tag(surface)],
        responses={
            200: {"content": {"text/event-stream": event}} if event else {},
            "4XX": {"model": surface.refuses, "description": "The request cannot be answered"},
            "5XX": {"model": surface.refuses, "description": "The backend failed"},
            422: {"model": surface.refuses, "description": "The payload is not valid"},
        },
    )


def schemas_beside(surface: Surface) -> dict[str, Any]:
    """The schemas of what a surface tells beside its answers, by their names."""
    schemas: dict[str, Any] = {}
    for kind in filter(None, (surface.streams, *surface.beside)):
        schema = TypeAdapter(kind).json_schema(ref_template="#/components/schemas/{model}")
        schemas |= {**schema.pop("$defs", {}), kind.__name__: schema}
    return schemas
