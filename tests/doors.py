"""The surfaces as callers meet them: how each is asked, and what it tells, for tests that hold for all of them."""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]
Told = tuple[str, str]
"""The text of an answer, and its finish reason in chat's words."""

ERRORS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
}
"""Anthropic's types of errors by their status; callers are to blame for other 4xx, and servers for the rest."""


@dataclass(frozen=True, eq=False)
class Door:
    """A surface: where it is asked, with what, and how what it tells is read."""

    name: str
    path: str
    asks: Callable[[str], dict[str, Any]]
    """The body that asks a text."""
    whole: Callable[[Any], Told]
    """What a whole answer tells."""
    text: Callable[[Sequence[Event]], str]
    """The text in a stream's events."""
    finish: Callable[[Sequence[Event]], str | None]
    """How a stream's events end, if they end well."""
    last: str
    """What a stream that is whole ends with."""
    failure: Callable[[Event], dict[str, Any]]
    """The error in the last event of a broken stream, as far as the surface tells it."""
    envelope: Callable[[Any, int], dict[str, Any]]
    """The error in a refusal, checked to be as the surface has it; what it does not tell is left out."""

    def __str__(self) -> str:
        return self.name

    def body(self, model: str, stream: bool, text: str = "Hello") -> dict[str, Any]:
        return {"model": model, **self.asks(text), "stream": stream}


def read(body: bytes) -> list[Event]:
    """The JSON of each event; its name, if it has one, is its type."""
    events = []
    for block in body.decode().split("\n\n"):
        lines = dict(line.partition(": ")[::2] for line in block.split("\n") if line and line[0] != ":")
        if lines.get("data", "[DONE]") == "[DONE]":
            continue
        event = json.loads(lines["data"])
        assert lines.get("event", event.get("type")) == event.get("type"), block
        events.append(event)
    return events


# OpenAI's envelope


def enveloped(told: Any, status: int) -> dict[str, Any]:
    assert told.keys() == {"error"}
    error: dict[str, Any] = told["error"]
    assert error.keys() == {"message", "type", "param", "code"}
    return error


# Chat completions and completions


def choice_of(event: Event) -> Event:
    return event["choices"][0] if event.get("choices") else {}


def finish_of(events: Sequence[Event]) -> str | None:
    found = [reason for event in events if (reason := choice_of(event).get("finish_reason"))]
    assert len(found) < 2
    return found[0] if found else None


CHAT = Door(
    "chat",
    "/v1/chat/completions",
    lambda text: {"messages": [{"role": "user", "content": text}]},
    lambda told: (choice_of(told)["message"]["content"], choice_of(told)["finish_reason"]),
    lambda events: "".join(choice_of(event).get("delta", {}).get("content") or "" for event in events),
    finish_of,
    "data: [DONE]\n\n",
    lambda event: enveloped(event, 0),
    enveloped,
)
COMPLETIONS = Door(
    "completions",
    "/v1/completions",
    lambda text: {"prompt": text, "max_tokens": 500_000},
    lambda told: (choice_of(told)["text"], choice_of(told)["finish_reason"]),
    lambda events: "".join(choice_of(event).get("text", "") for event in events),
    finish_of,
    "data: [DONE]\n\n",
    lambda event: enveloped(event, 0),
    enveloped,
)


# Responses


def output_text(response: Event) -> str:
    parts = [part for item in response["output"] if item["type"] == "message" for part in item["content"]]
    return "".join(part.get("text", "") for part in parts)


def status_of(response: Event) -> str:
    if response["status"] == "incomplete":
        return {"max_output_tokens": "length"}.get(response["incomplete_details"]["reason"], "content_filter")
    assert response["status"] == "completed"
    return "tool_calls" if any(item["type"].endswith("_call") for item in response["output"]) else "stop"


def response_finish(events: Sequence[Event]) -> str | None:
    found = [event["response"] for event in events if event["type"] in ("response.completed", "response.incomplete")]
    assert len(found) < 2
    return status_of(found[0]) if found else None


def response_failure(event: Event) -> dict[str, Any]:
    """OpenAI has few codes for what ends a stream, and dragoman's own are not among them."""
    assert event["type"] == "response.failed"
    assert event["response"]["status"] == "failed"
    error: dict[str, Any] = event["response"]["error"]
    assert error.keys() == {"code", "message"}
    assert error["code"] in ("server_error", "rate_limit_exceeded")
    return {"message": error["message"]}


RESPONSES = Door(
    "responses",
    "/v1/responses",
    lambda text: {"input": text},
    lambda told: (output_text(told), status_of(told)),
    lambda events: "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta"),
    response_finish,
    "}\n\n",
    response_failure,
    enveloped,
)


# Anthropic's messages

STOPS = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}


def blocks_text(message: Event) -> str:
    return "".join(block["text"] for block in message["content"] if block["type"] == "text")


def message_text(events: Sequence[Event]) -> str:
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]
    return "".join(delta.get("text", "") for delta in deltas)


def message_finish(events: Sequence[Event]) -> str | None:
    found = [event["delta"]["stop_reason"] for event in events if event["type"] == "message_delta"]
    assert (len(found), events[-1]["type"] == "message_stop") in ((0, False), (1, True))
    return STOPS[found[0]] if found else None


def anthropic_envelope(told: Any, status: int) -> dict[str, Any]:
    assert told.keys() == {"type", "error", "request_id"}
    assert told["type"] == "error"
    error: dict[str, Any] = told["error"]
    assert error.keys() == {"type", "message"}
    assert not status or error["type"] == ERRORS.get(status, "invalid_request_error" if status < 500 else "api_error")
    return {"message": error["message"]}


MESSAGES = Door(
    "messages",
    "/v1/messages",
    lambda text: {"messages": [{"role": "user", "content": text}], "max_tokens": 500_000},
    lambda told: (blocks_text(told), STOPS[told["stop_reason"]]),
    message_text,
    message_finish,
    "}\n\n",
    lambda event: anthropic_envelope(event, 0),
    anthropic_envelope,
)

DOORS: tuple[Door, ...] = (CHAT, COMPLETIONS, RESPONSES, MESSAGES)
