"""One real call, taken apart: what was sent, what came, and what each path found in it."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, get_args

from dragoman.adapt.answer import nearest
from dragoman.app import Gateway
from dragoman.asked import Embed, Moderate, Texts
from dragoman.call import ANYONE, Call, begun
from dragoman.config import Config
from dragoman.errors import Failure
from dragoman.ground import Backend
from dragoman.ids import unique
from dragoman.json import loaded
from dragoman.mapping.answers import Answered
from dragoman.mapping.exchange import FRAMINGS
from dragoman.mapping.framing import END
from dragoman.mapping.mapped import Mapped
from dragoman.mapping.texts import Told
from dragoman.paths import found
from dragoman.routing import planned
from dragoman.tape.exchange import Exchange
from dragoman.tape.files import read

Kind = Literal["chat", "embeddings", "moderations"]
"""What a model can be asked for."""

KINDS: tuple[Kind, ...] = get_args(Kind)
ASKED: dict[Kind, type[Texts]] = {"embeddings": Embed, "moderations": Moderate}


@dataclass(frozen=True)
class Finding:
    """What a path found."""

    place: str
    """Where the path stands in the configuration: `response.text`."""
    path: str
    found: list[Any]
    """In each event, or in the one answer, where it found something."""
    of: int
    """How many events there were."""
    near: list[tuple[str, str]]
    """Where it found nothing: the nearest paths that would have, and their texts."""


@dataclass(frozen=True)
class Trial:
    """A call that was made to see how it goes."""

    exchanges: list[Exchange]
    findings: list[Finding]
    completion: dict[str, Any] | None
    """The answer, where it was asked to chat."""
    said: dict[str, Any] | None
    """What was said of the text, where it was asked about one: its `embedding`, or whether it is `flagged`."""
    failure: Failure | None


def tried(config: Config, model: str, question: str, stream: bool, kind: Kind | None = None) -> Trial:
    """Asks a model for what it can do, or for that kind. Raises ConfigError if its backend cannot be opened."""
    name = next(planned(model, config.models, config.backends).leaves).backend or ""
    backend = config.backends[name]
    wanted = kind or _first(backend)
    failure: Failure | None = None
    completion = said = None
    with TemporaryDirectory() as folder:
        gateway = Gateway(config, Path(folder))
        try:
            if wanted == "chat":
                completion = asyncio.run(_answered(gateway, model, question, stream))
            else:
                said = asyncio.run(_looked(gateway, ASKED[wanted].of(model, [question], {}, {})))
        except Failure as error:
            failure = error
        exchanges = [read(file) for file in sorted(Path(folder).glob("*.yaml"))]
    findings = list(_findings(backend, exchanges, wanted)) if isinstance(backend, Mapped) and exchanges else []
    return Trial(exchanges, findings, completion, said, failure)


def _first(backend: Backend) -> Kind:
    """What it can do, chat before all."""
    return next(kind for kind in KINDS if kind in backend.native)


async def _answered(gateway: Gateway, model: str, question: str, stream: bool) -> dict[str, Any]:
    async with gateway.opened():
        messages = [{"role": "user", "content": question}]
        return await gateway.complete({"model": model, "messages": messages, "stream": stream})


async def _looked(gateway: Gateway, request: Texts) -> dict[str, Any]:
    async with gateway.opened(), AsyncExitStack() as opened:
        chunks = await begun(gateway.handle(Call(request, ANYONE, opened, unique("req_"))))
        return chunks.first.choice or {}


def _findings(backend: Mapped, exchanges: list[Exchange], kind: Kind) -> Iterator[Finding]:
    """What the paths found in the last answer."""
    answer = exchanges[-1].answer
    body = b"".join(said for _, said in answer.pieces)
    whole = _values([body])
    if kind != "chat":
        if about := backend.of_texts.get(kind):
            yield from _found(f"{kind}.response", about.response, whole)
        return
    framing = backend.stream.framing
    if backend.response and (framing is None or (whole and framing != "json-array")):
        yield from _found("response", backend.response, whole)
    elif framing:
        events = [said for _, said in answer.pieces] if answer.socket else _events(framing, body)
        yield from _found("stream", _with(backend.stream, backend.response), _values(events))


def _with(stream: Answered, response: Answered | None) -> Answered:
    """The stream's paths, and the response's where it has none."""
    given = {name: getattr(stream, name) or getattr(response, name, None) for name in Answered.model_fields}
    return stream.model_copy(update=given)


def _events(framing: str, body: bytes) -> list[bytes]:
    if framing not in FRAMINGS:
        return []
    cut = FRAMINGS[framing]()
    return [event for event in (*cut.feed(body), *cut.rest()) if event.strip() != END]


def _values(events: list[bytes]) -> list[Any]:
    values = []
    for event in events:
        try:
            values.append(loaded(event, replace=True))
        except ValueError:
            continue
    return values


def _found(place: str, paths: Answered | Told, values: list[Any]) -> Iterator[Finding]:
    for name, path in _paths(paths):
        find = found(path)
        hits = [value for value in map(find, values) if value not in (None, False, [], "")]
        missing = not hits and name == "text" and values
        yield Finding(f"{place}.{name}", path, hits, len(values), nearest(values[0], path) if missing else [])


def _paths(paths: Answered | Told) -> Iterator[tuple[str, str]]:
    for name in type(paths).model_fields:
        option = getattr(paths, name)
        if isinstance(option, str) and name != "format":
            yield name, option
        elif option is not None and hasattr(option, "path"):
            yield name, option.path
        elif option is not None and name == "usage":
            yield from ((f"usage.{key}", path) for key, path in option if path)
