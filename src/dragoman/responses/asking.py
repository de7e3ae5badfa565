"""A request in chat's words, and what it says of a failure there in ours."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from dragoman.errors import Failure, InvalidRequest
from dragoman.responses.messages import Item, Messages
from dragoman.responses.tools import Offered
from dragoman.wire.chat import ChatRequest
from dragoman.wire.responses import ResponseRequest

SAME = frozenset(
    {
        *("temperature", "top_p", "presence_penalty", "frequency_penalty", "metadata", "service_tier", "user"),
        *("safety_identifier", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "moderation"),
    }
)
"""Fields that chat calls the same."""
USELESS = frozenset({"max_tool_calls", "context_management", "access_programs", "image", "personality"})
"""Fields that nothing behind the door knows of."""
OTHERWISE = {
    "response_format.json_schema": "text.format",
    "response_format": "text.format",
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "text.verbosity",
    "logprobs": "top_logprobs",
    "tool_choice.function": "tool_choice",
    "tool_choice.custom": "tool_choice",
    "tool_choice.allowed_tools": "tool_choice",
    "messages": "input",
}
"""What chat calls otherwise."""

BRINGING = "additional_tools"
"""The type of items that bring tools."""
NOTHING = Offered([])
_BLANK = ChatRequest.model_construct(model="", messages=[])
_INDEXED = re.compile(r"(messages|tools)\[(\d+)\](?:\.function\b|\.custom\b)?(.*)", re.DOTALL)


class Asked:
    """A request with the conversation that it goes on with.

    `before` are the items of that, and `items` its own, references followed. Raises InvalidRequest.
    """

    __slots__ = ("_ranked", "chat", "ignored", "offered", "places")

    def __init__(self, request: ResponseRequest, model: str, before: Sequence[Item], items: Sequence[Item]) -> None:
        tools: Any = request.tools or ()
        added = _added(before, items)
        self.offered = Offered(tools, added) if tools or added else NOTHING
        self.ignored = list(self.offered.ignored)
        self._ranked = bool(request.top_logprobs)
        messages = Messages(self.offered)
        if request.instructions:
            messages.tell("system", request.instructions, "instructions")
        for item in before:
            messages.add(item, "previous_response_id")
        if isinstance(request.input, str):
            messages.tell("user", request.input, "input")
        else:
            for place, item in enumerate(items):
                messages.add(item, f"input[{place}]")
        messages.end()
        if not messages.said:
            raise InvalidRequest(
                "Invalid 'input': nothing in it is said or asked.", param="input", code="invalid_value"
            )
        self.places = messages.places
        self.chat = _BLANK.model_copy(update=self._told(request, model, messages.said))

    def _told(self, request: ResponseRequest, model: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
        told = self._given(request)
        told |= {"model": model, "messages": messages}
        if request.stream:
            told |= {"stream": True, "stream_options": {"include_usage": True}}
        if request.max_output_tokens is not None:
            told["max_completion_tokens"] = request.max_output_tokens
        if request.shows_logprobs:
            told |= {"logprobs": True, **({"top_logprobs": request.top_logprobs} if request.top_logprobs else {})}
        if request.reasoning and request.reasoning.get("effort"):
            told["reasoning_effort"] = request.reasoning["effort"]
        if request.text:
            told |= _format(request.text)
        return told | self._calling(request)

    def _given(self, request: ResponseRequest) -> dict[str, Any]:
        """What chat calls the same, and what we know nothing of, unless it is chat's and was not checked therefore."""
        extra = request.__pydantic_extra__ or {}
        told = {name: extra[name] for name in extra if name not in ChatRequest.model_fields}
        self.ignored += extra.keys() & ChatRequest.model_fields.keys() if extra else ()
        for name in request.__pydantic_fields_set__:
            if name in SAME and (value := getattr(request, name)) is not None:
                told[name] = value
            elif name in USELESS and getattr(request, name) is not None:
                self.ignored.append(name)
        return told

    def _calling(self, request: ResponseRequest) -> dict[str, Any]:
        choice = self.offered.choice(request.tool_choice)
        if not self.offered.chat:
            return {}
        told = {"tool_choice": choice, "parallel_tool_calls": request.parallel_tool_calls}
        return {"tools": self.offered.chat, **{name: value for name, value in told.items() if value is not None}}

    def reword(self, failure: Failure) -> None:
        """Says in our words what a failure behind the door says of the request."""
        if failure.param:
            ours = self._place(failure.param)
            for mark in "`'":
                failure.message = failure.message.replace(f"{mark}{failure.param}{mark}", f"{mark}{ours}{mark}")
            failure.param = ours

    def _place(self, param: str) -> str:
        if match := _INDEXED.fullmatch(param):
            places = self.places if match[1] == "messages" else self.offered.places
            if int(match[2]) < len(places):
                return _inside(places[int(match[2])], match[3])
        if param == "logprobs" and not self._ranked:
            return "include"
        for chat, ours in OTHERWISE.items():
            if param == chat or param.startswith((f"{chat}.", f"{chat}[")):
                return ours + param[len(chat) :]
        return param


def _added(before: Sequence[Item], items: Sequence[Item]) -> list[tuple[str, Item]]:
    """The tools that items bring, each with where it stands."""
    earlier = [tool for item in before if item.get("type") == BRINGING for tool in item["tools"]]
    brought = [(place, item) for place, item in enumerate(items) if item.get("type") == BRINGING]
    now = [(f"input[{at}].tools[{inside}]", tool) for at, item in brought for inside, tool in enumerate(item["tools"])]
    return [*(("previous_response_id", tool) for tool in earlier), *now]


def _inside(place: str, rest: str) -> str:
    """A place within an item; what is no item of the request's own, and has no inside, stands for all of it."""
    return place + rest if place[-1] == "]" and not rest.startswith(".tool_calls") else place


def _format(text: Mapping[str, Any]) -> dict[str, Any]:
    """How the text is wanted."""
    told: dict[str, Any] = {}
    format: dict[str, Any] = {**(text.get("format") or {})}
    kind = format.pop("type", "text")
    if kind == "json_schema":
        schema = {key: value for key, value in format.items() if value is not None}
        told["response_format"] = {"type": kind, "json_schema": schema}
    elif kind == "json_object":
        told["response_format"] = {"type": kind}
    if text.get("verbosity"):
        told["verbosity"] = text["verbosity"]
    return told
