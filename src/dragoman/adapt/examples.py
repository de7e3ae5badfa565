"""Examples for the schemas of an OpenAPI document: what it shows, or else what fits the names and types."""

from typing import Any

from dragoman.adapt.asked import CannotAdapt
from dragoman.adapt.texts import name_of
from dragoman.adapt.vocabulary import (
    ANSWER,
    ANSWER_MAYBE,
    HISTORIES,
    MODELS,
    PARAMETERS,
    PROMPTS,
    SESSIONS,
    STREAMS,
    SYSTEMS,
    WHO,
    words,
)

DEEPEST = 24
MOST = 5_000
"""Schemas that are followed for one example."""
QUESTION = "Hello, how are you?"
ANSWERED = "I am well, and I am here to help."
INSTRUCTED = "You help people."
WANTED = PROMPTS | HISTORIES | MODELS | SESSIONS | STREAMS | SYSTEMS | words("messages contents turns dialog")
"""What is worth sending although it is not required."""
SAMPLED = frozenset().union(*PARAMETERS.values())

Node = dict[str, Any]


class Schemas:
    """The schemas of a document, with the references in it."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._left = MOST

    def resolved(self, node: Any) -> Any:
        """The node, or what it refers to. Raises CannotAdapt."""
        for _ in range(DEEPEST):
            if not isinstance(node, dict) or "$ref" not in node:
                return node
            node = self._at(str(node["$ref"]))
        raise CannotAdapt("The document's references go round in a circle; look at its `$ref`s.")

    def _at(self, reference: str) -> Any:
        if not reference.startswith("#/"):
            raise CannotAdapt(f"The document refers to another ({reference}); put all into one document.")
        node: Any = self._root
        for step in reference[2:].split("/"):
            node = node.get(step.replace("~1", "/").replace("~0", "~")) if isinstance(node, dict) else None
        if node is None:
            raise CannotAdapt(f"The document refers to {reference}, which is not in it.")
        return node

    def shown(self, media: Node) -> Any:
        """The example that a document shows, None if it shows none."""
        if "example" in media:
            return media["example"]
        examples = media.get("examples")
        first = next(iter(examples.values()), None) if isinstance(examples, dict) else None
        first = self.resolved(first)
        return first.get("value") if isinstance(first, dict) else None

    def example(self, media: Node, answers: bool = False) -> Any:
        """The example that is shown, or one that fits the schema; `answers`: of an answer."""
        shown = self.shown(media)
        return self._made(media.get("schema"), "", answers, 0) if shown is None else shown

    def parameter(self, node: Node) -> Any:
        """A parameter's value; None where it can be left out."""
        shown = self.shown(node)
        name = name_of(node.get("name", ""))
        if shown is not None or not (node.get("required") or name in WANTED):
            return shown
        made = self._made(node.get("schema"), str(node.get("name", "")), False, 0)
        return f"{{{node.get('name')}}}" if made in ("text", None) else made

    def _made(self, schema: Any, name: str, answers: bool, depth: int) -> Any:
        self._left -= 1
        schema = self.resolved(schema)
        if not isinstance(schema, dict) or depth > DEEPEST or self._left < 0:
            return None
        schema = self._whole(schema)
        for key in ("example", "default", "const"):
            if key in schema and not (answers and key == "default"):
                return schema[key]
        for key in ("examples", "enum"):
            if isinstance(schema.get(key), list) and schema[key]:
                return schema[key][0]
        return self._of_type(schema, name, answers, depth)

    def _whole(self, schema: Node) -> Node:
        """The schema with what it is made of; of alternatives the first."""
        made = dict(schema)
        parts = [*_list(schema.get("allOf")), *_first(schema.get("oneOf")), *_first(schema.get("anyOf"))]
        for part in parts[:DEEPEST]:
            part = self.resolved(part)
            if isinstance(part, dict):
                both = {**_dict(made.get("properties")), **_dict(part.get("properties"))}
                needed = [*_list(made.get("required")), *_list(part.get("required"))]
                made = {**part, **made, **({"properties": both, "required": needed} if both else {})}
        return made

    def _of_type(self, schema: Node, name: str, answers: bool, depth: int) -> Any:
        type = schema.get("type")
        type = next((one for one in type if one != "null"), None) if isinstance(type, list) else type
        if type == "object" or "properties" in schema:
            return self._object(schema, answers, depth)
        if type == "array":
            return self._array(schema, name, answers, depth)
        if type in ("integer", "number"):
            return schema.get("minimum", 1)
        return False if type == "boolean" else _text(name, schema, answers)

    def _object(self, schema: Node, answers: bool, depth: int) -> Node:
        needed = set(map(str, _list(schema.get("required"))))
        made: Node = {}
        for key, inner in _dict(schema.get("properties")).items():
            name, shown = name_of(key), _dict(self.resolved(inner))
            if not answers and name in SAMPLED and key not in needed:
                made[key] = None
            elif answers or key in needed or name in WANTED or "example" in shown:
                made[key] = self._made(inner, str(key), answers, depth + 1)
        return made

    def _array(self, schema: Node, name: str, answers: bool, depth: int) -> list[Any]:
        item = self._made(schema.get("items"), name, answers, depth + 1)
        if item is None:
            return []
        return [*self._by_role(schema, item)] if isinstance(item, dict) and not answers else [item]

    def _by_role(self, schema: Node, item: Node) -> list[Node]:
        """One item for each who may speak, so that their names are known; the user last."""
        properties = _dict(self._whole(_dict(self.resolved(schema.get("items")))).get("properties"))
        for key, inner in properties.items():
            spoken = [word for word in _list(self._whole(_dict(self.resolved(inner))).get("enum")) if _who(word)]
            if _who(item.get(key)) and spoken:
                ordered = sorted(spoken, key=lambda word: ("system", "assistant", "user").index(_who(word)))
                return [{**item, key: word} for word in ordered]
        return [item]


def _who(word: Any) -> str:
    return WHO.get(str(word).lower(), "")


def _text(name: str, schema: Node, answers: bool) -> str | None:
    known = name_of(name)
    if schema.get("format") in ("uuid", "date-time", "date", "uri", "binary", "byte"):
        return "00000000-0000-4000-8000-000000000000" if schema["format"] == "uuid" else None
    if answers:
        return ANSWERED if known in ANSWER | ANSWER_MAYBE else "text"
    if known in SYSTEMS:
        return INSTRUCTED
    if known in SESSIONS:
        return ""
    return QUESTION if known in PROMPTS else "user" if known in ("role", "author", "sender") else "text"


def _first(value: Any) -> list[Any]:
    return _list(value)[:1]


def _dict(value: Any) -> Node:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
