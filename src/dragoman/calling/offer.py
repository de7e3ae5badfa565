"""The tools that a call offers: which the model may call, and whether it must."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from dragoman.errors import InvalidRequest
from dragoman.schemas import Schema, compiled
from dragoman.wire.chat import ChatRequest

Tool = dict[str, Any]

NOTHING: dict[str, Any] = {"type": "object", "properties": {}}
"""The parameters of a tool that has none."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What the model is offered."""

    tools: dict[str, Tool]
    """By name: the caller's `function` or `custom` object. Empty if it may call none."""
    kinds: dict[str, str]
    """By name: `function` or `custom`."""
    schemas: dict[str, Schema]
    """By name: what a function's arguments must be."""
    choice: Literal["auto", "required"]
    named: str | None
    """The one tool that must be called."""
    parallel: bool
    """Whether several calls may be made at once."""

    @property
    def must(self) -> bool:
        """Whether a tool must be called."""
        return self.choice == "required"

    @property
    def kinds_offered(self) -> dict[str, str]:
        """By name: the kinds of the tools that may be called."""
        return {name: self.kinds[name] for name in self.tools}

    def strict(self, name: str) -> bool:
        """Whether arguments that the schema does not allow are an error."""
        return bool(self.tools[name].get("strict"))

    def parameters(self) -> dict[str, dict[str, Any]]:
        """By name: the JSON schema of a function's arguments."""
        return {name: parameters(tool) for name, tool in self.tools.items() if self.kinds[name] == "function"}


def parameters(tool: Tool) -> dict[str, Any]:
    """The JSON schema of a function's arguments."""
    return tool.get("parameters") or NOTHING


def offered(request: ChatRequest) -> Offer:
    """What a request offers. Raises InvalidRequest where its tools, or what it chooses of them, make no sense."""
    tools, kinds, schemas = {}, {}, {}
    for place, given in enumerate(request.tools or ()):
        kind, tool = _tool(given, place)
        name = tool["name"]
        if name in tools:
            raise _wrong(f"tools[{place}].{kind}.name", f"Two tools are named '{name}'. Names must differ.")
        tools[name], kinds[name] = tool, kind
        if kind == "function":
            schemas[name] = compiled(parameters(tool), f"tools[{place}].function.parameters")
    names, choice, named = _chosen(request, kinds)
    wanted = {name: tools[name] for name in names}
    return Offer(wanted, kinds, schemas, choice, named, request.parallel_tool_calls is not False)


def _tool(given: Any, place: int) -> tuple[str, Tool]:
    kind = given["type"]
    if kind not in ("function", "custom"):
        raise _wrong(f"tools[{place}].type", f"Tools of the type '{kind[:64]}' are not supported by this model.")
    return kind, given[kind]


def _chosen(request: ChatRequest, kinds: dict[str, str]) -> tuple[list[str], Literal["auto", "required"], str | None]:
    """The names that may be called, whether one must be, and the one that must be."""
    choice: Any = request.tool_choice or "auto"
    match choice if isinstance(choice, str) else choice["type"]:
        case "none":
            return [], "auto", None
        case "auto":
            return list(kinds), "auto", None
        case "required":
            _check_any(kinds)
            return list(kinds), "required", None
        case "function" | "custom" as kind:
            name = _known(choice[kind]["name"], kinds, f"tool_choice.{kind}.name")
            return [name], "required", name
        case "allowed_tools":
            allowed = choice["allowed_tools"]
            names = [_known(name, kinds, "tool_choice.allowed_tools.tools") for name in _names(allowed["tools"])]
            return list(dict.fromkeys(names)), allowed["mode"], None
        case kind:
            raise _wrong("tool_choice.type", f"A 'tool_choice' of the type '{kind[:64]}' is not supported.")


def _names(tools: list[dict[str, Any]]) -> Iterator[str]:
    for tool in tools:
        inner = tool.get(tool.get("type", "function"), tool)
        name = inner.get("name") if isinstance(inner, dict) else None
        yield name if isinstance(name, str) else ""


def _check_any(kinds: dict[str, str]) -> None:
    if not kinds:
        raise _wrong("tool_choice", "'tool_choice' is only allowed when 'tools' are specified.")


def _known(name: str, kinds: dict[str, str], param: str) -> str:
    _check_any(kinds)
    if name not in kinds:
        raise _wrong(param, f"Invalid value for 'tool_choice': no tool named '{name[:64]}' was specified in 'tools'.")
    return name


def _wrong(param: str, message: str) -> InvalidRequest:
    return InvalidRequest(message, param=param, code="invalid_value")
