"""How a model is told of tools, of the calls it has made, and of what they gave."""

from collections.abc import Iterator
from typing import Any

from dragoman.calling.offer import Offer, parameters
from dragoman.errors import InvalidRequest
from dragoman.json import dumped, loaded
from dragoman.templates import Text
from dragoman.wire.chat import ChatRequest, text_of

Message = dict[str, Any]

NAMES = frozenset({"tools", "choice", "parallel", "named"})
OPEN, CLOSE = "<tool_call>", "</tool_call>"
PROMPT = """\
# Tools

You can call tools. To call one, write a block of exactly this form:

<tool_call>
{"name": "NAME", "arguments": {…}}
</tool_call>

`arguments` is a JSON object that follows the schema in the tool's `parameters`.
{%- if tools | selectattr("kind", "equalto", "custom") | list %} A tool without `parameters` takes a text instead: \
{"name": "NAME", "input": "…"}.{% endif %}
{%- if parallel and not named %} For several calls, write several blocks one after the other.
{%- else %} Make one call only.{% endif %} \
Stop after your last block: the results come with the next message, in <tool_result> blocks. Never write results \
yourself.

For example, if there were a tool `add`, and you were asked what 2 and 3 make:

I will add them.
<tool_call>
{"name": "add", "arguments": {"a": 2, "b": 3}}
</tool_call>

{% if named %}You must call the tool `{{ named }}` now.
{%- elif choice == "required" %}You must call a tool now.
{%- else %}Call tools only where they help. Where they do not, answer in plain text, without any block.{% endif %}

The tools, each as one JSON object:
{% for tool in tools %}{{ tool.json }}
{% endfor %}"""

_STANDARD = Text(PROMPT, NAMES, "emulation.tools.prompt")


def instructions(offer: Offer, template: Text | None) -> str:
    """What the model is told of the tools that are offered."""
    tools = [_shown(name, tool, offer.kinds[name]) for name, tool in offer.tools.items()]
    values = {"tools": tools, "choice": offer.choice, "parallel": offer.parallel, "named": offer.named}
    return (template or _STANDARD).filled(values).strip()


def _shown(name: str, tool: dict[str, Any], kind: str) -> dict[str, Any]:
    described = {"description": tool["description"]} if tool.get("description") else {}
    if kind == "function":
        taken = {"parameters": parameters(tool)}
    else:
        taken = {"format": tool["format"]} if tool.get("format", {}).get("type") not in (None, "text") else {}
    shown = {"name": name, **described, **taken}
    return {"kind": kind, "json": dumped(shown).decode(), "schema": taken.get("parameters"), **shown}


def instructed(messages: list[Any], told: str) -> list[Message]:
    """The messages with something more in the first system message; with one if there is none."""
    first = messages[0]
    if first["role"] in ("system", "developer"):
        return [{**first, "content": f"{text_of(first['content'])}\n\n{told}"}, *messages[1:]]
    return [{"role": "system", "content": told}, *messages]


def retold(request: ChatRequest) -> list[Message]:
    """The messages with tool calls, and what they gave, as text. Raises InvalidRequest for an answer to no call."""
    told: list[Message] = []
    results: list[str] = []
    names: dict[str, str] = {}
    for place, message in enumerate(request.messages):
        if message["role"] == "tool":
            results.append(_result(message, names, place))
            continue
        if results:
            told.append({"role": "user", "content": "\n".join(results)})
            results = []
        told.append(_said(message, names))
    return [*told, {"role": "user", "content": "\n".join(results)}] if results else told


def _result(message: Any, names: dict[str, str], place: int) -> str:
    id = message["tool_call_id"]
    if id not in names:
        raise InvalidRequest(
            "Messages with the role 'tool' must answer a 'tool_calls' entry of an assistant message before them.",
            param=f"messages[{place}].tool_call_id",
            code="invalid_value",
        )
    return f'<tool_result name="{names[id]}">\n{text_of(message["content"])}\n</tool_result>'


def _said(message: Any, names: dict[str, str]) -> Message:
    calls = message.get("tool_calls") if message["role"] == "assistant" else None
    if not calls:
        return message  # type: ignore[no-any-return]
    written = [text for text in (text_of(message.get("content")).strip(), *_blocks(calls, names)) if text]
    return {"role": "assistant", "content": "\n".join(written)}


def _blocks(calls: list[Any], names: dict[str, str]) -> Iterator[str]:
    for call in calls:
        function, custom = call.get("function"), call.get("custom")
        if function:
            names[call["id"]] = function["name"]
            yield _block({"name": function["name"], "arguments": _value(function["arguments"])})
        elif custom:
            names[call["id"]] = custom["name"]
            yield _block({"name": custom["name"], "input": custom["input"]})


def _block(value: dict[str, Any]) -> str:
    return f"{OPEN}\n{dumped(value).decode()}\n{CLOSE}"


def _value(arguments: str) -> Any:
    try:
        return loaded(arguments.encode(errors="replace")) if arguments else {}
    except ValueError:
        return arguments
