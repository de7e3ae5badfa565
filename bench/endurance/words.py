"""What backends say here: every word carries the call's own nonce, and the finish reason is not one that we make up."""

import json
from typing import Any

from tests.upstream import sse

FINISH = "length"


def words(nonce: str, count: int = 12) -> list[str]:
    """The pieces of the text that answers a call."""
    return [f"<{nonce}.{number}> schön 日本 " for number in range(count)]


def text(nonce: str) -> str:
    return "".join(words(nonce))


def events(nonce: str, mapped: bool) -> list[bytes]:
    """An answer as server-sent events, in words of their own (`mapped`) or in OpenAI's."""
    if mapped:
        return sse(*({"t": word} for word in words(nonce)), {"end": FINISH}, "[DONE]")
    return sse(*(_delta({"content": word}) for word in words(nonce)), _delta({}, FINISH), "[DONE]")


def whole(nonce: str, mapped: bool) -> bytes:
    """An answer as one JSON."""
    said = {"role": "assistant", "content": text(nonce)}
    completion = {"choices": [{"index": 0, "message": said, "finish_reason": FINISH}]}
    return json.dumps({"t": text(nonce), "end": FINISH} if mapped else completion).encode()


def _delta(said: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": said, "finish_reason": finish}]}


def openai_backend(url: str, **options: Any) -> dict[str, Any]:
    return {"kind": "openai", "url": url, **options}


def http_backend(url: str, **options: Any) -> dict[str, Any]:
    """A backend with words of its own, which streams if it is asked to."""
    said = {"text": "t", "finish": "end"}
    request = {"q": "{{ last_user }}", "stream": "{{ stream }}"}
    return {
        "kind": "http",
        "url": url,
        "request": request,
        "response": said,
        "stream": said | {"framing": "sse"},
    } | options


def folded_backend(url: str, **options: Any) -> dict[str, Any]:
    """The same, which always streams."""
    return http_backend(url, request={"q": "{{ last_user }}", "stream": True}, response=None, **options)
