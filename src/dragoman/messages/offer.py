"""Tools as Anthropic offers them, and which of them may be called, in the words of a chat."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from dragoman.errors import InvalidRequest

CHOICES = {"auto": "auto", "any": "required", "none": "none"}


def offered(tools: Sequence[Any], choice: Any) -> dict[str, Any]:
    """The request's fields that offer tools; none where there are no tools of the caller's own.

    Raises InvalidRequest.
    """
    own = [tool for tool in tools if is_own(tool)]
    _check_names([tool["name"] for tool in own])
    if not own:
        _check_needless(choice)
        return {}
    return {"tools": [_function(tool) for tool in own], **_chosen(choice, tools)}


def is_own(tool: Any) -> bool:
    """Whether the caller runs the tool itself, and tells all of it."""
    return tool.get("type") in (None, "custom")


def _function(tool: Any) -> dict[str, Any]:
    function = {"name": tool["name"], "parameters": tool["input_schema"]}
    function |= {key: tool[key] for key in ("description", "strict") if tool.get(key) is not None}
    return {"type": "function", "function": function}


def _chosen(choice: Any, tools: Sequence[Any]) -> dict[str, Any]:
    if not choice:
        return {}
    alone = {"parallel_tool_calls": False} if choice.get("disable_parallel_tool_use") else {}
    if choice["type"] != "tool":
        return {"tool_choice": CHOICES[choice["type"]], **alone}
    named = [tool for tool in tools if tool.get("name") == choice["name"]]
    if not named:
        raise _wrong("tool_choice.name", f"No tool is named '{choice['name'][:128]}' in 'tools'.")
    if not is_own(named[0]):
        return alone
    return {"tool_choice": {"type": "function", "function": {"name": choice["name"]}}, **alone}


def _check_needless(choice: Any) -> None:
    if choice and choice["type"] in ("any", "tool"):
        raise _wrong("tool_choice", "It asks for a call, but there is no tool that can be called.")


def _check_names(names: list[str]) -> None:
    name, times = Counter(names).most_common(1)[0] if names else ("", 0)
    if times > 1:
        raise _wrong("tools", f"Two tools are named '{name}'. Names must differ.")


def _wrong(param: str, told: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid value for '{param}'. {told}", param=param, code="invalid_value")
