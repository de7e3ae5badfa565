"""Which of JSON's kinds a value has, and which a schema asks for."""

from typing import Any

_KINDS = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    dict: "object",
    list: "array",
    type(None): "null",
}


def asked(schema: Any) -> list[str]:
    """The kinds that the schema allows by name; none if it does not say."""
    kinds = schema.get("type", []) if isinstance(schema, dict) else []
    return [kinds] if isinstance(kinds, str) else kinds


def is_one(value: Any, kinds: list[str]) -> bool:
    """Whether the value is of one of these kinds."""
    kind = _KINDS.get(type(value))
    return kind in kinds or (kind == "integer" and "number" in kinds)


def options(schema: Any) -> list[Any] | None:
    """The values that the schema enumerates; None if it does not."""
    if not isinstance(schema, dict):
        return None
    return [schema["const"]] if "const" in schema else schema.get("enum")
