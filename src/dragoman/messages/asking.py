"""What is asked in messages, asked as a chat."""

from typing import Any

from dragoman.errors import InvalidRequest
from dragoman.messages.blocks import text_of
from dragoman.messages.manners import NO_THREAD
from dragoman.messages.offer import is_own, offered
from dragoman.messages.turns import turns
from dragoman.wire.chat import ChatRequest
from dragoman.wire.messages import CountTokensRequest, MessagesRequest

UNUSED = (
    *("cache_control", "container", "context_management", "diagnostics", "inference_geo", "mcp_servers"),
    *("service_tier", "speed", "thinking"),
)
"""What Anthropic's API takes, and no chat has a place for."""
SAME = ("temperature", "top_p", "top_k")
GOING_ON = (
    "Your answer has begun already, with the text below. Go on right where it ends, without repeating any of it.\n\n"
)
UNTHREADED = "Conversations are not kept here: send all their messages each time, without 'thread'."
SCHEMA_NAME = "answer"
USUAL_EFFORT = "high"
"""What Anthropic's API takes for granted. Clients send it to all models, and not every backend has efforts."""

_BLANK = ChatRequest.model_construct(set(), model="", messages=[])


def chat(asked: CountTokensRequest) -> ChatRequest:
    """The same as a chat request. Raises InvalidRequest."""
    if (asked.model_extra or {}).get("thread"):
        raise InvalidRequest(UNTHREADED, param="thread", code=NO_THREAD)
    fields = {
        "model": asked.model,
        "messages": _messages(asked),
        **{name: value for name in SAME if (value := getattr(asked, name)) is not None},
        **_bounds(asked),
        **_wishes(asked),
    }
    if asked.tools or asked.tool_choice:
        fields |= offered(asked.tools or (), asked.tool_choice)
    if asked.stream:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    return _BLANK.model_copy(update=fields)


def prefill(asked: CountTokensRequest) -> str:
    """What the caller begins the answer with; empty if it does not."""
    last: Any = asked.messages[-1]
    if last["role"] != "assistant":
        return ""
    content = last["content"]
    return text_of(content) if isinstance(content, str) or all(block["type"] != "tool_use" for block in content) else ""


def unused(asked: CountTokensRequest) -> list[str]:
    """What was asked that no backend is told of, by its name in the request."""
    given: dict[str, Any] = {**(asked.model_extra or {}), "thinking": asked.thinking}
    tools: list[Any] = [tool for tool in asked.tools or () if not is_own(tool)]
    return [*(name for name in UNUSED if given.get(name)), *(f"tools.{tool['type']}" for tool in tools)]


def _messages(asked: CountTokensRequest) -> list[Any]:
    system = text_of(asked.system) if asked.system else ""
    if begun := prefill(asked):
        system = f"{system}\n\n{GOING_ON}{begun}" if system else GOING_ON + begun
    return [*([{"role": "system", "content": system}] if system else []), *turns(asked.messages)]


def _bounds(asked: CountTokensRequest) -> dict[str, Any]:
    """Where the answer ends."""
    most = asked.max_tokens if isinstance(asked, MessagesRequest) else None
    stops = [stop for stop in asked.stop_sequences or () if stop]
    return {**({"max_completion_tokens": most} if most else {}), **({"stop": stops} if stops else {})}


def _wishes(asked: CountTokensRequest) -> dict[str, Any]:
    wishes: dict[str, Any] = {}
    if asked.metadata and (user := asked.metadata.get("user_id")):
        wishes["user"] = user
    config: Any = asked.output_config or {}
    if (effort := config.get("effort")) and effort != USUAL_EFFORT:
        wishes["reasoning_effort"] = effort
    if form := config.get("format") or asked.output_format:
        schema = {"name": SCHEMA_NAME, "schema": form["schema"], "strict": True}
        wishes["response_format"] = {"type": "json_schema", "json_schema": schema}
    return wishes
