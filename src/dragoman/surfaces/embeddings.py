"""Embeddings: texts in, numbers out."""

from typing import Any

from dragoman.asked import Embed
from dragoman.call import Chunk, Key
from dragoman.counting.estimate import Estimate
from dragoman.counting.requests import prompt_tokens
from dragoman.door import Question, Surface
from dragoman.edge import Caller
from dragoman.errors import UpstreamBadResponse
from dragoman.json import dumped
from dragoman.reading import request_in
from dragoman.vectors import Vector, base64, plain
from dragoman.wire.embeddings import EmbeddingsAnswer, EmbeddingsRequest

COUNTER = Estimate()


class Embeddings(Surface):
    """`POST /v1/embeddings`."""

    name, path, summary = "embeddings", "/embeddings", "Create embeddings"
    description = "Gives a list of numbers for each text; what means the same is near to each other."
    takes, gives = EmbeddingsRequest, EmbeddingsAnswer

    async def asked(self, body: bytes, caller: Caller, key: Key) -> "EmbeddingsQuestion":
        return EmbeddingsQuestion(request_in(body, EmbeddingsRequest, caller.model))


class EmbeddingsQuestion(Question):
    """Which texts are to be embedded, and how that is told."""

    __slots__ = ("_asked", "_base64")

    def __init__(self, asked: EmbeddingsRequest) -> None:
        beside = {"dimensions": asked.dimensions, "user": asked.user}
        self._asked = Embed.of(asked.model, asked.texts, beside, asked.__pydantic_extra__ or {})
        super().__init__(self._asked)
        self._base64 = asked.encoding_format == "base64"

    def folded(self) -> "Folded":
        return Folded(self._asked, self._base64)


class Folded:
    """The answer taking shape: embeddings may come in any order."""

    def __init__(self, request: Embed, base64: bool) -> None:
        self._request, self._base64 = request, base64
        self._vectors: dict[int, Vector] = {}
        self._usage: dict[str, Any] = {}

    def add(self, chunk: Chunk) -> None:
        """Takes an embedding."""
        self._usage = chunk.usage or self._usage
        if chunk.choice and "embedding" in chunk.choice:
            self._vectors[chunk.index] = chunk.choice["embedding"]

    def json(self) -> bytes:
        """The answer. Raises UpstreamBadResponse if it is not whole."""
        there, wanted = len(self._vectors), len(self._request.inputs)
        if there != wanted:
            raise UpstreamBadResponse(detail=f"{there} embeddings came for {wanted} texts")
        told = base64 if self._base64 else plain
        data = [
            {"object": "embedding", "index": index, "embedding": told(self._vectors[index])}
            for index in sorted(self._vectors)
        ]
        return dumped({"object": "list", "data": data, "model": self._request.model, "usage": self._told_usage()})

    def _told_usage(self) -> dict[str, int]:
        told = self._usage.get("prompt_tokens") or self._usage.get("total_tokens")
        tokens = told if isinstance(told, int) else prompt_tokens(self._request, COUNTER)
        return {"prompt_tokens": tokens, "total_tokens": tokens}
