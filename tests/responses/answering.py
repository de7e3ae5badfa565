"""What every response keeps to, whole or streamed (OpenAI API reference, the response object and its events)."""

import json
from functools import cache
from typing import Any, get_args

from openai.types.responses import Response, ResponseStreamEvent
from pydantic import BaseModel

KEYS = {
    *("id", "object", "created_at", "status", "background", "completed_at", "error", "incomplete_details"),
    *("instructions", "max_output_tokens", "max_tool_calls", "metadata", "model", "output", "parallel_tool_calls"),
    *("presence_penalty", "frequency_penalty", "previous_response_id", "prompt_cache_key", "reasoning"),
    *("safety_identifier", "service_tier", "store", "temperature", "text", "tool_choice", "tools", "top_logprobs"),
    *("top_p", "truncation", "usage", "user"),
}
"""What every response has, null or not."""
PREFIXES = {"message": "msg_", "reasoning": "rs_", "function_call": "fc_", "custom_tool_call": "ctc_"}
ENDS = {"response.completed": "completed", "response.incomplete": "incomplete", "response.failed": "failed"}
PARTS = {
    "response.output_text": ("text", "content_index"),
    "response.refusal": ("refusal", "content_index"),
    "response.reasoning_summary_text": ("text", "summary_index"),
    "response.function_call_arguments": ("arguments", None),
    "response.custom_tool_call_input": ("input", None),
}
"""What comes in pieces: where its `done` has it whole, and how its place in the item is called."""


@cache
def event_types() -> dict[str, type[BaseModel]]:
    """The SDK's type of each kind of event."""
    types: tuple[type[BaseModel], ...] = get_args(get_args(ResponseStreamEvent)[0])
    return {kind: each for each in types for kind in get_args(each.model_fields["type"].annotation)}


def whole(body: bytes) -> dict[str, Any]:
    """The response in a body, which is as it must be."""
    Response.model_validate_json(body, strict=True)
    told: dict[str, Any] = json.loads(body)
    assert told["status"] in ("completed", "incomplete")
    check(told)
    return told


def check(response: dict[str, Any]) -> None:
    """A response object is as it must be, however far it has come."""
    assert response.keys() >= KEYS
    assert response["object"] == "response"
    assert response["id"].startswith("resp_")
    assert type(response["created_at"]) is int
    assert (response["completed_at"] is not None) == (response["status"] == "completed")
    assert (response["incomplete_details"] is not None) == (response["status"] == "incomplete")
    assert (response["error"] is not None) == (response["status"] == "failed")
    if usage := response["usage"]:
        assert usage["total_tokens"] == usage["input_tokens"] + usage["output_tokens"]
    assert len({item["id"] for item in response["output"]}) == len(response["output"])
    for item in response["output"]:
        _check_item(item, response["status"])


def _check_item(item: dict[str, Any], status: str) -> None:
    assert item["id"].startswith(PREFIXES[item["type"]])
    if item["type"] == "message":
        assert item["content"] or status == "failed"
    if item["type"] in ("function_call", "custom_tool_call"):
        assert item["call_id"]
        assert item["name"]
    if status == "completed" and item["type"] == "function_call":
        assert isinstance(json.loads(item["arguments"]), dict)
    if status == "completed" and item["type"] != "reasoning":
        assert item["status"] == "completed"


def events(body: bytes) -> list[dict[str, Any]]:
    """The JSON of a stream's events, each named by its type and numbered without gaps; comments are left out."""
    *blocks, nothing = body.removesuffix(b"<unfinished>").split(b"\n\n")
    assert nothing == b""
    told = []
    for block in blocks:
        if block.startswith(b": "):
            continue
        name, data = block.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert name == f"event: {event['type']}".encode()
        event_types()[event["type"]].model_validate_json(data.removeprefix(b"data: "), strict=True)
        told.append(event)
    assert [event["sequence_number"] for event in told] == list(range(len(told)))
    return told


def streamed(body: bytes) -> dict[str, Any]:
    """The response at the end of a stream, which is as it must be, and as its pieces say."""
    told = events(body)
    created, begun, *between, ended = told
    assert (created["type"], begun["type"]) == ("response.created", "response.in_progress")
    assert created["response"] == begun["response"]
    response: dict[str, Any] = ended["response"]
    assert response["status"] == ENDS[ended["type"]]
    for each in (created["response"], response):
        check(each)
    beginning = {"status": "in_progress", "output": [], "usage": None, "completed_at": None}
    assert created["response"].items() >= beginning.items()
    changing = {*beginning, "error", "incomplete_details", "service_tier"}
    assert all(created["response"][key] == response[key] for key in response.keys() - changing)
    items = folded(between, whole=ended["type"] != "response.failed")
    if ended["type"] != "response.failed":
        assert response["output"] == items
    return response


def folded(told: list[dict[str, Any]], whole: bool = True) -> list[dict[str, Any]]:
    """The items that a stream's events tell, each within its own beginning and end."""
    by_item: dict[int, list[dict[str, Any]]] = {}
    for event in told:
        if event["output_index"] not in by_item:
            assert event["type"] == "response.output_item.added", "nothing is told of an item that was not added"
            assert event["output_index"] == len(by_item)
        by_item.setdefault(event["output_index"], []).append(event)
    return [_item(steps, whole) for steps in by_item.values()]


def _item(steps: list[dict[str, Any]], whole: bool) -> dict[str, Any]:
    added, *between = steps
    item = added["item"]
    assert item.get("status", "in_progress") == "in_progress"
    done = between.pop() if between and between[-1]["type"] == "response.output_item.done" else None
    assert done or not whole
    assert all(step["item_id"] == item["id"] for step in between)
    told = _pieces(between)
    if done is None:
        return item
    ended: dict[str, Any] = done["item"]
    assert all(ended[key] == item[key] for key in item if key in ("id", "type", "call_id", "name", "namespace"))
    assert _said(ended) == told
    cited = [step["annotation"] for step in between if "annotation" in step]
    parts = ended.get("content") or () if item["type"] == "message" else ()
    assert cited == [source for part in parts for source in part.get("annotations", ())]
    return ended


def _pieces(steps: list[dict[str, Any]]) -> list[str]:
    """The texts that an item's events tell: deltas add up to what each `done` says, between its part's two ends."""
    texts: list[str] = []
    parts: list[list[str]] = []
    for step in steps:
        kind, _, what = step["type"].rpartition(".")
        place = step.get("content_index", step.get("summary_index", 0))
        if step["type"] == "response.output_text.annotation.added":
            assert place == len(parts) - 1
            continue
        if kind.endswith("_part"):
            assert place == len(parts) - (what == "done")
            if what == "added":
                parts.append([])
            else:
                assert (step["part"].get("text") or step["part"].get("refusal") or "") == texts[-1]
            continue
        field, _ = PARTS[kind]
        if not parts and kind.startswith(("response.function", "response.custom")):
            parts.append([])
        assert place == len(parts) - 1
        if what == "delta":
            assert step["delta"]
            parts[place].append(step["delta"])
        else:
            assert step[field] == "".join(parts[place])
            texts.append(step[field])
    return texts


def _said(item: dict[str, Any]) -> list[str]:
    if item["type"] == "function_call":
        return [item["arguments"]]
    if item["type"] == "custom_tool_call":
        return [item["input"]]
    parts = item["summary"] if item["type"] == "reasoning" else item["content"]
    return [part["text"] if "text" in part else part["refusal"] for part in parts]


def said(response: dict[str, Any]) -> list[dict[str, Any]]:
    """What a response says: its output without ids."""
    unsaid = ("id", "call_id")
    return [{key: item[key] for key in item if key not in unsaid} for item in response["output"]]
