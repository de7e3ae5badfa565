"""What a schema must keep to, so that checking a value by it is quick and stays in the process."""

from typing import Any

from dragoman.json import deeper
from dragoman.schemas.places import REFERENCES, Place, inner, referred, unfolded

MAX_BYTES = 64 * 1024
MAX_NODES = 10_000
"""Values of all kinds in the schema."""
MAX_DEPTH = 32
"""Schemas within schemas: what tools write with their models inlined takes three a level, so that 16 would be five."""
MAX_UNFOLDED = 20_000
"""Schemas once references are followed, which is about what checking a value costs for each level of it."""
MAX_PATTERNS = 100
_MAX_NESTED = 128


def kept(schema: Any) -> int:
    """How many patterns the schema has. Raises ValueError if it does not keep to the bounds."""
    if not isinstance(schema, dict):
        raise ValueError("it must be a JSON object")
    if deeper(schema, _MAX_NESTED) or nodes(schema, MAX_NODES) > MAX_NODES:
        raise ValueError(f"it may have at most {MAX_NODES:,} values, and {_MAX_NESTED} levels of them; make it smaller")
    patterns = sum(_kept(place, schema) for place in _levels(schema))
    if patterns > MAX_PATTERNS:
        raise ValueError(f"it has {patterns} patterns, and may have at most {MAX_PATTERNS}")
    if unfolded(schema) > MAX_UNFOLDED:
        raise ValueError(f"its $refs multiply to more than {MAX_UNFOLDED:,} schemas; define what recurs once, in $defs")
    return patterns


def nodes(value: Any, limit: int) -> int:
    """How many values there are in this one, itself included; counted no further than shortly beyond the limit."""
    count, pending = 0, [value]
    while pending and count <= limit:
        value = pending.pop()
        count += 1
        if isinstance(value, dict | list):
            pending += value.values() if isinstance(value, dict) else value
    return count


def _levels(schema: Any) -> list[Place]:
    """Every schema there is. Raises ValueError."""
    level, every = [Place((), schema)], []
    for _ in range(MAX_DEPTH + 1):
        every += level
        level = [within for place in level for within in inner(place)]
        if not level:
            return every
    raise ValueError(
        f"at {level[0].fragment} schemas are nested more than {MAX_DEPTH} levels deep; move inner ones to $defs"
    )


def _kept(place: Place, root: Any) -> int:
    """How many patterns there are right here. Raises ValueError."""
    schema = place.schema
    if not isinstance(schema, dict):
        return 0
    for keyword in REFERENCES:
        if isinstance(reference := schema.get(keyword), str):
            _leads_somewhere(place, root, reference)
    if place.path and isinstance(schema.get("$id"), str):
        raise ValueError(f"at {place.fragment} there is an $id; refer by a path such as #/$defs/name and leave it out")
    named = schema.get("patternProperties")
    return ("pattern" in schema) + (len(named) if isinstance(named, dict) else 0)


def _leads_somewhere(place: Place, root: Any, reference: str) -> None:
    if not reference.startswith("#"):
        raise ValueError(
            f"at {place.fragment} {reference!r:.100} leads out of the schema; "
            "put what it means into $defs and refer to it as #/$defs/name"
        )
    if reference.startswith("#/") and not referred(root, reference):
        raise ValueError(f"at {place.fragment} {reference!r:.100} leads to nothing; define it in $defs")
