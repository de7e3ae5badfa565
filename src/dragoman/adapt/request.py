"""A request, taken apart: what it sends, what it asks, and which model."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dragoman.adapt import parameters
from dragoman.adapt.asked import Asked, CannotAdapt
from dragoman.adapt.question import Question, instructs, question
from dragoman.adapt.secrets import is_secret
from dragoman.adapt.sent import Sent, gathered, sent
from dragoman.adapt.texts import Text, last_name, texts_in, values_in
from dragoman.adapt.turns import Turn
from dragoman.adapt.vocabulary import SESSIONS


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked, where."""

    asked: Asked
    sent: Sent | None
    fields: dict[str, Any]
    """The query, without secrets."""
    question: Question
    in_query: bool
    """The question stands in the query."""

    @property
    def parts(self) -> tuple[Any, ...]:
        return (self.sent.value, self.fields) if self.sent else (self.fields,)

    @property
    def streaming(self) -> bool:
        """It asks for a stream."""
        flagged = any(parameters.wants_stream(part) for part in self.parts)
        path = self.asked.url.partition("//")[2].partition("/")[2]
        return flagged or "stream" in path.lower() or "event-stream" in self.asked.header("accept")

    @property
    def model(self) -> str | None:
        found = (parameters.model_in(part) for part in self.parts)
        return next((model[1] for model in found if model), None)

    @property
    def has_session(self) -> bool:
        steps = (steps for part in self.parts for steps, inner in values_in(part) if isinstance(inner, str | None))
        return any(last_name(place) in SESSIONS for place in steps)

    @property
    def turns(self) -> Iterator[Turn]:
        """The conversation, instructions first."""
        before = [text.text for part in self.parts for text in texts_in(part) if instructs(text)]
        if not any(who == "system" for who, _ in self.question.turns):
            yield from (("system", text) for text in before[:1])
        yield from self.question.turns


def understood(asked: Asked) -> Request:
    """The request, taken apart. Raises CannotAdapt."""
    body = sent(asked)
    if body and asked.method == "GET":
        raise CannotAdapt("The command sends a body by GET; ask by POST, or with -G, which puts the data into the URL.")
    fields = dict(gathered([pair for pair in asked.query if not is_secret(*pair)]))
    if body and body.format == "text":
        return Request(asked, body, fields, Question(None, Text((), body.value), "the body is the question"), False)
    for value, in_query in ((body.value if body else {}, False), (fields, True)):
        try:
            return Request(asked, body, fields, question(value), in_query)
        except CannotAdapt as error:
            refused = error
    raise refused
