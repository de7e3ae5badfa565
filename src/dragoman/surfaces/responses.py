"""Responses: what agents speak. Conversations may be kept, and gone on with."""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query
from starlette.responses import Response as Answer

from dragoman.call import Chunk, Key
from dragoman.door import Question, Surface
from dragoman.edge import Caller
from dragoman.errors import Failure, InvalidRequest, UnknownPath, UpstreamBadResponse
from dragoman.ids import unique
from dragoman.json import dumped
from dragoman.reading import request_in
from dragoman.responses.answer import Folded, Frame, Streamed
from dragoman.responses.asking import Asked
from dragoman.responses.kept import Item, Kept, listed_items
from dragoman.wire.error import ErrorEnvelope
from dragoman.wire.response import DeletedResponse, InputItems, InputTokens, Response, ResponseEvent
from dragoman.wire.responses import ResponseRequest

REFUSED = {
    "background": "This server answers while its callers wait: ask with `stream: true` where that takes long.",
    "conversation": "This server keeps no conversations beside its responses: use `previous_response_id`.",
    "prompt": "This server keeps no prompts: send the prompt as `instructions` and `input`.",
}
"""What is asked of servers that do more than answer."""


class _Spoken(Surface):
    """What both ways to ask have in common."""

    takes = ResponseRequest

    def __init__(self, kept: Kept, default: Callable[[], str | None]) -> None:
        """`default` gives the model of those that name none."""
        self.kept, self._default = kept, default

    async def read(self, body: bytes, caller: Caller, key: Key) -> tuple[ResponseRequest, Asked, list[Item]]:
        """What a body asks: as it was sent, in chat's words, and the items that it brings."""
        request = request_in(body, ResponseRequest, caller.model)
        model = request.model or self._default()
        _check(request, model, self.kept.keeps)
        previous = request.previous_response_id
        before = await self.kept.conversation(key, previous) if previous else []
        items = await self.kept.followed(key, _items(request), before)
        asked = Asked(request, model or "", before, items)
        if asked.ignored:
            caller.facts["ignored"] = ",".join(sorted(set(asked.ignored)))
        return request, asked, items

    def reword(self, failure: Failure, question: Question) -> None:
        if isinstance(question, ResponsesQuestion | CountQuestion):
            question.asked.reword(failure)


class Responses(_Spoken):
    """`POST /v1/responses`."""

    name, path, summary = "responses", "/responses", "Create response"
    description = "Answers a conversation in items, whole or, with `stream: true`, as server-sent events."
    gives, streams, beside = Response, ResponseEvent, (InputItems, DeletedResponse)

    async def asked(self, body: bytes, caller: Caller, key: Key) -> "ResponsesQuestion":
        request, asked, items = await self.read(body, caller, key)
        return ResponsesQuestion(request, asked, items, self.kept, key)


class ResponsesQuestion(Question):
    """What is asked, and where its answer is kept."""

    __slots__ = ("_answer", "_frame", "_items", "_kept", "_key", "_previous", "_stored", "asked")

    def __init__(self, request: ResponseRequest, asked: Asked, items: list[Item], kept: Kept, key: Key) -> None:
        super().__init__(asked.chat)
        self.asked = asked
        self._items, self._previous, self._kept, self._key = items, request.previous_response_id, kept, key
        self._stored = request.store is not False and kept.keeps
        self._frame = Frame(unique("resp_"), asked.chat.model, request, self._stored)

    def folded(self) -> Folded:
        self._answer = Folded(self._frame, self.asked.offered)
        return self._answer

    def streamed(self) -> Streamed:
        self._answer = answer = Streamed(self._frame, self.asked.offered)
        return answer

    async def over(self) -> None:
        """Keeps the answer before its caller knows of the end, so that it is there when it is asked for."""
        if self._stored:
            await self._kept.keep(self._key, self._frame.id, self._previous, self._items, self._answer.whole)


class CountInput(_Spoken):
    """`POST /v1/responses/input_tokens`. Its handler tells the usage and nothing else."""

    name, path, summary = "input_tokens", "/responses/input_tokens", "Count input tokens"
    description = "Tells how many tokens a request asks with, and asks no backend."
    gives = InputTokens

    async def asked(self, body: bytes, caller: Caller, key: Key) -> "CountQuestion":
        _, asked, _ = await self.read(body, caller, key)
        return CountQuestion(asked)


class CountQuestion(Question):
    """How many tokens it is."""

    __slots__ = ("_tokens", "asked")

    def __init__(self, asked: Asked) -> None:
        super().__init__(asked.chat.without("stream", "stream_options"))
        self.asked = asked
        self._tokens: int | None = None

    def folded(self) -> "CountQuestion":
        return self

    def add(self, chunk: Chunk) -> None:
        """Takes the usage."""
        self._tokens = (chunk.usage or {}).get("prompt_tokens", self._tokens)

    def json(self) -> bytes:
        if self._tokens is None:
            raise UpstreamBadResponse(detail="no tokens were counted")
        return dumped({"object": "response.input_tokens", "input_tokens": self._tokens})


def _check(request: ResponseRequest, model: str | None, keeps: bool) -> None:
    """Raises InvalidRequest for what this server does not do, or cannot do without."""
    for field, advice in REFUSED.items():
        if getattr(request, field):
            raise _unsupported(field, advice)
    if not model:
        raise _missing("model", "GET /v1/models lists the models.")
    if request.previous_response_id and not keeps:
        raise _unsupported("previous_response_id", "This server keeps no responses: send the conversation as `input`.")
    if request.input is None and not request.previous_response_id:
        raise _missing("input", "Send a text, or an array of items.")


def _missing(param: str, advice: str) -> InvalidRequest:
    message = f"Missing required parameter: '{param}'. {advice}"
    return InvalidRequest(message, param=param, code="missing_required_parameter")


def _unsupported(param: str, advice: str) -> InvalidRequest:
    return InvalidRequest(f"Unsupported parameter: '{param}'. {advice}", param=param, code="unsupported_parameter")


def _items(request: ResponseRequest) -> list[Item]:
    """The input, a text as the message that it is."""
    if isinstance(request.input, str):
        return [{"role": "user", "content": request.input}]
    items: list[Any] = request.input or []
    return items


def responses(kept: Kept, who: Callable[..., Any]) -> APIRouter:
    """The routes of what is kept: `GET` and `DELETE /responses/{id}`, input items; `cancel`, refused."""
    told: dict[int | str, dict[str, Any]] = {
        "4XX": {"model": ErrorEnvelope, "description": "It is not valid, not there, or not allowed"},
        503: {"model": ErrorEnvelope, "description": "What is kept cannot be read now"},
    }
    router = APIRouter(prefix="/responses", tags=["responses"], responses=told)
    _add_reading(router, kept, who)
    _add_changes(router, kept, who)
    return router


def _add_reading(router: APIRouter, kept: Kept, who: Callable[..., Any]) -> None:
    @router.get("/{id}", summary="Retrieve a response", responses=_tells(Response))
    async def retrieve_response(id: str, key: Annotated[Key, Depends(who)], stream: str = "false") -> Answer:
        if stream.lower() not in ("false", "0", ""):
            raise _unsupported("stream", "What is kept is told whole: ask without `stream`.")
        return _json((await kept.found(key, id))["response"])

    @router.get("/{id}/input_items", summary="List input items", responses=_tells(InputItems))
    async def list_input_items(
        id: str,
        key: Annotated[Key, Depends(who)],
        limit: str = "20",
        order: str = "desc",
        after: Annotated[str | None, Query()] = None,
    ) -> Answer:
        """The items that a response was asked with, without those of earlier responses; the latest first, unless
        `order` is `asc`."""
        items = list(listed_items(id, (await kept.found(key, id))["input"]))
        return _json(_page(items, _limit(limit), _descending(order), after))


def _add_changes(router: APIRouter, kept: Kept, who: Callable[..., Any]) -> None:
    @router.delete("/{id}", summary="Delete a response", responses=_tells(DeletedResponse))
    async def delete_response(id: str, key: Annotated[Key, Depends(who)]) -> Answer:
        await kept.drop(key, id)
        return _json({"id": id, "object": "response", "deleted": True})

    @router.post("/compact", include_in_schema=False)
    async def compact_conversation(key: Annotated[Key, Depends(who)]) -> Answer:
        raise UnknownPath("Conversations are not compacted here. Send what matters of one as `input`.")

    @router.post("/{id}/cancel", summary="Cancel a response", responses=_tells(Response))
    async def cancel_response(id: str, key: Annotated[Key, Depends(who)]) -> Answer:
        """Refused, since no response is in the background: close the connection instead."""
        await kept.found(key, id)
        raise InvalidRequest(
            "Only a response in the background can be cancelled; this one is over. "
            "To end one that is being told, close its connection.",
            code="not_in_background",
        )


def _tells(kind: Any) -> dict[int | str, dict[str, Any]]:
    """That a route answers with a type, which is documented elsewhere."""
    schema = {"$ref": f"#/components/schemas/{kind.__name__}"}
    return {200: {"content": {"application/json": {"schema": schema}}}}


def _json(value: Any) -> Answer:
    return Answer(dumped(value), media_type="application/json")


def _page(items: list[Item], limit: int, descending: bool, after: str | None) -> dict[str, Any]:
    """A part of a list, with OpenAI's way to ask for the next."""
    ordered = items[::-1] if descending else items
    if after is not None:
        places = [place for place, item in enumerate(ordered) if item["id"] == after]
        if not places:
            raise _wrong("after", "no item has this id")
        ordered = ordered[places[0] + 1 :]
    page = ordered[:limit]
    ends = {"first_id": page[0]["id"] if page else "", "last_id": page[-1]["id"] if page else ""}
    return {"object": "list", "data": page, **ends, "has_more": len(ordered) > limit}


def _limit(given: str) -> int:
    if not (given.isdecimal() and len(given) < 4 and 1 <= int(given) <= 100):
        raise _wrong("limit", "expected a number from 1 to 100")
    return int(given)


def _descending(given: str) -> bool:
    if given not in ("asc", "desc"):
        raise _wrong("order", "expected 'asc' or 'desc'")
    return given == "desc"


def _wrong(param: str, reason: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid value for '{param}': {reason}.", param=param, code="invalid_value")
