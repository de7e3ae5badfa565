"""Who may, how much, and what it cost: stands before every model."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass

from dragoman.call import Call, Chunk, Handler, Middleware
from dragoman.errors import ErrorStyle, Failure, GatewayError, NotAllowed
from dragoman.grants import FREE, Allowance, Price
from dragoman.limits import Limits, Taken, Want
from dragoman.meter.seen import Seen
from dragoman.meter.telling import headers, refusal
from dragoman.meter.wants import Lines, Spent, Wants, today, used
from dragoman.store import Row

__all__ = ["Meter", "Spent", "allowed", "metered", "today"]


@dataclass(frozen=True)
class Meter:
    """What calls are measured against, and who is told of them."""

    limits: Limits
    spent: Spent | None = None
    notes: Sequence[Callable[[Row], None]] = ()
    """Each is told of every call when it is over."""
    counts: bool = False
    """Whether tokens are counted even where no limit needs them."""
    style: ErrorStyle = "specified"


def metered(meter: Meter, model: str, limits: Allowance, price: Price = FREE) -> Middleware:
    """Lets through who may, as much as they may, and notes what it came to.

    Raises NotAllowed, TooManyRequests, TooManyTokens, QuotaSpent, LimitsUnavailable.
    """
    known = _Model(model, price, Wants(model, limits, price, meter.spent), meter)
    return lambda handler: _Metered(handler, known).handle


def allowed(handler: Handler) -> Handler:
    """Lets through who may, and measures nothing. Raises NotAllowed."""

    def handle(call: Call) -> AsyncIterator[Chunk]:
        _check(call)
        return handler(call)

    return handle


@dataclass(frozen=True, slots=True)
class _Model:
    name: str
    price: Price
    wants: Wants
    meter: Meter


class _Metered:
    def __init__(self, handler: Handler, model: _Model) -> None:
        self._handler, self._model, self._meter = handler, model, model.meter

    def handle(self, call: Call) -> AsyncIterator[Chunk]:
        lines = self._model.wants.lines(call.key)
        if lines or self._meter.notes:
            return self._measured(call, lines)
        _check(call)
        return self._handler(call)

    async def _measured(self, call: Call, lines: Lines) -> AsyncIterator[Chunk]:
        seen = Seen(call)
        measured = _Measured(self._model, seen, lines)
        call.open.callback(measured.over)
        try:
            _check(call)
            if lines:
                await measured.take()
            async for chunk in self._handler(self._asking(call, lines)):
                if not seen.first:
                    seen.begin(chunk)
                    if measured.told:
                        chunk.about = {**(chunk.about or {}), **measured.told}
                if chunk.usage or chunk.finish or chunk.tool_calls or chunk.delta:
                    seen.add(chunk)
                elif chunk.text:
                    seen.texts.append(chunk.text)
                yield chunk
            seen.finish()
        except Failure as failure:
            seen.status = failure.status_in(self._meter.style)
            seen.backend = failure.backend or seen.backend
            failure.headers = {**measured.told, **failure.headers}
            raise
        except Exception:
            seen.status = GatewayError.status
            raise

    def _asking(self, call: Call, lines: Lines) -> Call:
        """The call, asking for its usage where that is needed."""
        if not call.request.stream or call.request.wants_usage or not (lines or self._meter.counts):
            return call
        return call.asking(stream_options={"include_usage": True})


def _check(call: Call) -> None:
    if not call.key.grant.may(call.request.model):
        told = f"This API key may not use the model '{call.request.model}'."
        raise NotAllowed(told, code="model_not_allowed")


class _Measured:
    """One call's way through the limits."""

    __slots__ = ("_lines", "_model", "_seen", "_taken", "_wants", "told")

    def __init__(self, model: _Model, seen: Seen, lines: Lines) -> None:
        self._model, self._seen, self._lines = model, seen, lines
        self._wants: list[Want] = []
        self._taken: Taken | None = None
        self.told: dict[str, str] = {}
        """The headers that tell of limits."""

    async def take(self) -> None:
        """Takes what the call is likely to use, or raises why not."""
        wants = self._model.wants.of(self._lines, self._seen.call.request)
        taken = await self._model.meter.limits.take(wants)
        self.told = headers(self._lines, taken)
        if taken.refused is not None:
            raise refusal(self._lines[taken.refused], wants[taken.refused], taken.wait)
        self._wants, self._taken = wants, taken

    def over(self) -> None:
        """The call is over, however it ended."""
        model, seen = self._model, self._seen
        prompt, completion, cached, estimated = seen.tokens()
        if seen.ended and seen.call.request.limit != 0:
            model.wants.learn(completion)
        cost = model.price.of(prompt, completion, cached) if prompt or completion else 0
        if self._taken:
            model.meter.limits.settle(self._wants, self._taken, used(self._lines, prompt + completion, cost))
        if model.meter.notes:
            row = seen.row(model.name, prompt, completion, estimated, cost)
            for note in model.meter.notes:
                note(row)
