"""Those that may answer a call, and what their failures come to."""

from collections.abc import Sequence
from dataclasses import dataclass

from dragoman.call import Call, Handler
from dragoman.counting import opened as counter_of
from dragoman.errors import (
    EmulationFailed,
    Failure,
    InvalidRequest,
    NoBackendAvailable,
    Unable,
    Unreachable,
    UpstreamFailure,
    waited,
)
from dragoman.routing.conditions import When

LONGEST_WAIT = 60
COUNTER = counter_of("estimate")


@dataclass(frozen=True)
class Member:
    """One of several that may answer."""

    name: str
    handler: Handler
    when: When | None = None
    weight: float = 1.0


def fitting(members: Sequence[Member], call: Call) -> list[Member]:
    """Those that are for this call. Raises InvalidRequest if there are none."""
    found = [member for member in members if member.when is None or member.when.holds(call, COUNTER)]
    if not found:
        raise InvalidRequest(
            "None of this model's backends is meant for such a request. Ask another model.",
            code="no_backend_for_request",
        )
    return found


def moves_on(failure: Failure) -> bool:
    """Whether another backend may do better than the one that failed so."""
    if isinstance(failure, InvalidRequest):
        return isinstance(failure, Unable)
    return isinstance(failure, UpstreamFailure | EmulationFailed)


def summed(failures: Sequence[Failure]) -> Failure:
    """What the caller is told after all have failed: what one has said itself, or that none could be reached."""
    if len(failures) == 1:
        return failures[0]
    down = [failure for failure in failures if _down(failure)]
    told = [failure for failure in failures if not _down(failure) and not isinstance(failure, Unable)]
    if told:
        return told[-1]
    if not down:
        return failures[-1]
    seconds = min(waited(failure) or 1 for failure in down)
    none = NoBackendAvailable(
        detail="; ".join(f"{failure.backend}: {failure.code}" for failure in failures),
        headers={"retry-after": str(round(min(LONGEST_WAIT, seconds)))},
    )
    none.asked = any(failure.asked for failure in down if isinstance(failure, UpstreamFailure))
    return none


def _down(failure: Failure) -> bool:
    return isinstance(failure, Unreachable | NoBackendAvailable) or getattr(failure, "asked", True) is False
