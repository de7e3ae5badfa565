"""The models as callers may know them: by name, by what their key may use, by what they can do."""

from collections.abc import Sequence
from typing import Protocol

from dragoman.abilities import Ability
from dragoman.about import able
from dragoman.call import Key
from dragoman.config import Config
from dragoman.names import meant
from dragoman.routing import planned
from dragoman.wire.models import Model


class Configured(Protocol):
    """What has a configuration, and perhaps another one later."""

    config: Config


class Catalogue:
    """The models of whatever is configured now."""

    def __init__(self, served: Configured) -> None:
        self._served = served
        self._of: Config | None = None
        self._able: dict[str, frozenset[Ability]] = {}

    def listed(self, key: Key) -> list[Model]:
        """Those that a key may use; wildcards do not show."""
        return [
            self._shown(name, name) for name in self._served.config.models if "*" not in name and key.grant.may(name)
        ]

    def found(self, id: str, key: Key) -> Model | None:
        """The one of that name, which a wildcard may stand for."""
        name = meant(id, self._served.config.models) if key.grant.may(id) else None
        return self._shown(id, name) if name else None

    def default(self) -> str | None:
        """The model of those who name none."""
        return self._served.config.default_model

    def able(self, ability: Ability) -> Sequence[str]:
        """Those that have an ability, in the order of the configuration."""
        return [name for name, abilities in self._abilities().items() if ability in abilities]

    def _shown(self, id: str, name: str) -> Model:
        model = self._served.config.models[name]
        told: Model = {
            "id": id,
            "object": "model",
            "created": model.created,
            "owned_by": model.owned_by,
            "permission": [],
        }
        return {**told, **model.about.told(self._abilities()[name])} if model.about is not None else told

    def _abilities(self) -> dict[str, frozenset[Ability]]:
        """What each can do, looked up once for each configuration."""
        config = self._served.config
        if config is not self._of:
            plans = {name: planned(name, config.models, config.backends) for name in config.models}
            self._able = {name: able(plan, config.backends) for name, plan in plans.items()}
            self._of = config
        return self._able
