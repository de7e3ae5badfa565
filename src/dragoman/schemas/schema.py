"""A JSON schema that a caller sent, compiled once for all who send the same."""

from functools import lru_cache
from typing import Any

import orjson
from jsonschema_rs import ValidationError

from dragoman.errors import InvalidRequest
from dragoman.schemas.bounds import MAX_BYTES, kept
from dragoman.schemas.fitting import fitted
from dragoman.schemas.look import Document, Look
from dragoman.schemas.places import Place
from dragoman.schemas.problems import described

CODE = "invalid_json_schema"


class Schema:
    """Says whether values fit, and makes them fit where that is harmless. Formats are not checked."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._root = Place((), document.schema)

    def problem(self, value: Any) -> str | None:
        """None if the value fits; else up to three problems, each with its place, in at most 600 characters."""
        if self._document.whole.is_valid(value):
            return None
        return described(Look(self._document), self._root, value)

    def fitted(self, value: Any) -> Any:
        """The value with what does not fit changed to the kind asked for: "5" to 5, one item to an array and so on.

        What cannot be made to fit so stays as it is. The value itself is not touched.
        """
        return fitted(Look(self._document), self._root, value)


def compiled(schema: Any, param: str) -> Schema:
    """The caller's schema, ready for use. Raises InvalidRequest, which names the parameter."""
    try:
        return _compiled(orjson.dumps(schema))
    except orjson.JSONEncodeError:
        reason = "it must be plain JSON, and not be nested so deep"
    except ValueError as error:
        reason = str(error)
    raise InvalidRequest(f"Invalid schema for {param!r}: {reason}.", param=param, code=CODE)


@lru_cache(256)
def _compiled(data: bytes) -> Schema:
    if len(data) > MAX_BYTES:
        raise ValueError(f"it may be at most {MAX_BYTES // 1024} KiB long; make it smaller")
    schema = orjson.loads(data)
    patterns = kept(schema)
    try:
        return Schema(Document(schema, patterns))
    except ValidationError as error:
        raise ValueError(_reason(error)) from None


def _reason(error: ValidationError) -> str:
    path = tuple(map(str, error.instance_path))
    place = f"at {Place(path, None).fragment:.200} " if path else ""
    if error.message.endswith('is not a "regex"'):
        return (
            f"{place}the pattern {error.instance!r:.100} cannot be used: write it correctly, shorter, "
            "and without look-around and back-references, which are not supported"
        )
    return place + error.message[:300].rstrip(".")
