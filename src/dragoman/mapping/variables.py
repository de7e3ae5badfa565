"""What a request template can speak of: the call's request, in the shapes that chat APIs want."""

import re
from collections.abc import Callable
from typing import Any

from dragoman.json import loaded
from dragoman.wire.chat import ChatRequest, text_of

INSTRUCTIONS = ("system", "developer")
RESULTS = ("tool", "function")
SPEAKERS = {"user": "User", "assistant": "Assistant", "tool": "Tool", "function": "Tool"}

_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w.+-]+=[^;,]*)*;base64,(.*)", re.DOTALL | re.IGNORECASE)

Message = Any


def turns(request: ChatRequest) -> list[dict[str, str]]:
    """The messages without the system's, their content as text."""
    messages = (message for message in request.messages if message["role"] not in INSTRUCTIONS)
    return [{"role": message["role"], "content": text_of(message.get("content"))} for message in messages]


def system(request: ChatRequest) -> str | None:
    """The system and developer messages as one text; None if there are none."""
    texts = [text_of(message.get("content")) for message in request.messages if message["role"] in INSTRUCTIONS]
    return "\n\n".join(texts) if texts else None


def last_user(request: ChatRequest) -> str:
    """The text of the last user message; of the last message if no user spoke."""
    return text_of(_last_user(request).get("content"))


def _last_user(request: ChatRequest) -> Message:
    for message in reversed(request.messages):
        if message["role"] == "user":
            return message
    return request.messages[-1]


def prompt(request: ChatRequest) -> str:
    """The whole conversation as one text. A single user message stands for itself."""
    return as_text(system(request), turns(request))


def as_text(instructions: str | None, said: list[dict[str, str]]) -> str:
    """Instructions and turns as one text."""
    if len(said) == 1 and said[0]["role"] == "user":
        conversation = said[0]["content"]
    else:
        conversation = "\n".join(f"{SPEAKERS[turn['role']]}: {turn['content']}" for turn in said)
    return conversation if instructions is None else f"{instructions}\n\n{conversation}"


def images(request: ChatRequest) -> list[dict[str, str]] | None:
    """The images of the last user message; None if it has none."""
    return _images_in(_last_user(request)) or None


def _images_in(message: Message) -> list[dict[str, str]]:
    """`{url}`, and for a data URL its `type` and its `data` in base64."""
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    return [_image(part["image_url"]["url"]) for part in parts if part["type"] == "image_url"]


def _image(url: str) -> dict[str, str]:
    match = _DATA_URL.fullmatch(url)
    return {"url": url, "type": match[1] or "image/png", "data": match[2]} if match else {"url": url}


def dialog(request: ChatRequest) -> list[dict[str, Any]]:
    """Every message in one shape; tool messages that follow each other are one turn with several results."""
    said: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for message in request.messages:
        calls = _calls_in(message)
        names |= {call["id"]: call["name"] for call in calls}
        if message["role"] not in RESULTS:
            said.append(_turn(message, calls))
            continue
        if not said or said[-1]["role"] != "tool":
            said.append({"role": "tool", "text": "", "images": [], "calls": [], "results": []})
        said[-1]["results"].append(_result(message, names))
    return said


def _turn(message: Message, calls: list[dict[str, Any]]) -> dict[str, Any]:
    role = "system" if message["role"] in INSTRUCTIONS else message["role"]
    text = text_of(message.get("content"))
    return {"role": role, "text": text, "images": _images_in(message), "calls": calls, "results": []}


def _result(message: Message, names: dict[str, str]) -> dict[str, Any]:
    id = message.get("tool_call_id") or ""
    return {"id": id, "name": message.get("name") or names.get(id, id), "text": text_of(message.get("content"))}


def _calls_in(message: Message) -> list[dict[str, Any]]:
    return [_call(call) for call in message.get("tool_calls") or () if message["role"] == "assistant"]


def _call(call: dict[str, Any]) -> dict[str, Any]:
    function = call.get("function") or {}
    custom = call.get("custom") or {}
    text = function.get("arguments") or "{}"
    try:
        value = loaded(text.encode(errors="replace"))
    except ValueError:
        value = None
    if custom:
        value, text = {"input": custom.get("input")}, custom.get("input") or ""
    name = function.get("name") or custom.get("name") or ""
    return {
        "id": call.get("id") or "",
        "name": name,
        "arguments": value if isinstance(value, dict) else {},
        "json": text,
    }


def tool_results(request: ChatRequest) -> list[dict[str, Any]] | None:
    """What the tools said since the assistant spoke; None if nothing."""
    last = dialog(request)[-1]
    return last["results"] or None


def schema(request: ChatRequest) -> Any:
    """The JSON schema that the answer has to follow; None if there is none."""
    wanted: Any = request.response_format or {}
    return (wanted.get("json_schema") or {}).get("schema") if wanted.get("type") == "json_schema" else None


def stops(request: ChatRequest) -> list[str] | None:
    """The stop words, always as a list; None if there are none."""
    return ([request.stop] if isinstance(request.stop, str) else request.stop) or None


def _extra(request: ChatRequest) -> dict[str, Any]:
    return dict(request.__pydantic_extra__ or {})


_MADE: dict[str, Callable[[ChatRequest], Any]] = {
    "turns": turns,
    "new_turns": turns,
    "system": system,
    "last_user": last_user,
    "prompt": prompt,
    "images": images,
    "dialog": dialog,
    "tool_results": tool_results,
    "schema": schema,
    "stops": stops,
    "session": lambda request: None,
    "ext": _extra,
    "max_tokens": lambda request: request.limit,
    "max_completion_tokens": lambda request: request.limit,
    "stream": lambda request: bool(request.stream),
}
NAMES = frozenset(_MADE) | frozenset(ChatRequest.model_fields)

MEANT = {
    "stops": {"stop"},
    "schema": {"response_format"},
    "max_tokens": {"max_completion_tokens"},
    "max_completion_tokens": {"max_tokens"},
}
"""Parameters that a template has use for by another name."""


def variables(request: ChatRequest, names: frozenset[str]) -> dict[str, Any]:
    """The named variables as far as the request defines them: what was not sent, or sent as null, is undefined."""
    values = ((name, _MADE[name](request) if name in _MADE else getattr(request, name)) for name in names)
    return {name: value for name, value in values if value is not None}
