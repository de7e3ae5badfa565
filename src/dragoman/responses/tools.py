"""Tools: offered in chat's words, and what the model calls told in ours."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dragoman.errors import InvalidRequest

LONGEST_NAME = 64
MOST = 128
"""Tools that chat backends take."""

Tool = dict[str, Any]

_SAFE = re.compile(r"[A-Za-z0-9_.-]{1,64}")


class Offered:
    """The tools of a request that can be offered. What we have no use for is left out, and named in `ignored`.

    `added` are those that its items bring, each with where it stands.
    """

    def __init__(self, tools: Sequence[Tool], added: Iterable[tuple[str, Tool]] = ()) -> None:
        self.chat: list[Tool] = []
        """The same in chat's words."""
        self.places: list[str] = []
        """Where each of those stands in the request."""
        self.ignored: list[str] = []
        self._names: dict[tuple[str | None, str], str] = {}
        self._meant: dict[str, tuple[str, str]] = {}
        for place, tool in enumerate(tools):
            self._offer(tool, f"tools[{place}]")
        for where, tool in added:
            self._offer(tool, where)
        if len(self.chat) > MOST:
            raise InvalidRequest(
                f"Invalid 'tools': array too long. Expected at most {MOST} entries, with those in namespaces.",
                param="tools",
                code="array_above_max_length",
            )

    def _offer(self, tool: Tool, place: str) -> None:
        if tool["type"] != "namespace":
            self._add(tool, place, None)
            return
        for inside, each in enumerate(tool["tools"]):
            self._add(each, f"{place}.tools[{inside}]", tool["name"])

    def _add(self, tool: Tool, place: str, namespace: str | None) -> None:
        name = tool.get("name") if tool["type"] in _TOLD else None
        called = name and (f"{namespace}__{name}" if namespace else name)
        if not called or len(called) > LONGEST_NAME or called in self._names.values():
            self.ignored.append(_named_safely(str(name or tool["type"])))
            return
        self._names[namespace, str(name)] = called
        if namespace:
            self._meant[called] = namespace, str(name)
        self.chat.append({"type": tool["type"], tool["type"]: {**_TOLD[tool["type"]](tool), "name": called}})
        self.places.append(place)

    def called(self, item: Mapping[str, Any]) -> str:
        """What chat calls the tool that an item or a choice names, whether it is offered or not."""
        namespace, name = item.get("namespace"), item["name"]
        return self._names.get((namespace, name)) or (f"{namespace}__{name}" if namespace else str(name))

    def meant(self, called: str) -> dict[str, str]:
        """The name, and perhaps the namespace, of the tool that chat calls so."""
        if called not in self._meant:
            return {"name": called}
        namespace, name = self._meant[called]
        return {"name": name, "namespace": namespace}

    def choice(self, given: Any) -> Any:
        """A `tool_choice` in chat's words; None where there is nothing to choose from. Raises InvalidRequest."""
        if isinstance(given, dict):
            return self._chosen(given)
        if not self.chat:
            if given == "required":
                raise _unable("'required', but there is no tool among 'tools' that this server can offer")
            return None
        return given

    def _chosen(self, given: dict[str, Any]) -> dict[str, Any]:
        if given["type"] == "allowed_tools":
            if tools := list(self._allowed(given["tools"])):
                return {"type": "allowed_tools", "allowed_tools": {"mode": given["mode"], "tools": tools}}
            raise _unable("none of the tools that it allows is among those that this server can offer")
        if chosen := self._named(given):
            return chosen
        raise _unable("it names no tool among 'tools' that this server can offer")

    def _allowed(self, tools: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
        for tool in tools:
            if chosen := self._named(tool):
                yield chosen

    def _named(self, given: Mapping[str, Any]) -> dict[str, Any] | None:
        kind = given.get("type")
        if kind not in _TOLD or not isinstance(given.get("name"), str):
            return None
        called = self._names.get((given.get("namespace"), given["name"]))
        return {"type": kind, kind: {"name": called}} if called else None


def _named_safely(name: str) -> str:
    """A name that can stand in a header."""
    return name if _SAFE.fullmatch(name) else "tools"


def _unable(reason: str) -> InvalidRequest:
    return InvalidRequest(
        f"Invalid value for 'tool_choice': {reason}.", param="tool_choice", code="unsupported_parameter"
    )


def _function(tool: Tool) -> Tool:
    return {key: tool[key] for key in ("description", "parameters", "strict") if tool.get(key) is not None}


def _custom(tool: Tool) -> Tool:
    told = {key: tool[key] for key in ("description",) if tool.get(key) is not None}
    format = tool.get("format")
    if format and format["type"] == "grammar":
        told["format"] = {"type": "grammar", "grammar": {key: format[key] for key in format if key != "type"}}
    elif format:
        told["format"] = format
    return told


_TOLD = {"function": _function, "custom": _custom}
