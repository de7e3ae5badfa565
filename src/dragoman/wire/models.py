"""The models list (OpenAI API reference, `GET /v1/models`)."""

from typing import Any, Literal

from typing_extensions import TypedDict


class Architecture(TypedDict):
    input_modalities: list[str]
    output_modalities: list[str]


class ModelAbout(TypedDict, total=False):
    """What is told of a model beyond OpenAI's own fields, in the words that chat interfaces read."""

    name: str
    description: str
    context_length: int
    max_model_len: int
    max_completion_tokens: int
    architecture: Architecture
    supported_parameters: list[str]
    abilities: list[str]


class _Model(TypedDict):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    permission: list[Any]


class Model(_Model, ModelAbout):
    pass


class ModelList(TypedDict):
    object: Literal["list"]
    data: list[Model]
