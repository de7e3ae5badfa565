"""The models list."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends

from dragoman.call import Key
from dragoman.errors import UnknownModel
from dragoman.wire.error import ErrorEnvelope
from dragoman.wire.models import Model, ModelList


def models(
    listed: Callable[[Key], Iterable[Model]], found: Callable[[str, Key], Model | None], who: Callable[..., Any]
) -> APIRouter:
    """The routes of `GET /models` and `GET /models/{id}`: all that are listed for a key, and what is found by an id."""
    router = APIRouter(tags=["models"], responses={401: {"model": ErrorEnvelope}})

    @router.get("/models", summary="List models")
    async def list_models(key: Annotated[Key, Depends(who)]) -> ModelList:
        return {"object": "list", "data": list(listed(key))}

    @router.get("/models/{id:path}", summary="Retrieve a model", responses={404: {"model": ErrorEnvelope}})
    async def retrieve_model(id: str, key: Annotated[Key, Depends(who)]) -> Model:
        model = found(id, key)
        if model is None:
            raise UnknownModel(param="model")
        return model

    return router
