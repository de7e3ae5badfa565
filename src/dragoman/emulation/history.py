"""Earlier turns for a backend that hears one message only: the whole conversation as one user's message."""

from typing import Any

from dragoman.call import Handler
from dragoman.mapping.variables import INSTRUCTIONS, as_text, turns
from dragoman.wire.chat import ChatRequest


def told(next: Handler) -> Handler:
    """Makes one user's message of all that was said; instructions stay by themselves."""
    return lambda call: next(call.asking(messages=_told(call.request)))


def _told(request: ChatRequest) -> list[dict[str, Any]]:
    messages: list[Any] = request.messages
    instructions = [message for message in messages if message["role"] in INSTRUCTIONS]
    said = [message for message in messages if message["role"] not in INSTRUCTIONS]
    if not said or (len(said) == 1 and said[0]["role"] == "user"):
        return [*instructions, *said]
    text = as_text(None, turns(request))
    content = said[-1].get("content")
    parts = [part for part in content if part["type"] != "text"] if isinstance(content, list) else []
    return [*instructions, {"role": "user", "content": [{"type": "text", "text": text}, *parts] if parts else text}]
