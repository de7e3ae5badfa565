"""Who holds a key, wherever it stands, and what was used with it."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from dragoman.config import Config
from dragoman.grants import NANO, Allowance, Budget, Grant
from dragoman.keyring import Keyring
from dragoman.store import Store, StoredKey
from dragoman.wire.keys import grant_shown, key_shown, state

SUMS = ("calls", "failed", "prompt_tokens", "completion_tokens", "cost")


@dataclass(frozen=True)
class Holder:
    """A key of the configuration (without `key`) or of the store."""

    id: str
    name: str
    grant: Grant
    key: StoredKey | None = None

    @property
    def state(self) -> str:
        """Whether it works."""
        return state(self.grant, self.key.revoked if self.key else None)

    @property
    def json(self) -> dict[str, Any]:
        """What is told of it in JSON."""
        if self.key:
            return {**key_shown(self.key), "from": "store"}
        shown = {"object": "key", "id": self.id, "name": self.name, "state": self.state}
        return {**shown, "grant": grant_shown(self.grant), "from": "file"}

    @property
    def cells(self) -> tuple[str, ...]:
        """Its line in the list."""
        hint = str(self.json.get("hint") or "")
        models = "all" if self.grant.models is None else ", ".join(self.grant.models) or "none"
        may = [*_limits(self.grant), *(["admin"] if self.grant.admin else [])]
        expires = f"{self.grant.expires.astimezone(UTC):%Y-%m-%d %H:%M} UTC" if self.grant.expires else ""
        place = "store" if self.key else "file"
        return self.name, self.id if self.key else "", place, self.state, hint, models, ", ".join(may), expires


async def holders(config: Config, store: Store) -> list[Holder]:
    """All keys, first those of the configuration."""
    in_file = [Holder(name, name, options.grant) for name, options in config.keys.items()]
    return in_file + [Holder(key.id, key.name, key.grant, key) for key in await Keyring(store).keys()]


async def facts(holder: Holder, store: Store) -> dict[str, Any]:
    """What was used with a key this month, and what is left of its budgets."""
    now = datetime.now(UTC)
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    used = await store.usage(["key"], month.timestamp(), None, {"key": holder.id})
    spent = await store.spent(f"{now:%Y-%m-%d}", f"{now:%Y-%m}")
    own = [(model, period, tokens, cost) for key, model, period, tokens, cost in spent if key == holder.id]
    names = {"day": f"{now:%Y-%m-%d}", "month": f"{now:%Y-%m}", "total": "total"}
    scopes: list[tuple[str, Allowance]] = [("", holder.grant), *holder.grant.per_model.items()]
    budgets = [
        _left(model, budget, [row[2:] for row in own if row[1] == names[budget.per] and model in ("", row[0])])
        for model, allowance in scopes
        for budget in allowance.budget
    ]
    sums = {name: sum(row[name] for row in used) for name in SUMS}
    return {"this_month": {**sums, "cost": sums["cost"] / NANO}, "budgets": budgets}


def _left(model: str, budget: Budget, spent: list[tuple[int, int]]) -> dict[str, Any]:
    used = sum(tokens if budget.unit == "tokens" else cost for tokens, cost in spent)
    left = max(0, budget.amount - used)
    if budget.unit == "tokens":
        return {"budget": str(budget), "model": model or None, "spent": used, "left": left}
    return {"budget": str(budget), "model": model or None, "spent": used / NANO, "left": left / NANO}


def told(holder: Holder, used: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """All about a key, line by line."""
    name, id, place, state, _, models, may, expires = holder.cells
    yield from (("name", name), ("id", id or name), ("from", place), ("state", state), ("models", models))
    yield "may", may or "anything with these models"
    for model, allowance in holder.grant.per_model.items():
        yield f"  of {model}", ", ".join(_limits(allowance))
    yield from (("expires", expires),) if expires else ()
    for secret in holder.json.get("secrets", ()):
        yield "secret", f"ends in {secret['hint']}" + (f", works until {secret['until']}" if secret["until"] else "")
    month = used["this_month"]
    calls = f"{month['calls']} calls, {month['failed']} failed"
    tokens = f"{month['prompt_tokens']} + {month['completion_tokens']} tokens"
    yield "this month", f"{calls}, {tokens}, cost {money(month['cost'])}"
    for each in used["budgets"]:
        whose = f"budget of {each['model']}" if each["model"] else "budget"
        yield whose, f"{each['budget']}: {money(each['spent'])} spent, {money(each['left'])} left"


def _limits(allowance: Allowance) -> list[str]:
    """What bounds it, in words."""
    counts = {"rpm": allowance.rpm, "tpm": allowance.tpm, "at once": allowance.concurrent}
    return [f"{count} {word}" for word, count in counts.items() if count] + [str(each) for each in allowance.budget]


def money(amount: float) -> str:
    """An amount as people read it: exact to a billionth."""
    return f"{amount:.9f}".rstrip("0").rstrip(".")
