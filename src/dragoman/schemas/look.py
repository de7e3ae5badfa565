"""One look at a value by a schema's parts, which costs no more than it may."""

from functools import cached_property
from typing import Any

from jsonschema_rs import RegexOptions, Registry, Validator, validator_for

from dragoman.schemas.bounds import nodes
from dragoman.schemas.places import Place, referred

MAX_WORK = 1_000_000
"""Values and schemas, compared with one another, until a look is over."""
MAX_DEPTH = 150
"""Steps into a value and its schema."""

_STEP = 10

_BASE = "urn:dragoman:schema"
_PATTERNS = 4 * 1024 * 1024
"""Bytes for a schema's compiled patterns, all together."""
_PATTERN = 1024 * 1024


class Document:
    """A schema whose parts can be validated by. Raises ValueError."""

    def __init__(self, schema: dict[str, Any], patterns: int) -> None:
        self.schema = {key: value for key, value in schema.items() if key != "$id"}
        self.nodes = nodes(schema, MAX_WORK)
        size = min(_PATTERN, _PATTERNS // max(1, patterns))
        self._patterns = RegexOptions(size_limit=size, dfa_size_limit=size)
        self.whole = self.validator(self.schema)

    @cached_property
    def _registry(self) -> Registry:
        return Registry([(_BASE, self.schema)])

    def validator(self, schema: dict[str, Any], mask: str | None = None) -> Validator:
        """What checks values by a schema that refers to nothing but itself."""
        return validator_for(schema, pattern_options=self._patterns, validate_formats=False, offline=True, mask=mask)

    def part(self, place: Place) -> Validator:
        """What checks values by a schema within this one."""
        if not place.path:
            return self.whole
        return validator_for(
            self.at_home({"$ref": _BASE + place.fragment}),
            registry=self._registry,
            pattern_options=self._patterns,
            validate_formats=False,
            offline=True,
        )

    def at_home(self, schema: dict[str, Any]) -> dict[str, Any]:
        """The schema in the dialect of this one."""
        return {"$schema": self.schema["$schema"], **schema} if "$schema" in self.schema else schema


class Look:
    """What is compiled and counted while one value is looked at."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._validators: dict[tuple[str, ...], Validator] = {}
        self._work = 0

    @property
    def over(self) -> bool:
        """Whether it has cost what it may."""
        return self._work > MAX_WORK

    def fits(self, place: Place, value: Any) -> bool:
        """Whether the value validates there; False once the look is over."""
        if isinstance(place.schema, bool) or self.over:
            return place.schema is True
        if place.path not in self._validators:
            self._work += self.document.nodes
            self._validators[place.path] = self.document.part(place)
        self._work += nodes(value, MAX_WORK)
        return not self.over and self._validators[place.path].is_valid(value)

    def step(self) -> bool:
        """Counts a step that compares nothing; whether another may be made."""
        self._work += _STEP
        return not self.over

    def referred(self, place: Place) -> Place | None:
        """What the schema refers to."""
        return referred(self.document.schema, place.schema["$ref"]) if "$ref" in place.schema else None
