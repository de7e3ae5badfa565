"""What every message keeps to, whole or streamed, as Anthropic's SDK has its types (Claude API reference)."""

import json
from typing import Any

from anthropic.lib.streaming._messages import accumulate_event
from anthropic.types import Message, MessageTokensCount, RawMessageStreamEvent
from pydantic import TypeAdapter

REASONS = {"end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal"}
FIELDS = {"id", "type", "role", "model", "content", "stop_reason", "stop_sequence", "usage"}
USED = {"input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens"}
GROWS = {
    "text": {"text_delta"},
    "thinking": {"thinking_delta", "signature_delta"},
    "tool_use": {"input_json_delta"},
}
"""What the blocks of a kind grow by."""
EMPTY = {"text": {"text": ""}, "thinking": {"thinking": "", "signature": ""}, "tool_use": {"input": {}}}

_EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)


def whole(body: bytes) -> dict[str, Any]:
    """The message in a body, which is as it must be."""
    told = json.loads(body)
    Message.model_validate_json(body, strict=True)
    assert told.keys() == FIELDS
    assert told["id"].startswith("msg_")
    assert told["content"]
    assert told["usage"].keys() >= USED
    _check_end(told)
    for block in told["content"]:
        assert block["type"] in GROWS
    assert [block["type"] for block in told["content"]] == sorted(
        (block["type"] for block in told["content"]), key=["thinking", "text", "tool_use"].index
    )
    return told


def _check_end(told: dict[str, Any]) -> None:
    assert told["stop_reason"] in REASONS
    assert (told["stop_sequence"] is not None) == (told["stop_reason"] == "stop_sequence")


def counted(body: bytes) -> int:
    """The tokens in the answer to a count."""
    told = MessageTokensCount.model_validate_json(body, strict=True)
    assert json.loads(body).keys() == {"input_tokens"}
    return told.input_tokens


def events(body: bytes, broken: bool = False) -> list[dict[str, Any]]:
    """The events of a stream; each has its name, and is as the SDK has its type. A broken one ends with an error."""
    *blocks, nothing = body.split(b"\n\n")
    assert nothing == b""
    told = []
    for block in blocks:
        name, data = block.split(b"\n")
        event = json.loads(data.removeprefix(b"data: "))
        assert name == b"event: " + event["type"].encode()
        told.append(event)
    for event in told[:-1] if broken else told:
        _EVENT.validate_python(event, strict=True)
    assert not broken or told[-1]["type"] == "error"
    return told


def streamed(body: bytes) -> list[dict[str, Any]]:
    """The events of a stream, which is as it must be: a start, one block after the other, an end."""
    told = events(body)
    start, *between, delta, stop = told
    assert start["type"] == "message_start"
    assert start["message"].keys() == FIELDS
    assert (start["message"]["content"], start["message"]["stop_reason"]) == ([], None)
    assert start["message"]["usage"].keys() >= USED
    assert delta["type"] == "message_delta"
    assert delta["usage"].keys() >= USED
    _check_end(delta["delta"])
    assert stop == {"type": "message_stop"}
    assert _check_blocks(between)
    return told


def _check_blocks(between: list[dict[str, Any]]) -> int:
    """How many blocks there are: each starts empty, grows by what its kind grows by, and stops before the next."""
    index, kind = -1, None
    for event in between:
        if event["type"] == "content_block_start":
            assert kind is None, "the block before it has not stopped"
            index, kind = index + 1, event["content_block"]["type"]
            assert EMPTY[kind].items() <= event["content_block"].items()
        elif event["type"] == "content_block_delta":
            assert event["delta"]["type"] in GROWS[kind]
            assert any(value for name, value in event["delta"].items() if name != "type"), "a delta that says nothing"
        else:
            assert event["type"] == "content_block_stop"
            kind = None
        assert event["index"] == index
    assert kind is None, "the last block has not stopped"
    return index + 1


def folded(told: list[dict[str, Any]]) -> dict[str, Any]:
    """The message that the official SDK makes of a stream."""
    snapshot, buffers = None, {}
    for event in told:
        if event["type"] != "message_stop":
            read = _EVENT.validate_python(event)
            snapshot = accumulate_event(event=read, current_snapshot=snapshot, json_bufs=buffers)
    assert snapshot is not None
    return json.loads(snapshot.to_json())


def said(message: dict[str, Any]) -> dict[str, Any]:
    """What a message says: all of each kind of block together, and how it ended; without its id."""
    content = message["content"]
    texts = {kind: "".join(block[kind] for block in content if block["type"] == kind) for kind in ("text", "thinking")}
    calls = [(block["id"], block["name"], block["input"]) for block in content if block["type"] == "tool_use"]
    end = {name: message.get(name) for name in ("stop_reason", "stop_sequence", "model")}
    usage = {name: value for name, value in message["usage"].items() if value}
    return {**texts, "calls": calls, **end, "usage": usage}
