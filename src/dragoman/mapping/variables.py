"""What a request template can speak of: the call's request, in the shapes that chat APIs want."""

from collections.abc import Callable
from typing import Any

from dragoman.wire.chat import ChatRequest, text_of

INSTRUCTIONS = ("system", "developer")
SPEAKERS = {"user": "User", "assistant": "Assistant", "tool": "Tool", "function": "Tool"}


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
    for message in reversed(request.messages):
        if message["role"] == "user":
            return text_of(message.get("content"))
    return text_of(request.messages[-1].get("content"))


def prompt(request: ChatRequest) -> str:
    """The whole conversation as one text. A single user message stands for itself."""
    said = turns(request)
    if len(said) == 1 and said[0]["role"] == "user":
        conversation = said[0]["content"]
    else:
        conversation = "\n".join(f"{SPEAKERS[turn['role']]}: {turn['content']}" for turn in said)
    instructions = system(request)
    return conversation if instructions is None else f"{instructions}\n\n{conversation}"


def _extra(request: ChatRequest) -> dict[str, Any]:
    return dict(request.__pydantic_extra__ or {})


_MADE: dict[str, Callable[[ChatRequest], Any]] = {
    "turns": turns,
    "system": system,
    "last_user": last_user,
    "prompt": prompt,
    "ext": _extra,
    "max_tokens": lambda request: request.limit,
    "max_completion_tokens": lambda request: request.limit,
    "stream": lambda request: bool(request.stream),
}
NAMES = frozenset(_MADE) | frozenset(ChatRequest.model_fields)


def variables(request: ChatRequest, names: frozenset[str]) -> dict[str, Any]:
    """The named variables as far as the request defines them: what was not sent, or sent as null, is undefined."""
    values = ((name, _MADE[name](request) if name in _MADE else getattr(request, name)) for name in names)
    return {name: value for name, value in values if value is not None}
