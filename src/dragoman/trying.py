"""One real call, taken apart: what was sent, what came, and what each path found in it."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dragoman.adapt.answer import nearest
from dragoman.app import Gateway
from dragoman.config import Config
from dragoman.errors import Failure
from dragoman.json import loaded
from dragoman.mapping.answers import Answered
from dragoman.mapping.exchange import FRAMINGS
from dragoman.mapping.framing import END
from dragoman.mapping.mapped import Mapped
from dragoman.paths import found
from dragoman.routing import planned
from dragoman.tape.exchange import Exchange
from dragoman.tape.files import read


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
    failure: Failure | None


def tried(config: Config, model: str, question: str, stream: bool) -> Trial:
    """Asks a model. Raises ConfigError if its backend cannot be opened."""
    request = {"model": model, "messages": [{"role": "user", "content": question}], "stream": stream}
    name = next(planned(model, config.models, config.backends).leaves).backend or ""
    with TemporaryDirectory() as folder:
        completion, failure = asyncio.run(_asked(Gateway(config, Path(folder)), request))
        exchanges = [read(file) for file in sorted(Path(folder).glob("*.yaml"))]
    backend = config.backends[name]
    findings = list(_findings(backend, exchanges)) if isinstance(backend, Mapped) and exchanges else []
    return Trial(exchanges, findings, completion, failure)


async def _asked(gateway: Gateway, request: dict[str, Any]) -> tuple[dict[str, Any] | None, Failure | None]:
    async with gateway.opened():
        try:
            return await gateway.complete(request), None
        except Failure as failure:
            return None, failure


def _findings(backend: Mapped, exchanges: list[Exchange]) -> Iterator[Finding]:
    """What the paths found in the last answer."""
    answer = exchanges[-1].answer
    body = b"".join(said for _, said in answer.pieces)
    whole = _values([body])
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


def _found(place: str, paths: Answered, values: list[Any]) -> Iterator[Finding]:
    for name, path in _paths(paths):
        find = found(path)
        hits = [value for value in map(find, values) if value not in (None, False, [], "")]
        missing = not hits and name == "text" and values
        yield Finding(f"{place}.{name}", path, hits, len(values), nearest(values[0], path) if missing else [])


def _paths(paths: Answered) -> Iterator[tuple[str, str]]:
    for name in Answered.model_fields:
        option = getattr(paths, name)
        if isinstance(option, str) and name != "format":
            yield name, option
        elif option is not None and hasattr(option, "path"):
            yield name, option.path
        elif option is not None and name == "usage":
            yield from ((f"usage.{key}", path) for key, path in option if path)
