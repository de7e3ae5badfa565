"""The models list (OpenAI API reference, `GET /v1/models`)."""

from typing import Any, Literal

from typing_extensions import TypedDict


class Model(TypedDict):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    permission: list[Any]


class ModelList(TypedDict):
    object: Literal["list"]
    data: list[Model]
