"""Several prompts in one question: each is a call of its own, and the choices of all are one answer."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from pydantic import PrivateAttr

from dragoman.call import Call, Chunk, Handler
from dragoman.together import together
from dragoman.wire.chat import ChatRequest

AT_ONCE = 8
"""Prompts of one question that are asked at the same time."""


class Prompt(ChatRequest, defer_build=True):
    """A text to go on from, as a conversation of one message. Made of what is valid already, it needs no validator."""

    def where(self, message: int, part: int | None = None) -> str:
        """What the caller calls the place of a message."""
        return "prompt"


class _Numbered(Prompt):
    """One of several."""

    _place: int = PrivateAttr(0)

    def where(self, message: int, part: int | None = None) -> str:
        return f"prompt[{self._place}]"


class Prompts(Prompt):
    """Several of them; to who takes it for one, it is the first."""

    _each: Sequence[Prompt] = PrivateAttr(())

    @property
    def each(self) -> Sequence[Prompt]:
        """The prompts, in order."""
        return self._each


def asking(messages: Sequence[Any], given: Mapping[str, Any]) -> Prompt:
    """A request for each of the messages, or for the only one, with fields that are valid already."""
    fields = {"messages", *given}
    if len(messages) == 1:
        return Prompt.model_construct(fields, messages=[messages[0]], **given)
    several = Prompts.model_construct(fields, messages=[messages[0]], **given)
    several._each = [_numbered(place, message, fields, given) for place, message in enumerate(messages)]
    return several


def _numbered(place: int, message: Any, fields: set[str], given: Mapping[str, Any]) -> Prompt:
    made = _Numbered.model_construct(set(fields), messages=[message], **given)
    made._place = place
    return made


def prompted(next: Handler) -> Handler:
    """Answers each of several prompts, of which each has `n` choices; they are numbered through."""

    def handle(call: Call) -> AsyncIterator[Chunk]:
        asked = call.request
        return together(next, call, asked.each, asked.n or 1, AT_ONCE) if isinstance(asked, Prompts) else next(call)

    return handle
