"""System and developer messages for a backend that knows none: folded into the first user turn that it hears."""

from typing import Any

from dragoman.call import Handler, Middleware
from dragoman.mapping.variables import INSTRUCTIONS, system

Message = dict[str, Any]


def folded(hears_all: bool) -> Middleware:
    """Puts the instructions before what the user says first; last, for a backend that hears nothing else."""

    def around(next: Handler) -> Handler:
        return lambda call: next(call.asking(messages=_folded(call.request.messages, system(call.request), hears_all)))

    return around


def _folded(messages: list[Any], instructions: str | None, first: bool) -> list[Message]:
    others: list[Message] = [message for message in messages if message["role"] not in INSTRUCTIONS]
    if instructions is None:
        return others
    users = [place for place, message in enumerate(others) if message["role"] == "user"]
    if not users:
        return [{"role": "user", "content": instructions}, *others]
    place = users[0] if first else users[-1]
    return [*others[:place], _with(others[place], instructions), *others[place + 1 :]]


def _with(message: Message, instructions: str) -> Message:
    content = message["content"]
    if isinstance(content, str):
        return {**message, "content": f"{instructions}\n\n{content}"}
    return {**message, "content": [{"type": "text", "text": instructions}, *content]}
