"""A whole answer to the paths that read it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from dragoman.adapt import facts
from dragoman.adapt.asked import CannotAdapt
from dragoman.adapt.guessed import Guessed
from dragoman.adapt.likeness import candidates, path_to
from dragoman.adapt.sample import Sample, failed
from dragoman.adapt.texts import Text, last_name, shortened
from dragoman.adapt.vocabulary import ANSWER, ANSWER_MAYBE
from dragoman.paths import found

UNSEEN = "reply || answer || response || text || content || output || message.content || message"
"""Where a text may stand in an answer that nobody has shown."""

Options = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answered:
    """How an answer is read: the keys `response` and `stream` of a backend, as far as they are known."""

    response: Options | None
    stream: Options | None
    text: str | None = None
    """What the sample says, read by these paths."""
    session: Text | None = None
    """The conversation's id in the sample."""


def whole(sample: Sample, heard: frozenset[str]) -> Answered:
    """How a sample of a whole answer is read. `heard` are the texts that were asked. Raises CannotAdapt."""
    if sample.kind == "text":
        return Answered({"format": "text"}, None, sample.text)
    if problem := failed(sample):
        raise CannotAdapt(f"The sample is an error: “{problem}”. Give a sample of a good answer.")
    if isinstance(sample.value, str):
        return Answered({"text": "@"}, None, sample.value)
    rated = candidates(sample.value, heard)
    if not rated:
        raise CannotAdapt(_nothing(sample.value))
    best = rated[0][1]
    path = path_to(best, sample.value)
    text = found(path)(sample.value)
    options = {"text": Guessed(path, why(best)), **beside(sample.value)}
    return Answered(options, None, text if isinstance(text, str) else best.text, facts.session([sample.value]))


def why(text: Text) -> str:
    name = last_name(text.steps)
    return "the answer's text, by its name" if name in ANSWER | ANSWER_MAYBE else "the longest text in the answer"


def beside(value: Any) -> Options:
    """What else can be read from a whole answer."""
    read = {
        "reasoning": facts.reasoning([value]),
        "finish": facts.finish(value),
        "usage": facts.usage([value]),
        "error": facts.error([value]),
    }
    return {key: path for key, path in read.items() if path}


def _nothing(value: Any) -> str:
    keys = f" It has {shortened(', '.join(map(str, value)), 200)}." if isinstance(value, dict) and value else ""
    if isinstance(value, dict) and _is_job(value):
        return (
            "The sample is not an answer yet: a job was begun, whose answer has to be asked for. Write a backend with "
            f"`poll` (see the docs), or ask the API to wait.{keys}"
        )
    return f"The sample has no text that could be an answer; give one where the API answered in words.{keys}"


def _is_job(value: dict[str, Any]) -> bool:
    status = str(value.get("status") or value.get("state") or "").lower()
    return status in ("starting", "queued", "pending", "processing", "running", "in_progress", "created", "submitted")


def unseen(streaming: bool) -> Answered:
    """How an answer may be read that nobody has shown."""
    text = Guessed(UNSEEN, "no sample was given; put the path of the text here")
    if not streaming:
        return Answered({"text": text}, None)
    framing = Guessed("sse", "no sample was given; there are sse, ndjson, json-array and text")
    delta = Guessed("delta || token || text || content || answer", "no sample was given; the text in each event")
    return Answered({"text": text}, {"framing": framing, "text": delta})


def nearest(value: Any, path: str) -> list[tuple[str, str]]:
    """The paths nearest to one that finds nothing in this value, each with the text that it finds; five at most."""
    wanted = _names(path)
    rated = candidates(value)

    def likely(pair: tuple[float, Text]) -> tuple[int, float]:
        names = _names(pair[1].path)
        return len(wanted & names), pair[0]

    best = sorted(rated, key=likely, reverse=True)[:5]
    return [(path_to(text, value), shortened(text.text)) for _, text in best]


def _names(path: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _words(path))


def _words(path: str) -> Sequence[str]:
    return "".join(sign if sign.isalnum() or sign == "_" else " " for sign in path).split()
