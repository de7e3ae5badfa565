"""Requests about texts: to embed them, or to judge them. To everything behind the door they are calls like any other.

Each text is a user message, so that hooks read and change it, limits count it, and routes look at it. A text that came
as tokens is a message with one part, `{"type": "tokens", "tokens": [numbers]}`.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any, Self, TypeAlias

from dragoman.wire.chat import ChatRequest, text_of

USER = "user"
TOKENS = "tokens"
"""The type of a part that is an array of tokens."""

Input: TypeAlias = str | list[int]
"""A text, or its tokens."""


def message(said: Any) -> dict[str, Any]:
    """The user message that a text is, or an array of tokens, or a list of content parts."""
    if isinstance(said, list) and said and isinstance(said[0], int):
        said = [{"type": TOKENS, TOKENS: said}]
    return {"role": USER, "content": said}


@cache
def _blank(kind: type[Any]) -> Any:
    """A request that asks nothing, to be copied, in a fifth of the time that making one takes."""
    return kind.model_construct(set())


class Texts(ChatRequest, defer_build=True):
    """Asks something about each of several texts."""

    @classmethod
    def of(cls, model: str, said: Iterable[Any], given: Mapping[str, Any], extra: Mapping[str, Any]) -> Self:
        """Asks about texts, token arrays or lists of parts.

        `given` are fields of ours that are valid already, `extra` what else the caller sent; what has the name of a
        field there is left out, since nobody has checked it.
        """
        known = {name: value for name, value in given.items() if value is not None}
        more = {name: value for name, value in extra.items() if name not in cls.model_fields}
        messages = [message(each) for each in said]
        made: Self = _blank(cls).model_copy(update={"model": model, "messages": messages, **known, **more})
        return made

    @property
    def inputs(self) -> list[Input]:
        """The texts, in order; those that are tokens still as such."""
        return [_input(content) for content in self.texts]

    @property
    def texts(self) -> list[Any]:
        """The same as they were sent: texts, or lists of parts. What a route has added are no texts."""
        said: list[Any] = self.messages
        return [each["content"] for each in said if each["role"] == USER]

    @property
    def limit(self) -> int:
        """What is said of texts has no tokens."""
        return 0

    def given(self) -> dict[str, Any]:
        """The same in OpenAI's words for such requests, as JSON to send on."""
        known = {name: getattr(self, name, None) for name in ("dimensions", "user")}
        told = {name: value for name, value in known.items() if value is not None}
        return {"model": self.model, "input": self._sent(), **told, **(self.__pydantic_extra__ or {})}

    def where(self, message: int, part: int | None = None) -> str:
        """What the caller calls the place of a message, or of a part of it."""
        before = sum(each["role"] == USER for each in self.messages[:message])
        return "input" if len(self.texts) == 1 else f"input[{before}]"

    def _sent(self) -> Any:
        return self.inputs


def _input(content: Any) -> Input:
    if isinstance(content, str):
        return content
    tokens = content[0].get(TOKENS) if content else None
    return tokens if isinstance(tokens, list) else text_of(content)


class Embed(Texts):
    """Asks for the embedding of each text."""

    dimensions: int | None = None
    """How many numbers each has."""


class Moderate(Texts):
    """Asks what is wrong with each text, or with texts and images together."""

    def where(self, message: int, part: int | None = None) -> str:
        """What the caller calls the place of a part."""
        return super().where(message) if part is None else f"input[{part}]"

    def _sent(self) -> Any:
        return self.texts[0] if len(self.texts) == 1 else self.texts
