"""Recognises an API that speaks OpenAI's own language, for which nothing has to be mapped."""

from typing import Any

from dragoman.adapt.request import Request
from dragoman.adapt.sample import Sample
from dragoman.adapt.secrets import LoggedIn
from dragoman.adapt.texts import value_at

PATH = "/chat/completions"
ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})


def openai_base(url: str, request: Request, login: LoggedIn, sample: Sample | None) -> str | None:
    """The base URL for `kind: openai`; None if the API does not speak so."""
    body = request.sent.value if request.sent else None
    messages = value_at(body, ("messages",))
    asks = isinstance(messages, list) and bool(messages) and all(value_at(one, ("role",)) in ROLES for one in messages)
    simple = (login.auth or {"kind": "header"})["kind"] in ("bearer", "header") and not login.query
    if not asks or not simple or not url.endswith(PATH) or "{{" in url or not value_at(body, ("model",)):
        return None
    return url.removesuffix(PATH) if sample is None or _answers(sample) else None


def _answers(sample: Sample) -> bool:
    values = [event.value for event in sample.events] if sample.streamed else [sample.value]
    key = "delta" if sample.streamed else "message"
    found = [value_at(value, ("choices", 0, key)) for value in values]
    return any(isinstance(one, dict) for one in found) and all(_is_ours(value) for value in values)


def _is_ours(value: Any) -> bool:
    return isinstance(value, dict) and (isinstance(value.get("choices"), list) or "usage" in value)
