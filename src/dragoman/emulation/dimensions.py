"""Shorter embeddings than a backend gives: their first numbers, brought to length 1 again.

Models that were trained for it (as Matryoshka dolls) keep most of the meaning there; others lose more.
"""

from collections.abc import AsyncIterator

from dragoman.asked import Embed
from dragoman.call import Call, Chunk, Handler
from dragoman.errors import Unable
from dragoman.vectors import cut

EMBEDDING = "embedding"


def shortened(next: Handler) -> Handler:
    """Cuts embeddings to as many `dimensions` as are asked for. Raises Unable if there are fewer."""

    async def handle(call: Call) -> AsyncIterator[Chunk]:
        wanted = call.request.dimensions if isinstance(call.request, Embed) else None
        async for chunk in next(call.without("dimensions")):
            if wanted and chunk.choice and EMBEDDING in chunk.choice:
                chunk.choice = {**chunk.choice, EMBEDDING: _fitting(chunk.choice[EMBEDDING], wanted)}
            yield chunk

    return handle


def _fitting(numbers: list[float], wanted: int) -> list[float]:
    there = len(numbers)
    if there < wanted:
        raise Unable(
            f"This model's embeddings have {there} dimensions. Ask for at most {there}.",
            param="dimensions",
            code="integer_above_max_value",
        )
    return numbers if there == wanted else cut(numbers, wanted)
