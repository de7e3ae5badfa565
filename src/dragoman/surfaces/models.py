"""The models list."""

from collections.abc import Callable, Iterable
from typing import Annotated, Any

from fastapi import APIRouter, Depends
from starlette.requests import Request

from dragoman.call import Key
from dragoman.errors import UnknownModel
from dragoman.messages.manners import speaks
from dragoman.messages.models import info, page
from dragoman.wire.error import ErrorEnvelope
from dragoman.wire.messages import ModelInfo, ModelPage
from dragoman.wire.models import Model, ModelList


def models(
    listed: Callable[[Key], Iterable[Model]], found: Callable[[str, Key], Model | None], who: Callable[..., Any]
) -> APIRouter:
    """The routes of `GET /models` and `GET /models/{id}`: all that are listed for a key, and what is found by an id."""
    router = APIRouter(tags=["models"], responses={401: {"model": ErrorEnvelope}})

    @router.get("/models", summary="List models")
    async def list_models(request: Request, key: Annotated[Key, Depends(who)]) -> ModelList | ModelPage:
        """All that the key may use. With `anthropic-version`, a page of them as Anthropic's API tells of models."""
        known = list(listed(key))
        return (
            page(known, request.query_params) if speaks(request.scope["headers"]) else {"object": "list", "data": known}
        )

    @router.get("/models/{id:path}", summary="Retrieve a model", responses={404: {"model": ErrorEnvelope}})
    async def retrieve_model(id: str, request: Request, key: Annotated[Key, Depends(who)]) -> Model | ModelInfo:
        model = found(id, key)
        if model is None:
            raise UnknownModel(param="model")
        return info(model) if speaks(request.scope["headers"]) else model

    return router
