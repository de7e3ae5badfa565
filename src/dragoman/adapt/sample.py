"""A sample of what an API answers: whether it is JSON, text or a stream, and of which kind."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from dragoman.adapt.asked import CannotAdapt
from dragoman.adapt.texts import shortened, texts_in
from dragoman.json import dumped, loaded

LARGEST = 10 * 1024 * 1024
"""Bytes of a sample."""
MOST_EVENTS = 20_000

Kind = Literal["json", "text", "sse", "ndjson", "json-array"]

ANSWERS = ("choices", "output", "answer", "reply", "response", "text", "content", "result", "data")
"""Where an answer stands, for all that is said of errors beside it."""

_SSE = re.compile(r"(?:(?:data|event|id|retry):|:)", re.IGNORECASE)
_HEAD = re.compile(r"HTTP/[\d.]+ \d{3}[^\n]*\n(?:[!-9;-~]+:[^\n]*\n)*\n")
_HTML = re.compile(r"\s*<(?:!doctype html|html)[\s>]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a stream: the name beside its data, its data as a text, and as JSON if it is JSON."""

    name: str
    text: str
    value: Any


@dataclass(frozen=True, slots=True)
class Sample:
    """What was answered. `value` is the JSON or the text of a whole answer, `events` those of a stream."""

    kind: Kind
    text: str
    value: Any = None
    events: tuple[Event, ...] = ()
    done: bool = False
    """The stream ended by `[DONE]`."""
    replaced: bool = False
    """There were bytes that are not UTF-8."""

    @property
    def streamed(self) -> bool:
        return bool(self.events)


def read(data: bytes, type: str | None = None, streaming: bool = False) -> Sample:
    """What a sample is. `type` is its content type, `streaming` whether a stream was asked for. Raises CannotAdapt."""
    if len(data) > LARGEST:
        raise CannotAdapt(f"The sample has more than {LARGEST // 1024 // 1024} MiB; give a shorter answer.")
    decoded = data.decode("utf-8-sig", "replace").replace("\r\n", "\n")
    text = _HEAD.sub("", decoded, count=1) if decoded.startswith("HTTP/") else decoded
    if not text.strip():
        raise CannotAdapt("The sample is empty; give what the API answers.")
    kind = (type or "").partition(";")[0].strip().lower()
    made = _of_events(text, kind) or _of_json(text, streaming) or _of_text(text)
    return Sample(*made, replaced="\ufffd" in text and b"\xef\xbf\xbd" not in data)


Made = tuple[Kind, str, Any, tuple[Event, ...], bool]


def _of_events(text: str, kind: str) -> Made | None:
    """A stream of server-sent events, or of JSON values a line."""
    if kind == "text/event-stream" or (not kind.endswith("json") and _SSE.match(text.lstrip())):
        events = list(_sse(text))
        kept = [event for event in events if event.text != "[DONE]"]
        if not kept:
            raise CannotAdapt("The sample is a stream without any event; give what the API answers.")
        return "sse", text, None, tuple(kept), len(kept) < len(events)
    lines = [line for line in text.split("\n") if line.strip()][:MOST_EVENTS]
    if "ndjson" in kind or "jsonl" in kind or len(lines) > 1:
        values = [_json(line) for line in lines]
        if all(isinstance(value, dict | list) for value in values):
            events = [Event("", line, value) for line, value in zip(lines, values, strict=True)]
            return "ndjson", text, None, tuple(events), False
    return None


def _sse(text: str) -> Iterator[Event]:
    """The events (WHATWG HTML, server-sent events)."""
    blocks = re.split(r"\n\n+", text.replace("\r", "\n"))
    for block in blocks[:MOST_EVENTS]:
        fields = [line.partition(":") for line in block.split("\n") if line and not line.startswith(":")]
        data = [value.removeprefix(" ") for name, _, value in fields if name == "data"]
        named = [value.strip() for name, _, value in fields if name == "event"]
        if joined := "\n".join(data):
            yield Event(named[-1] if named else "", joined, _json(joined))


def _json(text: str) -> Any:
    """The value, None where it is no JSON."""
    try:
        return loaded(text.encode())
    except ValueError:
        return None


def _of_json(text: str, streaming: bool) -> Made | None:
    value = _json(text)
    if isinstance(value, list) and streaming and len(value) > 1 and all(isinstance(item, dict) for item in value):
        return (
            "json-array",
            text,
            None,
            tuple(Event("", dumped(item).decode(), item) for item in value[:MOST_EVENTS]),
            False,
        )
    return ("json", text, value, (), False) if isinstance(value, dict | list | str) else None


def _of_text(text: str) -> Made:
    if _HTML.match(text):
        raise CannotAdapt("The sample is a web page, not an answer of the API; look whether the login still holds.")
    if text.lstrip()[:1] in ("{", "["):
        raise CannotAdapt("The sample begins as JSON but is none; give the whole answer, as the API sent it.")
    return "text", text, text, (), False


def failed(sample: Sample) -> str | None:
    """The error that a whole answer speaks of, None if it is a good one."""
    value = sample.value
    if not isinstance(value, dict):
        return None
    error = value.get("error") or value.get("errors") or value.get("fault")
    status = next((value[key] for key in ("status", "statusCode", "status_code", "code") if key in value), 0)
    refused = isinstance(status, int) and 400 <= status < 600
    if not refused and not error and not (value.keys() <= {"detail", "title", "type", "instance", "trace_id"}):
        return None
    if not refused and any(value.get(key) for key in ANSWERS):
        return None
    found = [text.text for text in texts_in(error or value)]
    return shortened(max(found, key=len, default="no words"), 200)
