"""The tokens of a chat request, as OpenAI counts them."""

from collections.abc import Iterator
from typing import Any

from dragoman.counting import Counter
from dragoman.json import dumped
from dragoman.wire.chat import ChatRequest

A_MESSAGE = 3
A_NAME = 1
THE_ANSWER = 3
"""What begins the assistant's message."""
IMAGES = {"low": 85}
AN_IMAGE = 765
BYTES_A_TOKEN = 400
"""Of a recording or a file, in base64."""


def prompt_tokens(request: ChatRequest, counter: Counter) -> int:
    """The tokens that a request asks with: its messages, tools and schema."""
    texts: list[str] = []
    tokens = THE_ANSWER
    for message in request.messages:
        tokens += A_MESSAGE + (A_NAME if message.get("name") else 0)
        texts.extend(_texts(message))
        content = message.get("content")
        tokens += sum(map(_part, content)) if isinstance(content, list) else 0
    schemas = (request.tools, request.functions, request.response_format)
    texts.extend(dumped(asked).decode() for asked in schemas if asked)
    return tokens + counter.count("\n".join(texts))


def _texts(message: Any) -> Iterator[str]:
    content = message.get("content")
    if isinstance(content, str):
        yield content
    for part in content if isinstance(content, list) else ():
        text = part.get("text") or part.get("refusal")
        if isinstance(text, str):
            yield text
    for call in message.get("tool_calls") or ():
        inner = call.get("function") or call.get("custom") or {}
        yield from (inner[name] for name in ("name", "arguments", "input") if isinstance(inner.get(name), str))


def _part(part: Any) -> int:
    """An image, a recording or a file, by its size."""
    match part["type"]:
        case "image_url":
            return IMAGES.get(part["image_url"].get("detail") or "", AN_IMAGE)
        case "input_audio":
            return len(part["input_audio"]["data"]) // BYTES_A_TOKEN
        case "file":
            return len(part["file"].get("file_data") or "") // BYTES_A_TOKEN
    return 0
