"""The error object (OpenAI API reference, errors)."""

from typing_extensions import TypedDict


class ErrorObject(TypedDict):
    message: str
    type: str
    param: str | None
    code: str | None


class ErrorEnvelope(TypedDict):
    error: ErrorObject
