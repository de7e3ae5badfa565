"""What every answer keeps to, whole or streamed (OpenAI API reference, the chat completion object and its chunks)."""

import json
from typing import Any

from openai.lib.streaming.chat import ChatCompletionStreamState
from openai.types.chat import ChatCompletion, ChatCompletionChunk

FINISHES = {"stop", "length", "tool_calls", "content_filter", "function_call"}


def whole(body: bytes) -> dict[str, Any]:
    """The completion in a body, which is as it must be."""
    told = json.loads(body)
    ChatCompletion.model_validate(told, strict=True)
    assert told["id"].startswith("chatcmpl-")
    assert type(told["created"]) is int
    assert "usage" not in told or _adds_up(told["usage"])
    assert [choice["index"] for choice in told["choices"]] == list(range(len(told["choices"])))
    for choice in told["choices"]:
        assert choice.keys() >= {"index", "message", "finish_reason", "logprobs"}
        assert choice["message"].keys() >= {"role", "content", "refusal"}
        assert choice["finish_reason"] in FINISHES
        assert choice["message"].get("tool_calls", True), "no tool calls are left out, neither null nor empty"
        for call in choice["message"].get("tool_calls", ()):
            assert "index" not in call
            assert call["type"] != "function" or isinstance(json.loads(call["function"]["arguments"]), dict)
    return told


def _adds_up(usage: dict[str, Any]) -> bool:
    return usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def events(body: bytes) -> list[dict[str, Any]]:
    """The JSON of a stream's events, which are nothing but data and end as they must."""
    *blocks, done, nothing = body.split(b"\n\n")
    assert (done, nothing) == (b"data: [DONE]", b"")
    assert all(block.startswith(b"data: {") and b"\n" not in block for block in blocks)
    return [json.loads(block[6:]) for block in blocks]


def streamed(body: bytes, with_usage: bool = False) -> list[dict[str, Any]]:
    """The chunks of a stream, which is as it must be."""
    chunks = events(body)
    for chunk in chunks:
        ChatCompletionChunk.model_validate(chunk, strict=True)
        assert type(chunk["created"]) is int
        assert ("usage" in chunk) == with_usage
    assert len({(chunk["id"], chunk["created"], chunk["model"], chunk["object"]) for chunk in chunks}) == 1
    if with_usage and not chunks[-1]["choices"]:
        assert _adds_up(chunks[-1]["usage"])
        chunks.pop()
    assert all(chunk["choices"] for chunk in chunks), "only the usage comes without a choice"
    assert all(chunk.get("usage") is None for chunk in chunks)
    for index in {choice["index"] for chunk in chunks for choice in chunk["choices"]}:
        _check_choice([choice for chunk in chunks for choice in chunk["choices"] if choice["index"] == index])
    return events(body)


def _check_choice(told: list[dict[str, Any]]) -> None:
    """The role comes first and once, the finish last and alone; each tool call is named once."""
    assert all(choice.keys() >= {"index", "delta", "finish_reason"} for choice in told)
    first, *between, last = told
    assert first["delta"] in ({"role": "assistant", "content": text, "refusal": None} for text in ("", None))
    assert not any("role" in choice["delta"] for choice in between)
    assert all(choice["finish_reason"] is None for choice in (first, *between))
    assert last["delta"] == {}
    assert last["finish_reason"] in FINISHES
    named: set[int] = set()
    for call in (call for choice in between for call in choice["delta"].get("tool_calls", ())):
        opening = call["index"] not in named
        named.add(call["index"])
        assert ("id" in call, call.get("type"), "name" in call["function"]) == (
            (True, "function", True) if opening else (False, None, False)
        )


def folded(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """The completion that the official SDK makes of a stream, to be compared with `said` of a whole one."""
    state: ChatCompletionStreamState[None] = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(ChatCompletionChunk.model_validate(chunk))
    return said(state.current_completion_snapshot.to_dict())


def said(value: Any) -> Any:
    """What a completion says: without what is null or empty, the id, the time, and the index of a tool call."""
    if isinstance(value, list):
        return [said(item) for item in value]
    if isinstance(value, dict):
        unsaid = ("id", "created") if "choices" in value else ("index",) if "function" in value else ()
        return {key: said(value[key]) for key in value if key not in unsaid and value[key] not in (None, "")}
    return value
