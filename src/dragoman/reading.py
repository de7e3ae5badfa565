"""Reads a caller's JSON into a wire type, or says what is wrong with it in OpenAI's terms."""

from collections.abc import Callable
from typing import Any, TypeVar

import orjson
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from dragoman.errors import InvalidJSON, InvalidRequest
from dragoman.json import deeper, may_be_deeper

MAX_DEPTH = 32
MAX_SCHEMA_DEPTH = 64
SCHEMA_FIELDS = frozenset({"tools", "functions", "response_format", "text", "output_config", "output_format"})

Request = TypeVar("Request", bound=BaseModel)


def request_in(body: bytes, kind: type[Request], model: str | None = None) -> Request:
    """The request in a body of JSON, for a `model` if that is known already.

    Raises InvalidJSON or InvalidRequest, with OpenAI's `param` and `code`.
    """
    data = _parsed(body)
    return validated(data if model is None else {**data, "model": model}, kind)


def validated(data: dict[str, Any], kind: type[Request]) -> Request:
    """The JSON object as a request of that kind."""
    try:
        return kind.model_validate(data)
    except ValidationError as invalid:
        raise _told(invalid.errors(include_url=False)[0], data) from None


def _parsed(body: bytes) -> dict[str, Any]:
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as broken:
        where = f" It breaks at character {broken.pos}." if body else " The body is empty."
        raise InvalidJSON(InvalidJSON.fixed_message + where) from None
    if not isinstance(data, dict):
        raise InvalidJSON()
    if may_be_deeper(body, MAX_DEPTH):
        _check_depth(data)
    return data


def _check_depth(data: dict[str, Any]) -> None:
    for field, value in data.items():
        limit = MAX_SCHEMA_DEPTH if field in SCHEMA_FIELDS else MAX_DEPTH
        if deeper(value, limit):
            raise InvalidJSON(f"The JSON body of your request is nested more than {limit} levels deep.")


_NAMES = {
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",
    str: "a string",
    list: "an array",
    dict: "an object",
    type(None): "null",
}
_EXPECTED = {
    "string_type": "a string",
    "int_type": "an integer",
    "int_from_float": "an integer",
    "float_type": "a decimal number",
    "bool_type": "a boolean",
    "list_type": "an array",
    "dict_type": "an object",
    "model_type": "an object",
}


def _told(error: ErrorDetails, data: dict[str, Any]) -> InvalidRequest:
    context = error.get("ctx") or {}
    param = str(context["param"]) if "param" in context else _param(error["loc"])
    kind = error["type"]
    if kind in _EXPECTED:
        return _wrong_type(param, _EXPECTED[kind], error["input"])
    return _RULES.get(kind, _otherwise)(param, error)


def _param(location: tuple[int | str, ...]) -> str:
    """`messages[0].content[1].text`; union branches (`~text`) and dictionary key markers are left out."""
    path = ""
    for step in location:
        if isinstance(step, int):
            path += f"[{step}]"
        elif not step.startswith("~") and step != "[key]":
            path += f".{_shown(step)}" if path else _shown(step)
    return path


def _shown(step: str) -> str:
    return step if step.isidentifier() and len(step) <= 64 else "…"


def _wrong_type(param: str, expected: str, got: object) -> InvalidRequest:
    name = _NAMES.get(type(got), "something else")
    return InvalidRequest(
        f"Invalid type for '{param}': expected {expected}, but got {name} instead.", param=param, code="invalid_type"
    )


def _missing(param: str, error: ErrorDetails) -> InvalidRequest:
    return InvalidRequest(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def _invalid(param: str, supported: object) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid value for '{param}'. Supported values are: {supported}.", param=param, code="invalid_value"
    )


def _bound(word: str, sign: str, key: str) -> Callable[[str, ErrorDetails], InvalidRequest]:
    def told(param: str, error: ErrorDetails) -> InvalidRequest:
        number = "decimal" if isinstance(error["ctx"][key], float) else "integer"
        name = {"below": "below_min_value", "above": "above_max_value"}[word]
        extreme = {"below": "minimum", "above": "maximum"}[word]
        return InvalidRequest(
            f"Invalid '{param}': {number} {word} {extreme} value. Expected a value {sign} {error['ctx'][key]}.",
            param=param,
            code=f"{number}_{name}",
        )

    return told


def _too_short(param: str, error: ErrorDetails) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid '{param}': empty array. Expected an array with minimum length {error['ctx']['min_length']}.",
        param=param,
        code="empty_array",
    )


def _too_long(param: str, error: ErrorDetails) -> InvalidRequest:
    thing = "array" if isinstance(error["input"], list) else "object"
    code = {"array": "array_above_max_length", "object": "object_above_max_properties"}[thing]
    most = error["ctx"]["max_length"]
    return InvalidRequest(
        f"Invalid '{param}': {thing} too long. Expected at most {most} entries.", param=param, code=code
    )


def _string_too_short(param: str, error: ErrorDetails) -> InvalidRequest:
    return InvalidRequest(f"Invalid '{param}': empty string.", param=param, code="empty_string")


def _string_too_long(param: str, error: ErrorDetails) -> InvalidRequest:
    most = error["ctx"]["max_length"]
    return InvalidRequest(
        f"Invalid '{param}': string too long. Expected a string with maximum length {most}.",
        param=param,
        code="string_above_max_length",
    )


def _pattern(param: str, error: ErrorDetails) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid '{param}': string does not match pattern. It must match '{error['ctx']['pattern']}'.",
        param=param,
        code="invalid_value",
    )


def _value(param: str, error: ErrorDetails) -> InvalidRequest:
    return InvalidRequest(f"Invalid value for '{param}': {error['ctx']['error']}.", param=param, code="invalid_value")


def _message(param: str, error: ErrorDetails) -> InvalidRequest:
    return InvalidRequest(error["msg"], param=param, code="invalid_value")


def _needs_field(field: str) -> Callable[[str, ErrorDetails], InvalidRequest]:
    """Tells of a union whose branch is chosen by a field: the field is missing, or not one of those known."""

    def told(param: str, error: ErrorDetails) -> InvalidRequest:
        value = error["input"]
        if not isinstance(value, dict):
            return _wrong_type(param, f"an object with a '{field}'", value)
        if field not in value:
            return _missing(f"{param}.{field}", error)
        if not isinstance(value[field], str):
            return _wrong_type(f"{param}.{field}", "a string", value[field])
        return _invalid(f"{param}.{field}", error["msg"])

    return told


def _needs_shape(param: str, error: ErrorDetails) -> InvalidRequest:
    return _wrong_type(param, error["msg"], error["input"])


def _unknown(param: str, error: ErrorDetails) -> InvalidRequest:
    return InvalidRequest(f"Unknown parameter: '{param}'.", param=param, code="unknown_parameter")


def _otherwise(param: str, error: ErrorDetails) -> InvalidRequest:
    return InvalidRequest(f"Invalid value for '{param}'.", param=param, code="invalid_value")


_RULES: dict[str, Callable[[str, ErrorDetails], InvalidRequest]] = {
    "missing": _missing,
    "extra_forbidden": _unknown,
    "literal_error": lambda param, error: _invalid(param, error["ctx"]["expected"]),
    "greater_than_equal": _bound("below", ">=", "ge"),
    "less_than_equal": _bound("above", "<=", "le"),
    "less_than": _bound("above", "<", "lt"),
    "too_short": _too_short,
    "too_long": _too_long,
    "string_too_short": _string_too_short,
    "string_too_long": _string_too_long,
    "string_pattern_mismatch": _pattern,
    "value_error": _value,
    "needs_role": _needs_field("role"),
    "needs_type": _needs_field("type"),
    "needs_content": _needs_shape,
    "needs_stop": _needs_shape,
    "requires_logprobs": _message,
}
