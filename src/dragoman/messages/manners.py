"""How Anthropic's API tells failures, and who expects that (Claude API reference, errors)."""

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson

from dragoman.edge import OPENAI, Manners
from dragoman.errors import Failure
from dragoman.units import told_seconds

KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}
"""The kinds of failures by OpenAI's status; the caller is to blame for other 4xx, and the server for the rest."""
KNOWN = ("limit", "remaining")
VERSION = b"anthropic-version"
PATH = re.compile(r"(?:/v1)?/messages(?:/|$)")
THEIRS = (
    (re.compile(r"tools\[(\d+)\]\.function\.parameters"), r"tools[\1].input_schema"),
    (re.compile(r"response_format(?:\.json_schema)?\.schema"), "output_config.format.schema"),
)
"""What a chat calls the fields that are looked into behind the door."""
NO_THREAD = "thread_unsupported_request"
"""The code by which Anthropic's SDKs know to send every message each time."""


def refusal(failure: Failure, request_id: str) -> bytes:
    """A failure as Anthropic's error object."""
    kind = KINDS.get(failure.status, "invalid_request_error" if failure.status < 500 else "api_error")
    message = failure.told(request_id)
    for ours, theirs in THEIRS:
        message = ours.sub(theirs, message)
    error: dict[str, Any] = {"type": kind, "message": message}
    if failure.code == NO_THREAD:
        error["details"] = {"error_code": NO_THREAD, "unsupported": ["thread"]}
    return orjson.dumps({"type": "error", "error": error, "request_id": request_id})


def limits(told: Mapping[str, str]) -> dict[str, str]:
    """What OpenAI's headers tell of limits, by the names of Anthropic's API; when they begin anew is a time there."""
    found: dict[str, str] = {}
    for of in ("requests", "tokens"):
        if reset := told.get(f"x-ratelimit-reset-{of}"):
            at = datetime.now(UTC) + timedelta(seconds=told_seconds(reset))
            found |= {f"anthropic-ratelimit-{of}-{what}": told[f"x-ratelimit-{what}-{of}"] for what in KNOWN}
            found[f"anthropic-ratelimit-{of}-reset"] = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    return found


ANTHROPIC = Manners(refusal, (b"x-request-id", b"request-id"), besides=limits)


def manners(path: str, headers: Iterable[tuple[bytes, bytes]]) -> Manners:
    """How a request is to be answered by whatever answers it: as Anthropic's API would, or as OpenAI's."""
    return ANTHROPIC if PATH.match(path) or speaks(headers) else OPENAI


def speaks(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Whether whoever sends these headers speaks Anthropic's dialect."""
    return any(name == VERSION for name, _ in headers)
