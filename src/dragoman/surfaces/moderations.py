"""Moderations: texts in, what is wrong with them out."""

from collections.abc import Callable, Sequence
from typing import Any

from dragoman.asked import Moderate
from dragoman.call import Chunk, Key
from dragoman.door import Question, Surface
from dragoman.edge import Caller
from dragoman.errors import NotAllowed, UnknownModel, UpstreamBadResponse
from dragoman.ids import unique
from dragoman.json import dumped
from dragoman.names import meant
from dragoman.reading import request_in
from dragoman.wire.moderations import CATEGORIES, SEEN, ModerationsAnswer, ModerationsRequest

USUAL = "omni-moderation-latest"
"""The model that OpenAI takes where none is named."""

NOBODY = (
    "None of this server's models can moderate. A backend can if it is OpenAI's, or if its configuration says how, as "
    "`moderations`."
)


class Moderations(Surface):
    """`POST /v1/moderations`."""

    name, path, summary = "moderations", "/moderations", "Create moderation"
    description = "Tells what is wrong with texts, or with a text and images, by OpenAI's categories."
    takes, gives = ModerationsRequest, ModerationsAnswer

    def __init__(self, able: Callable[[], Sequence[str]]) -> None:
        """`able` tells which models can moderate."""
        self._able = able

    async def asked(self, body: bytes, caller: Caller, key: Key) -> "ModerationsQuestion":
        asked = request_in(body, ModerationsRequest, caller.model)
        able = self._able()
        if not able:
            raise UnknownModel(NOBODY, param="model")
        return ModerationsQuestion(asked, asked.model or _usual(able, key))


def _usual(able: Sequence[str], key: Key) -> str:
    """The model that is asked if the caller names none."""
    if meant(USUAL, able) and key.grant.may(USUAL):
        return USUAL
    named = next((name for name in able if "*" not in name and key.grant.may(name)), None)
    if named is None:
        told = "This API key may use none of the models that can moderate."
        raise NotAllowed(told, param="model", code="model_not_allowed")
    return named


class ModerationsQuestion(Question):
    """Which texts are to be looked at."""

    __slots__ = ("_asked",)

    def __init__(self, asked: ModerationsRequest, model: str) -> None:
        self._asked = Moderate.of(model, asked.texts, {}, asked.__pydantic_extra__ or {})
        super().__init__(self._asked)

    def folded(self) -> "Folded":
        return Folded(self._asked)


class Folded:
    """The answer taking shape."""

    def __init__(self, request: Moderate) -> None:
        self._request = request
        self._found: dict[int, dict[str, Any]] = {}

    def add(self, chunk: Chunk) -> None:
        """Takes what was found in a text."""
        if chunk.choice and "flagged" in chunk.choice:
            self._found[chunk.index] = chunk.choice

    def json(self) -> bytes:
        """The answer. Raises UpstreamBadResponse if it is not whole."""
        there, texts = len(self._found), self._request.texts
        if there != len(texts):
            raise UpstreamBadResponse(detail=f"{there} results came for {len(texts)} texts")
        results = [_result(self._found[place], texts[place]) for place in sorted(self._found)]
        return dumped({"id": unique("modr-"), "model": self._request.model, "results": results})


def _result(found: dict[str, Any], content: Any) -> dict[str, Any]:
    """What was found, with every category of OpenAI's; further ones are kept."""
    categories = {**dict.fromkeys(CATEGORIES, False), **found["categories"]}
    scores = {**dict.fromkeys(CATEGORIES, 0.0), **found["category_scores"]}
    kinds = {part["type"] for part in content} if isinstance(content, list) else {"text"}
    applied = {name: _applied(name, kinds) for name in categories}
    return {
        "flagged": found["flagged"],
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": {**applied, **found.get("category_applied_input_types", {})},
    }


def _applied(category: str, kinds: set[str]) -> list[str]:
    looked = ["text"] if "text" in kinds else []
    return [*looked, "image"] if "image_url" in kinds and category in SEEN else looked
