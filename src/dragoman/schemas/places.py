"""Where in a schema there are schemas, and what its references lead to."""

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import quote, unquote

DEFINITIONS = ("$defs", "definitions")
_ONE = (
    *("additionalProperties", "additionalItems", "items", "contains", "propertyNames", "contentSchema"),
    *("unevaluatedItems", "unevaluatedProperties", "not", "if", "then", "else"),
)
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_NAMED = ("properties", "patternProperties", "dependentSchemas", "dependencies", *DEFINITIONS)
REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


class Place(NamedTuple):
    """A schema within the document, and the keys that lead to it."""

    path: tuple[str, ...]
    schema: Any

    def inner(self, *keys: str) -> "Place":
        """What these keys lead to from here. Raises LookupError, ValueError."""
        schema = self.schema
        for key in keys:
            schema = schema[int(key)] if isinstance(schema, list) else schema[key]
        return Place((*self.path, *keys), schema)

    def listed(self, keyword: str) -> list["Place"]:
        """The schemas in the keyword's list."""
        return [self.inner(keyword, str(index)) for index in range(len(self.schema.get(keyword, ())))]

    @property
    def fragment(self) -> str:
        """The path as JSON pointer in a URI (RFC 6901)."""
        return "#" + "".join(f"/{quote(key.replace('~', '~0').replace('/', '~1'), '$')}" for key in self.path)


def member(place: Place, key: str | int) -> Place | None:
    """The schema of a property or an item, where it is told by its name or place alone."""
    schema = place.schema
    if isinstance(key, str):
        if key in schema.get("properties", ()):
            return place.inner("properties", key)
        rest = "" if "patternProperties" in schema else "additionalProperties"
    else:
        listed = "items" if isinstance(schema.get("items"), list) else "prefixItems"
        if key < len(schema.get(listed, ())):
            return place.inner(listed, str(key))
        rest = "additionalItems" if listed == "items" else "items"
    return place.inner(rest) if isinstance(schema.get(rest), dict) else None


def inner(place: Place) -> Iterator[Place]:
    """The schemas directly within this one, whether or not it is a valid schema."""
    schema = place.schema
    if not isinstance(schema, dict):
        return
    for keyword in _ONE:
        if isinstance(schema.get(keyword), dict):
            yield place.inner(keyword)
    for keyword in _LISTED:
        if isinstance(schema.get(keyword), list):
            yield from place.listed(keyword)
    for keyword in _NAMED:
        if isinstance(schema.get(keyword), dict):
            yield from (place.inner(keyword, name) for name in schema[keyword])


def referred(root: Any, reference: str) -> Place | None:
    """What a reference within the document leads to by its path; None if to nothing."""
    if reference != "#" and not reference.startswith("#/"):
        return None
    keys = [unquote(key).replace("~1", "/").replace("~0", "~") for key in reference.split("/")[1:]]
    try:
        return Place((), root).inner(*keys)
    except (LookupError, ValueError, TypeError):
        return None


def unfolded(root: Any) -> int:
    """How many schemas there are once each reference is replaced by what it leads to, circles left out."""
    sizes: dict[int, int] = {}
    pending = [(root, False)]
    while pending:
        schema, counted = pending.pop()
        if counted:
            sizes[id(schema)] = 1 + sum(sizes[id(next)] for next in _applied(root, schema))
        elif id(schema) not in sizes:
            sizes[id(schema)] = 1
            pending.append((schema, True))
            pending += [(next, False) for next in _applied(root, schema)]
    return sizes[id(root)]


def _applied(root: Any, schema: Any) -> list[Any]:
    """The schemas that hold for a value, or for what is in it, where this one does."""
    within = [place.schema for place in inner(Place((), schema)) if place.path[0] not in DEFINITIONS]
    target = referred(root, schema["$ref"]) if isinstance(schema, dict) and "$ref" in schema else None
    return [*within, target.schema] if target else within
