"""The models list."""

from collections.abc import Callable, Iterable

from fastapi import APIRouter

from dragoman.errors import UnknownModel
from dragoman.wire.error import ErrorEnvelope
from dragoman.wire.models import Model, ModelList


def models(listed: Callable[[], Iterable[Model]], found: Callable[[str], Model | None]) -> APIRouter:
    """The routes of `GET /models` and `GET /models/{id}`: all that are listed, and what is found by an id."""
    router = APIRouter(tags=["models"])

    @router.get("/models", summary="List models")
    async def list_models() -> ModelList:
        return {"object": "list", "data": list(listed())}

    @router.get("/models/{id:path}", summary="Retrieve a model", responses={404: {"model": ErrorEnvelope}})
    async def retrieve_model(id: str) -> Model:
        model = found(id)
        if model is None:
            raise UnknownModel(param="model")
        return model

    return router
