"""An upstream that speaks OpenAI already: everything passes, unknown fields too; only the model is renamed."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial, reduce
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from dragoman.abilities import ABILITIES, Ability, Supplied
from dragoman.asked import Embed, Texts, message
from dragoman.call import Call, Chunk, Handler
from dragoman.completion import added
from dragoman.errors import (
    UpstreamBadContentType,
    UpstreamBadEncoding,
    UpstreamBadEvent,
    UpstreamBadResponse,
    UpstreamError,
)
from dragoman.ground import Ground, by_kind
from dragoman.json import dumped, loaded
from dragoman.mapping.batches import chunks, gathered
from dragoman.mapping.completions import Completions
from dragoman.mapping.findings import EMBEDDINGS, MODERATIONS, About, Read
from dragoman.mapping.framing import END, SSE
from dragoman.mapping.texts import MOST
from dragoman.outgoing import Outgoing
from dragoman.reach import HTTPURL, HeaderText, Reach
from dragoman.upstream import JSON_TYPE, Answer, Explained, Upstream

CHAT_PATH = "/chat/completions"


class Batching(BaseModel):
    """How texts are embedded."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    batch: Annotated[int, Field(ge=1, le=MOST)] = MOST
    """How many texts one request takes."""
    parallel: Annotated[int, Field(ge=1, le=64)] = 8
    """How many requests are open at once for one call."""


class OpenAI(Reach, Supplied):
    """`kind: openai`."""

    kind: Literal["openai"]
    url: HTTPURL
    """The base URL, such as `https://api.openai.com/v1`."""
    key: HeaderText | None = None
    """Sent as a bearer token."""
    model: str | None = None
    """The model to ask the upstream for, instead of the caller's."""
    parameters: dict[str, str | None] = Field(default={})
    """Parameters that the upstream calls otherwise; null for those that it does not take."""
    embeddings: Batching = Batching()
    """For an upstream that takes fewer texts at once than OpenAI's 2048."""
    show_errors: bool = False
    """Let callers read why the upstream did not accept a request."""

    @property
    def native(self) -> frozenset[Ability]:
        return frozenset(ABILITIES) - {"token_prompts"}

    @property
    def pace(self) -> float | None:
        return None

    @asynccontextmanager
    async def opened(self, ground: Ground) -> AsyncIterator[Handler]:
        login = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        reach = self.model_copy(update={"headers": {**login, **self.headers}})
        url = self.url.rstrip("/") + CHAT_PATH
        explain = _explained if self.show_errors else None
        chat = Upstream(url, reach, explain, tape=ground.tape)
        texts = Upstream(url, reach.for_texts(), explain, tape=ground.tape)
        async with chat, texts:
            yield by_kind(
                lambda call: _answered(chat, call, self),
                lambda call: _looked(texts, call, self, EMBEDDINGS),
                lambda call: _looked(texts, call, self, MODERATIONS),
            )


def _asked(call: Call, options: OpenAI, more: Mapping[str, Any]) -> dict[str, Any]:
    """What the caller asks, in the upstream's words."""
    body = {**call.request.given(), **more}
    body["model"] = options.model or body["model"]
    for name in options.parameters.keys() & body.keys():
        value, other = body.pop(name), options.parameters[name]
        body |= {other: value} if other else {}
    return body


async def _looked(upstream: Upstream, call: Call, options: OpenAI, about: About) -> AsyncIterator[Chunk]:
    """What is said of texts, asked in as many requests as the upstream needs."""
    request = call.request
    assert isinstance(request, Texts)
    texts = request.texts
    most = options.embeddings.batch if isinstance(request, Embed) else len(texts)
    batches = [list(map(message, texts[at : at + most])) for at in range(0, len(texts), most)]
    works = [partial(_said, upstream, call.asking(messages=batch), options, about) for batch in batches]
    answers = await gathered(works, options.embeddings.parallel)
    usages = [usage for _, usage in answers if usage]
    said = [each for said, _ in answers for each in said]
    for chunk in chunks(said, reduce(added, usages) if usages else None):
        yield chunk


async def _said(upstream: Upstream, call: Call, options: OpenAI, about: About) -> Read:
    """What is said of the texts of one request."""
    target = upstream.target.removesuffix(CHAT_PATH) + about.path
    asked = Outgoing("POST", target, JSON_TYPE, dumped(_asked(call, options, about.asked)))
    value = await upstream.json(asked, "what was said of texts", call.reached)
    if not isinstance(value, dict) or value.get("error"):
        raise _failed(value, UpstreamBadResponse(detail="not what is said of texts"))
    return about.read(value, len(call.request.messages))


async def _answered(upstream: Upstream, call: Call, options: OpenAI) -> AsyncIterator[Chunk]:
    body = _asked(call, options, {})
    if call.request.max_completion_tokens is not None:
        body.pop("max_tokens", None)
    if not call.request.stream:
        for chunk in await _whole(await upstream.ask(call, body)):
            yield chunk
        return
    answer = await upstream.ask(call, body, "text/event-stream")
    if answer.type == "application/json":
        for chunk in await _whole(answer):
            yield chunk
        return
    _check_type(answer, "event-stream")
    framing, completions = SSE(), Completions(UpstreamBadEvent)
    while piece := await answer.read():
        for event in framing.feed(piece):
            if event.endswith(END) and event.strip() == END:
                answer.ended = True
                return
            for chunk in completions.chunks(_event(event)):
                yield chunk
    for event in framing.rest():
        if event.strip() != END:
            for chunk in completions.chunks(_event(event)):
                yield chunk


async def _whole(answer: Answer) -> list[Chunk]:
    _check_type(answer, "json")
    body = await answer.whole()
    try:
        value = loaded(body)
    except UnicodeDecodeError as error:
        raise UpstreamBadEncoding(detail="not UTF-8") from error
    except ValueError as error:
        raise UpstreamBadResponse(detail=f"not JSON: {error}") from error
    if not isinstance(value, dict) or value.get("error") or not value.get("choices"):
        raise _failed(value, UpstreamBadResponse(detail="not a chat completion"))
    return Completions().chunks(value)


def _event(event: bytes) -> dict[str, Any]:
    try:
        value = loaded(event, replace=True)
    except ValueError as error:
        raise UpstreamBadEvent(detail=f"not JSON: {error}") from error
    if not isinstance(value, dict) or value.get("error"):
        raise _failed(value, UpstreamBadEvent(detail="not a chat completion chunk"))
    return value


def _failed(value: Any, otherwise: UpstreamBadResponse | UpstreamBadEvent) -> Exception:
    error = value.get("error") if isinstance(value, dict) else None
    return UpstreamError(detail=f"the upstream says: {error}"[:2048]) if error else otherwise


def _check_type(answer: Answer, word: str) -> None:
    if answer.type and word not in answer.type:
        raise UpstreamBadContentType(detail=f"{answer.type} came where {word} was expected")


def _explained(value: Any, status: int) -> Explained | None:
    error = value.get("error") if isinstance(value, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return None
    code, param = error.get("code"), error.get("param")
    return Explained(error["message"], str(code) if code else None, str(param) if param else None)
