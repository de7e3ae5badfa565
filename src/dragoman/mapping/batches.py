"""Texts, sent to a backend in as many requests as it needs, and what it says of each."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from functools import reduce
from typing import Any

from dragoman.asked import Texts
from dragoman.call import Call, Chunk
from dragoman.completion import added
from dragoman.errors import Unable, UpstreamBadResponse
from dragoman.mapping.readings import Reading, told_usage
from dragoman.mapping.requests import Sender
from dragoman.mapping.texts import AboutTexts, Embeddings, Moderations
from dragoman.mapping.variables import NAMES, images, variables
from dragoman.mapping.verdicts import verdict
from dragoman.outgoing import Outgoing
from dragoman.paths import Find, found
from dragoman.upstream import Upstream
from dragoman.vectors import vector

Said = dict[str, Any]
"""What is said of one text, as a chunk's `choice` has it."""

BESIDE = ("dimensions", "user")
"""What callers may ask beside the texts."""


def chunks(said: Sequence[Said], usage: dict[str, Any] | None, about: dict[str, str] | None = None) -> list[Chunk]:
    """One chunk for each text; the first tells the rest."""
    told = [Chunk(index=place, choice=each, finish="stop") for place, each in enumerate(said)]
    told[0].usage, told[0].about = usage, about
    return told


def checked(values: Any, count: int, read: Callable[[Any], Said]) -> list[Said]:
    """What is said of each of so many texts. Raises UpstreamBadResponse if that cannot be read, or is not as much."""
    if not isinstance(values, list) or len(values) != count:
        there = f"{len(values)} results" if isinstance(values, list) else "no list of results"
        raise UpstreamBadResponse(detail=f"{there} came for {count} texts")
    try:
        return [read(value) for value in values]
    except ValueError as error:
        raise UpstreamBadResponse(detail=str(error)) from None


class Batches:
    """A backend that is asked about texts, while it is open."""

    def __init__(self, options: AboutTexts, sender: Sender, reading: Reading, upstream: Upstream) -> None:
        self._sender, self._reading, self._upstream = sender, reading, upstream
        self._most, self._one, self._parallel = options.most, options.one, options.parallel
        self._find = _found(options)
        self._read = _reader(options)

    async def handle(self, call: Call) -> AsyncIterator[Chunk]:
        """What is said of each text."""
        request = call.request
        assert isinstance(request, Texts)
        if images(request) and "images" not in self._sender.names:
            told = "This model cannot see images. Ask with text alone, or ask another model."
            raise Unable(told, param="input", code="unsupported_content")
        given = variables(request, self._sender.names & NAMES)
        inputs, most = request.inputs, self._most
        batches = [inputs[at : at + most] for at in range(0, len(inputs), most)]
        works = [self._answer(self._asked(given, request, batch), call.reached) for batch in batches]
        answers = await gathered(works, self._parallel)
        said = [each for answer, batch in zip(answers, batches, strict=True) for each in self._said(answer, len(batch))]
        usages = [usage for answer in answers if (usage := told_usage(self._reading.usage(answer)))]
        for chunk in chunks(said, reduce(added, usages) if usages else None, self._ignored(request)):
            yield chunk

    def _asked(self, given: dict[str, Any], request: Texts, batch: list[Any]) -> Outgoing:
        beside = {name: value for name in BESIDE if (value := getattr(request, name, None)) is not None}
        return self._sender.made({**given, **beside, "input": batch, "text": batch[0]})

    def _answer(self, asked: Outgoing, reached: float) -> "Callable[[], Awaitable[Any]]":
        async def answer() -> Any:
            value = await self._upstream.json(asked, "what was said of texts", reached)
            self._reading.check(value)
            return value

        return answer

    def _said(self, answer: Any, count: int) -> list[Said]:
        results = self._find(answer)
        return checked([results] if self._one else results, count, self._read)

    def _ignored(self, request: Texts) -> dict[str, str] | None:
        given = request.model_fields_set.intersection(BESIDE) - self._sender.names
        return {"ignored": ",".join(sorted(given))} if given else None


def _found(options: AboutTexts) -> Find:
    match options:
        case Embeddings(response=paths):
            return found(paths.vectors or paths.vector or "")
        case Moderations(response=paths) if paths.results:
            return found(paths.results)
        case _:
            return lambda answer: answer


def _reader(options: AboutTexts) -> Callable[[Any], Said]:
    if not isinstance(options, Moderations):
        return lambda value: {"embedding": vector(value)}
    paths = options.response
    paths_in = (paths.flagged, paths.categories, paths.scores)
    flagged, categories, scores = (found(path) if path else (lambda value: None) for path in paths_in)
    return lambda value: verdict(flagged(value), categories(value), scores(value), paths.map)


async def gathered(works: Sequence[Callable[[], Awaitable[Any]]], most: int) -> list[Any]:
    """What all come to, of which so many run at once. What one fails with is raised, and ends the others."""
    if len(works) == 1:
        return [await works[0]()]
    gate = asyncio.Semaphore(most)

    async def admitted(work: Callable[[], Awaitable[Any]]) -> Any:
        async with gate:
            return await work()

    tasks = [asyncio.ensure_future(admitted(work)) for work in works]
    try:
        return await asyncio.gather(*tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
