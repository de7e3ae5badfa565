"""The models list."""

from collections.abc import Mapping

from fastapi import APIRouter

from dragoman.errors import UnknownModel
from dragoman.wire.error import ErrorEnvelope
from dragoman.wire.models import Model, ModelList


def models(known: Mapping[str, Model]) -> APIRouter:
    """The routes of `GET /models` and `GET /models/{id}`."""
    router = APIRouter(tags=["models"])

    @router.get("/models", summary="List models")
    async def list_models() -> ModelList:
        return {"object": "list", "data": list(known.values())}

    @router.get("/models/{id:path}", summary="Retrieve a model", responses={404: {"model": ErrorEnvelope}})
    async def retrieve_model(id: str) -> Model:
        if id not in known:
            raise UnknownModel(param="model")
        return known[id]

    return router
