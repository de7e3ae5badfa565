"""JSON schemas that callers send: bounded, closed in themselves, matched in linear time."""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import jsonschema_rs

from dragoman.errors import InvalidRequest
from dragoman.json import deeper, dumped, loaded

MAX_BYTES = 64 * 1024
MAX_DEPTH = 32
"""Levels of nesting; a model of models of pydantic's has some 20."""
MAX_FITTED = 16
"""Levels of a value that are fitted to a schema."""
PATTERNS = jsonschema_rs.RegexOptions(size_limit=1 << 20, dfa_size_limit=1 << 20)
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
PROBLEMS = 3
LONGEST = 600


class Schema:
    """A compiled schema."""

    def __init__(self, schema: Any, validator: jsonschema_rs.Validator) -> None:
        self._schema = schema
        self._validator = validator

    def problem(self, value: Any) -> str | None:
        """What is wrong with a value, and where, in words that a model can act on; None if nothing is."""
        if self._validator.is_valid(value):
            return None
        errors = self._validator.iter_errors(value)
        told = [_told(error) for error, _ in zip(errors, range(PROBLEMS), strict=False)]
        return "; ".join(told)[:LONGEST]

    def fitted(self, value: Any) -> Any:
        """The value with its scalars in the schema's types where that is harmless: `"3"` becomes 3, 1.0 becomes 1."""
        return _Fitting(self._schema).fitted(value, self._schema, 0)


def compiled(schema: Any, param: str) -> Schema:
    """The schema, if it can be used. Raises InvalidRequest with that param."""

    def refused(reason: str) -> InvalidRequest:
        return InvalidRequest(f"Invalid schema for '{param}': {reason}.", param=param, code="invalid_json_schema")

    written = dumped(schema)
    if len(written) > MAX_BYTES:
        raise refused(f"it has {len(written)} bytes, and at most {MAX_BYTES} are accepted")
    try:
        return _compiled(written)
    except ValueError as error:
        raise refused(str(error)) from None


@lru_cache(maxsize=256)
def _compiled(written: bytes) -> Schema:
    """Raises ValueError with the reason."""
    schema = loaded(written)
    if not isinstance(schema, dict | bool):
        raise ValueError("it must be an object")
    if deeper(schema, MAX_DEPTH):
        raise ValueError(f"it is nested more than {MAX_DEPTH} levels deep")
    for ref in _refs(schema):
        if not ref.startswith("#"):
            raise ValueError(f"it refers to '{ref[:100]}', but only references within it (`#/$defs/…`) are followed")
    try:
        validator = jsonschema_rs.validator_for(
            schema, pattern_options=PATTERNS, offline=True, validate_formats=False, ignore_unknown_formats=True
        )
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        raise ValueError(_reason(error)) from None
    return Schema(schema, validator)


def _reason(error: Exception) -> str:
    if not isinstance(error, jsonschema_rs.ValidationError):
        return "it is not a JSON schema"
    message = error.message[:200]
    if message.endswith('"regex"'):
        message += ", or one that cannot be matched in linear time (look-around and back-references are not supported)"
    return f"{message} at `{_path(error.instance_path)}`"


def _refs(schema: Any) -> Iterator[str]:
    """All references to other schemas."""
    waiting = [schema]
    while waiting:
        inner = waiting.pop()
        if isinstance(inner, dict):
            yield from (inner[key] for key in REFERENCES if isinstance(inner.get(key), str))
            waiting.extend(inner.values())
        elif isinstance(inner, list):
            waiting.extend(inner)


def _told(error: jsonschema_rs.ValidationError) -> str:
    return f"{error.message[:200]} at `{_path(error.instance_path)}`"


def _path(steps: list[str | int]) -> str:
    return "$" + "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)


class _Fitting:
    """Fits values to parts of one schema."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def fitted(self, value: Any, schema: Any, depth: int) -> Any:
        schema = self._resolved(schema)
        if not isinstance(schema, dict) or depth > MAX_FITTED:
            return value
        for branch in schema.get("anyOf") or schema.get("oneOf") or ():
            fitted = self.fitted(value, branch, depth + 1)
            if self._valid(fitted, branch):
                return fitted
        for branch in schema.get("allOf") or ():
            value = self.fitted(value, branch, depth + 1)
        value = _typed(value, schema)
        if isinstance(value, dict):
            return self._object(value, schema, depth)
        items = schema.get("items")
        return [self.fitted(item, items, depth + 1) for item in value] if isinstance(value, list) and items else value

    def _object(self, value: dict[str, Any], schema: dict[str, Any], depth: int) -> dict[str, Any]:
        properties, more = schema.get("properties") or {}, schema.get("additionalProperties")
        fitted = {name: self.fitted(inner, properties.get(name, more), depth + 1) for name, inner in value.items()}
        required = schema.get("required") or ()
        return {
            name: inner
            for name, inner in fitted.items()
            if inner is not None or name in required or name not in properties or self._valid(None, properties[name])
        }

    def _resolved(self, schema: Any) -> Any:
        """The schema that a reference leads to."""
        for _ in range(MAX_FITTED):
            ref = schema.get("$ref") if isinstance(schema, dict) else None
            if not isinstance(ref, str):
                return schema
            schema = self._root
            for step in ref.removeprefix("#").strip("/").split("/") if ref != "#" else ():
                step = step.replace("~1", "/").replace("~0", "~")
                schema = schema.get(step) if isinstance(schema, dict) else None
        return schema

    def _valid(self, value: Any, schema: Any) -> bool:
        whole = schema
        if isinstance(schema, dict) and isinstance(self._root, dict):
            whole = {**{name: self._root[name] for name in ("$defs", "definitions") if name in self._root}, **schema}
        try:
            return _compiled(dumped(whole))._validator.is_valid(value)
        except ValueError:
            return False


def _typed(value: Any, schema: dict[str, Any]) -> Any:
    """A value in one of the schema's types, where it means the same."""
    if "enum" in schema or "const" in schema:
        return _listed(value, schema.get("enum") or [schema.get("const")])
    types = schema.get("type") or ()
    types = [types] if isinstance(types, str) else types
    if not types or any(_is(value, type) for type in types):
        return value
    for type in types:
        made = _MAKES[type](value) if type in _MAKES else None
        if made is not None and _is(made, type):
            return made
    return value


def _listed(value: Any, values: list[Any]) -> Any:
    if value in values or not isinstance(value, str):
        return value
    alike = [each for each in values if isinstance(each, str) and each.casefold() == value.strip().casefold()]
    alike = alike or [each for each in values if not isinstance(each, str) and dumped(each).decode() == value.strip()]
    return alike[0] if len(alike) == 1 else value


def _is(value: Any, type: str) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return {
        "string": isinstance(value, str),
        "integer": number and isinstance(value, int),
        "number": number,
        "boolean": isinstance(value, bool),
        "object": isinstance(value, dict),
        "array": isinstance(value, list),
        "null": value is None,
    }.get(type, True)


def _number(value: Any) -> Any:
    made = _json(value)
    return made if _is(made, "number") else None


def _integer(value: Any) -> Any:
    made = value if isinstance(value, float) else _number(value)
    return int(made) if isinstance(made, int | float) and made == int(made) else None


def _boolean(value: Any) -> Any:
    return {"true": True, "false": False}.get(value.strip().lower()) if isinstance(value, str) else None


def _string(value: Any) -> Any:
    return dumped(value).decode() if isinstance(value, int | float) else None


def _array(value: Any) -> Any:
    made = _json(value)
    return made if isinstance(made, list) else None if value is None else [value]


def _json(value: Any) -> Any:
    """The JSON that a text is."""
    try:
        return loaded(value.encode(errors="replace")) if isinstance(value, str) else None
    except ValueError:
        return None


_MAKES: dict[str, Callable[[Any], Any]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "string": _string,
    "object": _json,
    "array": _array,
}
"""How a value is made into one of a type; None if it cannot be."""
