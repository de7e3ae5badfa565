"""What every completion keeps to, whole or streamed (OpenAI API reference, the completion object)."""

import json
from collections.abc import Iterable
from typing import Any, Literal

import aiohttp
from openai.types import Completion, CompletionChoice

from tests.answering import events

Made = dict[str, Any]
FINISHES = {"stop", "length", "content_filter"}
COLUMNS = ("tokens", "token_logprobs", "text_offset")


class EventChoice(CompletionChoice):
    finish_reason: Literal["stop", "length", "content_filter"] | None  # type: ignore[assignment]
    """In a stream it is null until the end, which the official type does not say."""


class Event(Completion):
    choices: list[EventChoice]  # type: ignore[assignment]


async def post(url: str, body: Any, path: str = "/v1/completions", **headers: str) -> tuple[int, Made, bytes]:
    """Posts: status, headers in lower case, body (as far as it came)."""
    data = {"data": body} if isinstance(body, bytes) else {"json": body}
    async with aiohttp.ClientSession() as session, session.post(url + path, headers=headers, **data) as got:
        read = b""
        try:
            async for piece in got.content.iter_any():
                read += piece
        except aiohttp.ClientPayloadError:
            read += b"<unfinished>"
        return got.status, {name.lower(): value for name, value in got.headers.items()}, read


def whole(body: bytes) -> Made:
    """The completion in a body, which is as it must be."""
    told: Made = json.loads(body)
    Completion.model_validate(told, strict=True)
    _check_head(told)
    assert "usage" not in told or _adds_up(told["usage"])
    indexes = [choice["index"] for choice in told["choices"]]
    assert indexes == sorted(set(indexes))
    for choice in told["choices"]:
        assert choice.keys() >= {"text", "index", "logprobs", "finish_reason"}
        assert not choice.keys() & {"message", "delta"}
        assert choice["finish_reason"] in FINISHES
        _check_columns(choice)
    return told


def streamed(body: bytes, with_usage: bool = False) -> list[Made]:
    """The events of a stream, which is as it must be."""
    told = events(body)
    for event in told:
        Event.model_validate(event, strict=True)
        _check_head(event)
        assert ("usage" in event) == with_usage
    assert len({(event["id"], event["created"], event["model"]) for event in told}) == 1
    last = [told[-1]] if with_usage and not told[-1]["choices"] else []
    assert all(_adds_up(event["usage"]) for event in last)
    said = told[: len(told) - len(last)]
    assert all(len(event["choices"]) == 1 and event.get("usage") is None for event in said)
    _check_choices([event["choices"][0] for event in said])
    return told


def _check_choices(told: list[Made]) -> None:
    """Each choice ends once, and says nothing after it."""
    for index in {choice["index"] for choice in told}:
        *between, last = [choice for choice in told if choice["index"] == index]
        assert all(choice.keys() >= {"text", "index", "logprobs", "finish_reason"} for choice in (*between, last))
        assert all(choice["finish_reason"] is None for choice in between)
        assert all(choice["text"] or choice.keys() - {"text", "index", "finish_reason"} for choice in between)
        assert (last["text"], last["finish_reason"] in FINISHES) == ("", True)
        for choice in between:
            _check_columns(choice)


def _check_columns(choice: Made) -> None:
    if columns := choice["logprobs"]:
        assert columns.keys() == {*COLUMNS, "top_logprobs"}
        assert len({len(columns[name]) for name in COLUMNS}) == 1
        assert columns["top_logprobs"] is None or len(columns["top_logprobs"]) == len(columns["tokens"])


def _check_head(told: Made) -> None:
    assert told["id"].startswith("cmpl-")
    assert told["object"] == "text_completion"
    assert type(told["created"]) is int


def _adds_up(usage: Made) -> bool:
    return bool(usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"])


def folded(told: Iterable[Made]) -> list[Made]:
    """The choices that a stream's events come to, as `said` has them."""
    choices: dict[int, Made] = {}
    for given in (choice for event in told for choice in event["choices"]):
        choice = choices.setdefault(given["index"], {"text": "", "logprobs": None})
        choice["text"] += given["text"]
        choice["finish_reason"] = given["finish_reason"]
        if columns := given["logprobs"]:
            before = choice["logprobs"] or {}
            choice["logprobs"] = {
                name: None if columns[name] is None else [*(before.get(name) or ()), *columns[name]] for name in columns
            }
    return [{"index": index, **choices[index]} for index in sorted(choices)]


def said(completion: Made) -> list[Made]:
    """What each choice of a whole one says."""
    return [
        {name: choice[name] for name in ("index", "text", "logprobs", "finish_reason")}
        for choice in completion["choices"]
    ]


def texts(completion: Made) -> list[str]:
    """The text of each choice."""
    return [choice["text"] for choice in completion["choices"]]
