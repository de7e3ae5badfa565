"""One file in, one frozen Config out. The only reader of the environment."""

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Self, TypeVar

import yaml
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from dragoman.about import About
from dragoman.access.keys import KeyOptions, ring_of
from dragoman.backends import BackendOptions
from dragoman.cors import Cors
from dragoman.edge import Bounds
from dragoman.errors import ConfigError, ErrorStyle
from dragoman.grants import FREE, Allowance, Price
from dragoman.issuer.options import Issuer
from dragoman.logs import Log
from dragoman.meter.options import Limiting, Usage
from dragoman.middleware.hooks import Hook
from dragoman.preset import Misused, expanded, names
from dragoman.responses.options import Keeping
from dragoman.routing import Misrouted, planned
from dragoman.routing.options import Retry, Route, or_backend
from dragoman.secret import hide
from dragoman.storage import opened as remembering
from dragoman.store import usable
from dragoman.units import Seconds

CONFIG_VARIABLE = "DRAGOMAN_CONFIG"
LEVEL_VARIABLE = "DRAGOMAN_LOG_LEVEL"
RECORD_VARIABLE = "DRAGOMAN_RECORD"
WATCH_VARIABLE = "DRAGOMAN_WATCH"
DEFAULT_FILE = "dragoman.yaml"
DEFAULT_STORE = "sqlite:///dragoman.db"
"""Where keys and usage are kept by whatever is served from a file."""
MAX_NODES = 100_000
MAX_DEPTH = 64

_VARIABLE = re.compile(r"(\$?)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")

Anything = TypeVar("Anything", bound="Config")
Place = tuple[str | int, ...]

BackendName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
ModelName = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,256}$")]


def _checked(check: Callable[[str], Any]) -> AfterValidator:
    def checked(url: str) -> str:
        try:
            check(url)
        except ConfigError as error:
            raise ValueError(str(error)) from None
        return url

    return AfterValidator(checked)


def _different(keys: dict[str, KeyOptions]) -> dict[str, KeyOptions]:
    ring_of(keys)
    for name in keys:
        if name.startswith("key_"):
            raise ValueError(f"{name!r} looks like the id of a key in the store; choose another name")
    return keys


RedisURL = Annotated[str, _checked(remembering)]
StoreURL = Annotated[str, _checked(usable)]
KeyName = Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]


class ModelOptions(Route):
    """A public name that callers ask for."""

    retry: Retry = Retry()
    """When a call that failed is made again, and how often."""
    limits: Allowance = Allowance()
    """How much of it all callers together may use."""
    price: Price = FREE
    """What it costs, for budgets and the usage."""
    owned_by: str = "dragoman"
    created: int = 0
    """Unix seconds, shown in the models list."""
    about: About | None = None
    """What the models list tells of it; with `{}`, what it can do."""


ModelEntry = Annotated[ModelOptions, BeforeValidator(or_backend, json_schema_input_type=ModelOptions | str)]


class Config(BaseModel):
    """A whole configuration."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)

    backends: Annotated[dict[BackendName, BackendOptions], Field(min_length=1)]
    models: Annotated[dict[ModelName, ModelEntry], Field(min_length=1)]
    hooks: list[Hook] = []
    redis: RedisURL | None = None
    """Where what outlives a call is kept (sessions), for several workers or hosts. Without it: in the process."""
    store: StoreURL | None = None
    """Where keys and usage are kept: `sqlite:///FILE` or `postgresql://…`; `dragoman.db` for a file that is served."""
    keys: Annotated[dict[KeyName, KeyOptions], AfterValidator(_different)] = {}
    """Who may use the server, beside those in the store. Without any key, everybody may."""
    jwt: Issuer | None = None
    """Whose signed tokens are keys, too."""
    limits: Limiting = Limiting()
    usage: Usage = Usage()
    responses: Keeping = Keeping()
    log: Log = Log()
    default_model: str | None = None
    """The model that answers for names that are not known."""
    drain: Seconds = 30.0
    """How long running calls may go on once the server is told to end."""
    cors: Cors | None = None
    """Which pages may call from a browser; without it, none of another site."""
    errors: ErrorStyle = "specified"
    """`openai`: an invalid payload is 400 and an unreachable backend 502, as OpenAI and proxies have it."""
    bounds: Bounds = Bounds()

    @classmethod
    def demo(cls) -> Self:
        """What is served without a configuration."""
        return cls.of({"backends": {"demo": {"kind": "demo"}}, "models": {"mock-gpt-model": "demo"}})

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """The configuration that a mapping describes. Raises ConfigError."""
        return _validated(cls, data, _Source("the configuration", {}), {})

    @classmethod
    def read(cls, file: str | Path, unset: str | None = None, store: str | None = None) -> Self:
        """The configuration in a YAML file. `unset` stands for environment variables that are not set.

        `store` is where keys and usage are kept if the file does not say. Raises ConfigError, which names the line.
        """
        reader, data = _parsed(Path(file), unset)
        if store and isinstance(data, dict):
            data.setdefault("store", store)
        return _validated(cls, data, reader.source, {"from_environment": reader.values})


def schema() -> dict[str, Any]:
    """The JSON Schema of the file, for editors."""
    root = Config.model_json_schema()
    known = {
        "type": "object",
        "description": "A known chat API; `dragoman presets` lists them.",
        "properties": {"preset": {"enum": names()}},
        "required": ["preset"],
    }
    entries = root["properties"]["backends"]["patternProperties"]
    for pattern, entry in entries.items():
        entries[pattern] = {"anyOf": [known, entry]}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **root, "title": "dragoman"}


def environment() -> Mapping[str, str]:
    """The environment's variables."""
    return dict(os.environ)


def served(file: str | Path) -> Config:
    """The configuration in a YAML file as it is served: with a store. Raises ConfigError."""
    return Config.read(file, store=DEFAULT_STORE)


@dataclass(frozen=True)
class Handed:
    """What worker processes are given."""

    file: Path | None
    log_level: str
    record: Path | None = None
    watch: bool = False

    @property
    def config(self) -> Config:
        """The configuration. Raises ConfigError."""
        return served(self.file) if self.file else Config.demo()


def hand_down(handed: Handed) -> None:
    """Leaves it in the environment of processes to come."""
    os.environ |= {
        CONFIG_VARIABLE: str(handed.file or ""),
        LEVEL_VARIABLE: handed.log_level,
        RECORD_VARIABLE: str(handed.record or ""),
        WATCH_VARIABLE: "yes" if handed.watch else "",
    }


def handed_down() -> Handed:
    """What was left."""
    file, record = os.environ.get(CONFIG_VARIABLE), os.environ.get(RECORD_VARIABLE)
    return Handed(
        Path(file) if file else None,
        os.environ.get(LEVEL_VARIABLE, "info"),
        Path(record) if record else None,
        bool(os.environ.get(WATCH_VARIABLE)),
    )


class _Source:
    """Where a configuration stands: its file, and the line of every key."""

    def __init__(self, name: str, lines: dict[Place, int]) -> None:
        self.name = name
        self.lines = lines

    def problem(self, place: Place, message: str) -> str:
        line = next((self.lines[place[:end]] for end in range(len(place), -1, -1) if place[:end] in self.lines), None)
        where = self.name if line is None else f"{self.name}:{line}"
        return f"{where}: {_dotted(place)}: {message}" if place else f"{where}: {message}"


def _dotted(place: Place) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place).removeprefix(".")


class _Reader:
    """YAML nodes to plain data: `${NAME}` resolved, the line of each key kept, each key once."""

    def __init__(self, name: str, unset: str | None) -> None:
        self.source = _Source(name, {})
        self.problems: list[str] = []
        self.values: set[str] = set()
        """What came from the environment."""
        self._unset = unset
        self._count = 0

    def value(self, loader: yaml.CSafeLoader, node: yaml.Node, place: Place) -> Any:
        self._count += 1
        if self._count > MAX_NODES:
            raise ConfigError(f"{self.source.name}: more than {MAX_NODES} values")
        if len(place) > MAX_DEPTH:
            raise ConfigError(f"{self.source.name}: nested more than {MAX_DEPTH} levels deep")
        self.source.lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            self._check_twice(node, place)
            loader.flatten_mapping(node)
            return dict(self._pairs(loader, node, place))
        if isinstance(node, yaml.SequenceNode):
            return [self.value(loader, item, (*place, index)) for index, item in enumerate(node.value)]
        value = loader.construct_object(node)
        return self._resolved(value, place) if isinstance(value, str) else value

    def _check_twice(self, node: yaml.MappingNode, place: Place) -> None:
        """Notes keys that stand there twice; what a merge (`<<`) brings may be said again."""
        seen: set[str] = set()
        for key_node in (key_node for key_node, _ in node.value if isinstance(key_node, yaml.ScalarNode)):
            if key_node.value in seen:
                self.source.lines[(*place, key_node.value)] = key_node.start_mark.line + 1
                self.problems.append(self.source.problem((*place, key_node.value), "stands here twice"))
            seen.add(key_node.value)

    def _pairs(self, loader: yaml.CSafeLoader, node: yaml.MappingNode, place: Place) -> Iterator[tuple[str, Any]]:
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            here = (*place, key)
            self.source.lines[here] = key_node.start_mark.line + 1
            yield key, self.value(loader, value_node, here)

    def _resolved(self, text: str, place: Place) -> str:
        def variable(match: re.Match[str]) -> str:
            if match[1]:
                return match[0][1:]
            value = os.environ.get(match[2], self._unset)
            if value is None:
                self.problems.append(self.source.problem(place, f"the environment variable {match[2]} is not set"))
                return ""
            self.values.add(value)
            hide(value, match[2], lasting=True)
            return value

        return _VARIABLE.sub(variable, text)


def _parsed(file: Path, unset: str | None) -> tuple[_Reader, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file}: cannot be read: {getattr(error, 'strerror', None) or 'it is not UTF-8'}") from error
    reader = _Reader(str(file), unset)
    loader = yaml.CSafeLoader(text)
    try:
        node = loader.get_single_node()
        data = (reader.value(loader, node, ()) if node else None) or {}
    except RecursionError:
        raise ConfigError(f"{file}: nested more than {MAX_DEPTH} levels deep") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{file}:{mark.line + 1}" if mark else str(file)
        raise ConfigError(
            f"{where}: is not YAML: {getattr(error, 'problem', None) or 'it cannot be parsed'}"
        ) from error
    finally:
        loader.dispose()
    if reader.problems:
        raise ConfigError("\n".join(reader.problems))
    return reader, data


def _validated(kind: type[Anything], data: Any, source: _Source, context: dict[str, Any]) -> Anything:
    data = _with_presets(data, source)
    try:
        config = kind.model_validate(data, context=context)
    except ValidationError as invalid:
        problems = [_problem(error, data, kind, source) for error in invalid.errors(include_url=False)]
        raise ConfigError("\n".join(dict.fromkeys(problems))) from None
    if misrouted := list(_misrouted(config, source)):
        raise ConfigError("\n".join(misrouted))
    return config


def _with_presets(data: Any, source: _Source) -> Any:
    """The data with each preset's own in place of its name."""
    backends = data.get("backends") if isinstance(data, Mapping) else None
    if not isinstance(backends, Mapping):
        return data
    made, problems = {}, []
    for name, entry in backends.items():
        try:
            made[name] = expanded(entry)
        except Misused as error:
            problems.append(source.problem(("backends", name, *error.place), str(error)))
    if problems:
        raise ConfigError("\n".join(problems))
    return {**data, "backends": made}


def _misrouted(config: Config, source: _Source) -> Iterator[str]:
    for name in config.models:
        try:
            planned(name, config.models, config.backends)
        except Misrouted as error:
            yield source.problem(("models", name, *error.place), str(error))
    if config.default_model is not None and config.default_model not in config.models:
        told = f"no model is named {config.default_model!r}{_meant(config.default_model, config.models)}"
        yield source.problem(("default_model",), told)


def _problem(error: ErrorDetails, data: Any, kind: type[BaseModel], source: _Source) -> str:
    place = _place(error, data)
    return source.problem(place, _message(error, place, data, kind))


def _place(error: ErrorDetails, data: Any) -> Place:
    """The error's place in the data: pydantic's location without the names of union branches."""
    place: list[str | int] = []
    current = data
    for step in error["loc"]:
        inside = (
            current.keys() if isinstance(current, Mapping) else range(len(current)) if isinstance(current, list) else ()
        )
        if step in inside:
            place.append(step)
            current = current[step]
    if error["type"] == "missing":
        place.append(error["loc"][-1])
    if error["type"] == "union_tag_invalid":
        place.append("kind")
    return (*place, *(error.get("ctx") or {}).get("place", ()))


def _message(error: ErrorDetails, place: Place, data: Any, kind: type[BaseModel]) -> str:
    context = error.get("ctx") or {}
    match error["type"]:
        case "extra_forbidden":
            return f"is not a known key{_meant(str(place[-1]), _known_keys(kind, place[:-1], data))}"
        case "missing":
            return "is missing"
        case "union_tag_not_found":
            known = f"needs `kind`: {', '.join(_known_kinds(kind, place, data))}"
            return f"{known}; or `preset`" if place[:-1] == ("backends",) else known
        case "union_tag_invalid":
            kinds = context["expected_tags"].replace("'", "").split(", ")
            return f"there is no kind {context['tag']!r}{_meant(context['tag'], kinds)}; there are {', '.join(kinds)}"
        case "value_error":
            return str(context["error"])
        case "dict_type" | "model_type" | "model_attributes_type":
            return "must be a mapping: `key: value`"
        case "import_error":
            return f"cannot be imported: {context['error']}"
        case "string_pattern_mismatch" if len(place) == 2 and place[0] in ("backends", "models", "keys"):
            return "is not a good name: use letters, digits, '.', '_' and '-'"
        case _:
            return error["msg"][0].lower() + error["msg"][1:]


def _meant(word: str, known: Any) -> str:
    near = get_close_matches(word, list(known), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _known_keys(kind: type[BaseModel], place: Place, data: Any) -> list[str]:
    """The keys that may stand at a place."""
    return [key for schema in _schemas(kind, place, data) for key in schema.get("properties", {})]


def _known_kinds(kind: type[BaseModel], place: Place, data: Any) -> list[str]:
    """The kinds that there are at a place."""
    return [
        word for schema in _schemas(kind, place, data) for word in schema.get("discriminator", {}).get("mapping", ())
    ]


def _schemas(kind: type[BaseModel], place: Place, data: Any) -> list[dict[str, Any]]:
    """What the configuration's JSON Schema says of a place in the data."""
    root = kind.model_json_schema()
    schemas = list(_branches(root, root, data))
    for step in place:
        data = data[step]
        schemas = [
            branch for schema in schemas for inner in _inner(schema, step) for branch in _branches(inner, root, data)
        ]
    return schemas


def _inner(schema: dict[str, Any], step: str | int) -> Iterator[dict[str, Any]]:
    if isinstance(step, int):
        yield schema.get("items", {})
    elif step in schema.get("properties", {}):
        yield schema["properties"][step]
    elif "patternProperties" in schema:
        yield from schema["patternProperties"].values()
    elif isinstance(schema.get("additionalProperties"), dict):
        yield schema["additionalProperties"]


def _branches(schema: dict[str, Any], root: dict[str, Any], data: Any) -> Iterator[dict[str, Any]]:
    """A schema and those that it refers to; of several kinds, the one that the data has."""
    if "$ref" in schema:
        schema = root["$defs"][schema["$ref"].rpartition("/")[2]]
    yield schema
    if discriminator := schema.get("discriminator"):
        chosen = data.get(discriminator["propertyName"]) if isinstance(data, Mapping) else None
        if chosen in discriminator["mapping"]:
            yield from _branches({"$ref": discriminator["mapping"][chosen]}, root, data)
    for branch in schema.get("anyOf", ()):
        yield from _branches(branch, root, data)
