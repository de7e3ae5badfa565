"""The tokens of a chat request, as OpenAI counts them."""

from collections.abc import Iterator
from typing import Any

from dragoman.asked import Texts
from dragoman.counting import Counter
from dragoman.json import dumped
from dragoman.wire.chat import ChatRequest, Message, text_of

A_MESSAGE = 4
"""What stands around a message: three marks, and its role (OpenAI cookbook, counting tokens)."""
A_NAME = 1
PLAIN = {"role", "content"}
"""What most messages have."""
THE_ANSWER = 3
"""What begins the assistant's message."""
AN_IMAGE = 765
"""One of 1024 by 1024 pixels in high detail; what an image has in truth, its size would tell."""
A_SMALL_IMAGE = 85
BYTES_OF_A_TOKEN = 4
"""Of text, in UTF-8, about."""
BYTES_A_TOKEN = {"wav": 4800, "mp3": 1600, "pcm16": 4800}
"""Of sound: ten tokens a second."""
BYTES_OF_A_FILE = 50
"""For one token, as in a PDF."""


def prompt_tokens(request: ChatRequest, counter: Counter) -> int:
    """The tokens that a request asks with: its messages, tools and schema; of one about texts, the texts alone."""
    if isinstance(request, Texts):
        return sum(_of_text(text, counter) for text in request.texts)
    schemas = (request.tools, request.functions, request.response_format)
    texts = ["\n".join(dumped(schema).decode() for schema in schemas if schema)]
    tokens = THE_ANSWER
    for message in request.messages:
        content = message.get("content")
        tokens += A_MESSAGE
        if message.keys() == PLAIN and isinstance(content, str):
            texts.append(content)
            continue
        tokens += A_NAME if message.get("name") else 0
        tokens += sum(map(_beside_text, content)) if isinstance(content, list) else 0
        texts.append("\n".join(filter(None, _texts(message))))
    return tokens + counter.count("".join(texts))


def about(request: ChatRequest) -> int:
    """The tokens that a request is likely to ask with, by its length, at a tenth of the time that counting takes."""
    overhead = 0 if isinstance(request, Texts) else A_MESSAGE
    size = sum(len(dumped(schema)) for schema in (request.tools, request.functions, request.response_format) if schema)
    tokens = THE_ANSWER if overhead else 0
    for message in request.messages:
        content = message.get("content")
        tokens += overhead
        if message.keys() == PLAIN and isinstance(content, str):
            size += len(content) if content.isascii() else len(content.encode(errors="surrogatepass"))
            continue
        tokens += sum(map(_beside_text, content)) if isinstance(content, list) else 0
        size += sum(len(text.encode(errors="surrogatepass")) for text in _texts(message))
    return tokens + -(-size // BYTES_OF_A_TOKEN)


def _of_text(content: Any, counter: Counter) -> int:
    """The tokens of a text by itself."""
    beside = sum(map(_beside_text, content)) if isinstance(content, list) else 0
    return beside + counter.count(text_of(content))


def _texts(message: Message) -> Iterator[str]:
    """All that is text in a message."""
    said: dict[str, Any] = {**message}
    yield said.get("name") or ""
    yield text_of(said.get("content"))
    yield said.get("refusal") or ""
    for call in said.get("tool_calls") or ():
        yield from _called(call.get("function") or call.get("custom"))
    yield from _called(said.get("function_call"))


def _called(call: Any) -> Iterator[str]:
    texts = (call.get(key) for key in ("name", "arguments", "input")) if isinstance(call, dict) else ()
    return (text for text in texts if isinstance(text, str))


def _beside_text(part: Any) -> int:
    """The tokens of an image, a recording or a file; nothing is opened, only sizes are looked at. Tokens are tokens."""
    match part:
        case {"type": "tokens", "tokens": list(tokens)}:
            return len(tokens)
        case {"type": "image_url", "image_url": {"detail": "low"}}:
            return A_SMALL_IMAGE
        case {"type": "image_url"}:
            return AN_IMAGE
        case {"type": "input_audio", "input_audio": {"data": str(data), "format": format}}:
            return _bytes(data) // BYTES_A_TOKEN.get(str(format), BYTES_A_TOKEN["mp3"])
        case {"type": "file", "file": {"file_data": str(data)}}:
            return _bytes(data) // BYTES_OF_A_FILE
        case _:
            return 0


def _bytes(base64: str) -> int:
    return len(base64) * 3 // 4
