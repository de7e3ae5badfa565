"""From a model to the backends that answer for it."""

from collections.abc import Callable, Mapping

from dragoman.call import Handler
from dragoman.routing.balance import balanced
from dragoman.routing.changes import changed, renamed
from dragoman.routing.hedge import hedged
from dragoman.routing.members import Member
from dragoman.routing.mirror import Copies, mirrored
from dragoman.routing.moving import moving
from dragoman.routing.options import Retry
from dragoman.routing.plan import Misrouted, Plan, planned
from dragoman.routing.retry import retried

__all__ = ["Copies", "Misrouted", "Plan", "planned", "routed"]

Leaf = Callable[[Plan], Handler]
"""The handler of the backend at a plan's end."""


def routed(plan: Plan, leaf: Leaf, connects: Mapping[str, float], copies: Copies, retry: Retry) -> Handler:
    """A plan's handler. `connects` says how many seconds it takes at most to reach each backend."""
    window = max(connects[end.backend or ""] for end in plan.leaves)
    return retried(_Building(leaf, window, copies).of(plan), retry, window)


class _Building:
    def __init__(self, leaf: Leaf, window: float, copies: Copies) -> None:
        self._leaf, self._window, self._copies = leaf, window, copies

    def of(self, plan: Plan) -> Handler:
        if plan.backend is not None:
            return changed(renamed(self._leaf(plan), plan.route.model, plan.model), plan.route)
        if plan.asks is not None:
            return changed(renamed(self.of(plan.members[0]), plan.asks, plan.model), plan.route)
        return changed(self._policy(plan), plan.route)

    def _policy(self, plan: Plan) -> Handler:
        route, members = plan.route, [self._member(number, each) for number, each in enumerate(plan.members)]
        match route.policy:
            case "balance":
                measured, order = balanced(members)
                return moving(measured, order, self._window, route.continues)
            case "hedge":
                return hedged(members, route.after, self._window)
            case "mirror":
                return mirrored(members, route.share, self._copies)
            case _:
                return moving(members, lambda fitting: fitting, self._window, route.continues)

    def _member(self, number: int, plan: Plan) -> Member:
        name = plan.backend or plan.asks or "several"
        return Member(f"{number}:{name}", self.of(plan), plan.route.when, plan.route.weight)
