"""A conversation in blocks, told as chat messages."""

from collections.abc import Iterable, Iterator
from typing import Any

from dragoman.errors import InvalidRequest
from dragoman.json import dumped
from dragoman.messages.blocks import Block, Part, content_of, parts_of, text_of
from dragoman.wire.messages import SIGNATURE

Turn = dict[str, Any]

FAILED = "Error: "
"""What the result of a tool that failed begins with, since chat messages have no word for it."""


def turns(messages: Iterable[Any]) -> Iterator[Turn]:
    """The messages of a chat. Raises InvalidRequest for a result of nothing."""
    called: set[str] = set()
    for place, message in enumerate(messages):
        role, content = message["role"], message["content"]
        if isinstance(content, str):
            yield {"role": role, "content": content}
        elif role == "assistant":
            called |= {block["id"] for block in content if block["type"] == "tool_use"}
            yield _said(content)
        elif role == "user":
            _check_called(content, called, place)
            yield from _heard(content)
        else:
            yield {"role": role, "content": text_of(content)}


def _said(blocks: list[Block]) -> Turn:
    """What was answered before. Thoughts go back to whoever thinks on from them: in the midst of calls."""
    texts = [block["text"] for block in blocks if block["type"] == "text"]
    calls = [_call(block) for block in blocks if block["type"] == "tool_use"]
    if not calls:
        return {"role": "assistant", "content": "\n".join(texts)}
    thoughts = [block["thinking"] for block in blocks if block["type"] == "thinking" and _ours(block)]
    return {
        "role": "assistant",
        "content": "\n".join(texts) or None,
        **({"reasoning_content": "\n".join(thoughts)} if any(thoughts) else {}),
        "tool_calls": calls,
    }


def _call(block: Block) -> dict[str, Any]:
    function = {"name": block["name"], "arguments": dumped(block["input"]).decode()}
    return {"id": block["id"], "type": "function", "function": function}


def _ours(block: Block) -> bool:
    return block.get("signature") == SIGNATURE


def _heard(blocks: list[Block]) -> Iterator[Turn]:
    """What tools gave, each in a message of its own; then what else the user says, with the images that they gave."""
    results = [block for block in blocks if block["type"] == "tool_result"]
    seen: list[Part] = []
    for result in results:
        content = result.get("content") or ""
        if isinstance(content, list):
            seen += [part for part in parts_of(content) if part["type"] != "text"]
        text = text_of(content)
        told = f"{FAILED}{text}" if result.get("is_error") and not text.startswith(FAILED) else text
        yield {"role": "tool", "tool_call_id": result["tool_use_id"], "content": told}
    rest = content_of(block for block in blocks if block["type"] not in ("tool_result", "tool_use"))
    if seen:
        rest = [*seen, *([{"type": "text", "text": rest}] if isinstance(rest, str) and rest else rest or [])]
    if rest or not results:
        yield {"role": "user", "content": rest}


def _check_called(blocks: list[Block], called: set[str], place: int) -> None:
    for inside, block in enumerate(blocks):
        if block["type"] == "tool_result" and block["tool_use_id"] not in called:
            param = f"messages[{place}].content[{inside}].tool_use_id"
            told = "A 'tool_result' must answer a 'tool_use' of an assistant message before it."
            raise InvalidRequest(f"Invalid value for '{param}'. {told}", param=param, code="invalid_value")
