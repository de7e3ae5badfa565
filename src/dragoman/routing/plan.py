"""What a model's route comes to: the backends at its end, and what it hands down to them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from dragoman.abilities import Supplied
from dragoman.names import meant
from dragoman.routing.options import Route, Waits

Place = tuple[str | int, ...]


class Misrouted(Exception):
    """A route that leads nowhere. `place` is where it says so, beneath its model."""

    def __init__(self, message: str, place: Place = ()) -> None:
        self.place = place
        super().__init__(message)


@dataclass(frozen=True)
class Plan:
    """A route, looked up: either a backend's, or with a plan for each that may answer."""

    route: Route
    model: str
    """The model that the route stands under, perhaps with a wildcard."""
    supplied: Supplied
    """What is said about abilities on the way here."""
    waits: Waits
    """What is said about timeouts on the way here."""
    backend: str | None = None
    asks: str | None = None
    """The other model that it asks for."""
    members: "tuple[Plan, ...]" = ()

    @property
    def leaves(self) -> "Iterator[Plan]":
        """The plans of the backends at its end."""
        if self.backend is not None:
            yield self
        for member in self.members:
            yield from member.leaves


def planned(name: str, models: Mapping[str, Route], backends: Mapping[str, object]) -> Plan:
    """The plan of a model. Raises Misrouted."""
    return _Planning(models, backends).of(name, models[name], (name,), None)


class _Planning:
    def __init__(self, models: Mapping[str, Route], backends: Mapping[str, object]) -> None:
        self._models, self._backends = models, backends

    def of(self, model: str, route: Route, path: tuple[str, ...], around: Plan | None) -> Plan:
        supplied = around.supplied.under(route) if around else Supplied().under(route)
        waits = (around.waits if around else Waits()).model_copy(update=route.timeout.given)
        plan = Plan(route, model, supplied, waits)
        if route.backends is None:
            return self._at(plan, route.backend or "", path)
        members = tuple(self._members(plan, route.backends, path))
        return Plan(route, model, supplied, waits, members=members)

    def _at(self, plan: Plan, name: str, path: tuple[str, ...]) -> Plan:
        route, model, supplied, waits = plan.route, plan.model, plan.supplied, plan.waits
        if name in self._backends:
            if "*" in (route.model or "") and "*" not in model:
                raise Misrouted("`*` stands for what a wildcard in the model's name stands for, and there is none")
            return Plan(route, model, supplied, waits, backend=name)
        other = meant(name, self._models)
        if other is None:
            near = get_close_matches(name, [*self._backends, *self._models], 1)
            raise Misrouted(f"no backend is named {name!r}{f'; did you mean {near[0]!r}?' if near else ''}")
        if other in path:
            raise Misrouted(f"leads back to itself: {' → '.join([*path, other])}")
        if route.model is not None:
            raise Misrouted(f"{name!r} is a model here, so that `model` cannot say what a backend calls it")
        inner = self.of(other, self._models[other], (*path, other), plan)
        return Plan(route, model, supplied, waits, asks=name, members=(inner,))

    def _members(self, plan: Plan, routes: list[Route], path: tuple[str, ...]) -> Iterator[Plan]:
        seen = []
        for number, route in enumerate(routes):
            try:
                if (said := (route.backend, route.model, route.when)) in seen and route.backend:
                    raise Misrouted(f"{route.backend!r} stands here twice: it would only be asked again")
                seen.append(said)
                yield self.of(plan.model, route, path, plan)
            except Misrouted as error:
                raise Misrouted(str(error), ("backends", number, *error.place)) from None
