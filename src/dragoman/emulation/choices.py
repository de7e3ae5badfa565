"""Several choices for a backend that gives one: a call of its own for each, all at once."""

from collections.abc import AsyncIterator

from dragoman.call import Call, Chunk, Handler, Middleware
from dragoman.errors import InvalidRequest
from dragoman.together import together
from dragoman.wire.chat import ChatRequest


def chosen(limit: int) -> Middleware:
    """Makes `n` choices, up to a limit. What one of them fails with, the call fails with; usage is added up."""

    def around(next: Handler) -> Handler:
        async def handle(call: Call) -> AsyncIterator[Chunk]:
            wanted = call.request.n or 1
            _check(wanted, limit)
            begun = 0
            async for chunk in together(next, call, [_alone(call.request, index) for index in range(wanted)]):
                for index in range(begun, chunk.index):
                    yield Chunk(index=index)  # clients expect that choices begin in their order
                begun = max(begun, chunk.index + 1)
                yield chunk

        return handle

    return around


def _check(wanted: int, limit: int) -> None:
    if wanted > limit:
        raise InvalidRequest(
            f"Invalid 'n': integer above maximum value. Expected a value <= {limit}.",
            param="n",
            code="integer_above_max_value",
        )


def _alone(request: ChatRequest, index: int) -> ChatRequest:
    """The request for one choice. A seed that were the same for all would make them all the same."""
    alone, seed = request.without("n"), request.seed
    if seed is None:
        return alone
    return alone.model_copy(update={"seed": seed + index if seed < 2**62 else seed - index})
