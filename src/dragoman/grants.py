"""What a key may: which models, how much of them, and for how long."""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from dragoman.names import Patterns, matches
from dragoman.units import Count

NANO = 1_000_000_000
"""Parts of a unit of money that are counted."""
A_MILLION = 1_000_000
MOST = 10**15
"""Tokens or nano-units that a budget has at most: numbers up to here are exact wherever they are counted."""

Period: TypeAlias = Literal["day", "month", "total"]

_BUDGET = re.compile(r"([\d_]+(?:\.\d+)?)\s*([kKmMbB]?)(\s*tokens)?\s*/\s*(day|month|total)")
_LARGE = {"": 1, "k": 10**3, "m": 10**6, "b": 10**9}


class Budget(BaseModel):
    """So much money, or so many tokens, in a period. Written `20/month` or `5M tokens/day`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    unit: Literal["money", "tokens"]
    amount: Annotated[int, Field(ge=1, le=MOST)]
    """Tokens, or billionths of a unit of money."""
    per: Period

    def __str__(self) -> str:
        amount = (
            f"{self.amount} tokens" if self.unit == "tokens" else f"{self.amount / NANO:.9f}".rstrip("0").rstrip(".")
        )
        return f"{amount}/{self.per}"


def budget(text: Any) -> Any:
    """The budget that a text describes. Raises ValueError."""
    if not isinstance(text, str):
        return text
    match = _BUDGET.fullmatch(text.strip())
    if not match:
        raise ValueError("write it like 20/month, 5/day, 100/total or 5M tokens/day")
    amount = float(match[1].replace("_", "")) * _LARGE[match[2].lower()]
    unit = "tokens" if match[3] else "money"
    return {"unit": unit, "amount": round(amount * (1 if match[3] else NANO)), "per": match[4]}


def _several(given: Any) -> Any:
    return [given] if isinstance(given, str | dict | Budget) else given


def _different(budgets: tuple[Budget, ...]) -> tuple[Budget, ...]:
    if len({(each.unit, each.per) for each in budgets}) < len(budgets):
        raise ValueError("has two budgets of the same kind for the same period")
    return budgets


_Written = WithJsonSchema({"type": "string", "examples": ["20/month", "5M tokens/day"]})
BudgetText = Annotated[Budget, BeforeValidator(budget), _Written]
Budgets = Annotated[
    tuple[BudgetText, ...],
    BeforeValidator(_several, json_schema_input_type=list[BudgetText] | BudgetText),
    AfterValidator(_different),
]
Limit = Annotated[Count, Field(ge=1, le=10**9)]


class Price(BaseModel):
    """What a million tokens cost, in whatever money budgets are in."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    prompt: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """What is asked."""
    completion: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    """What is answered."""
    cached: Annotated[float | None, Field(ge=0, le=1e6)] = None
    """What is asked, and the backend says it had in its cache; as `prompt` without it."""

    def of(self, prompt: int, completion: int, cached: int = 0) -> int:
        """What so many tokens cost, in billionths, rounded up."""
        again = self.prompt if self.cached is None else self.cached
        total = round(self.prompt * NANO) * (prompt - cached) + round(self.completion * NANO) * completion
        return -(-(total + round(again * NANO) * cached) // A_MILLION)


FREE = Price()


class Allowance(BaseModel):
    """How much may be used."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, hide_input_in_errors=True)

    rpm: Limit | None = None
    """Requests a minute."""
    tpm: Limit | None = None
    """Tokens a minute, asked and answered."""
    concurrent: Limit | None = None
    """Calls at the same time."""
    budget: Budgets = ()
    """Money or tokens in a period: `20/month`, `5M tokens/day`; or several of them."""

    @property
    def bounded(self) -> bool:
        """Whether it limits anything."""
        return bool(self.rpm or self.tpm or self.concurrent or self.budget)


def _aware(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def moment(text: Any) -> Any:
    """A date, a time, or how long from now: `2027-01-31`, `2027-01-31T12:00:00Z`, `90d`, `12h`. Raises ValueError."""
    if isinstance(text, str) and (match := re.fullmatch(r"(\d{1,6})\s*([smhdw])", text.strip())):
        seconds = int(match[1]) * {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}[match[2]]
        try:
            return datetime.now(UTC) + timedelta(seconds=seconds)
        except OverflowError:
            raise ValueError("is too far away") from None
    if isinstance(text, date) and not isinstance(text, datetime):
        return datetime(text.year, text.month, text.day, tzinfo=UTC)
    return text


Moment = Annotated[
    datetime,
    BeforeValidator(moment),
    AfterValidator(_aware),
    WithJsonSchema({"type": "string", "examples": ["2027-01-31", "90d"]}),
]
ModelPattern = Annotated[str, Field(pattern=r"^[^\x00-\x1f\x7f]{1,256}$")]


class Grant(Allowance):
    """What a key may."""

    models: Annotated[Patterns, Field(max_length=1000)] | None = None
    """The models it may use, `*` standing for anything; all without it."""
    per_model: Annotated[dict[ModelPattern, Allowance], Field(max_length=1000)] = {}
    """How much of single models."""
    expires: Moment | None = None
    """When it ends: a date, a time, or how long from now (`90d`)."""
    admin: bool = False
    """Whether it may manage keys and read the usage, under `/admin/v1`."""

    def may(self, model: str) -> bool:
        """Whether it may use a model."""
        return self.models is None or model in self.models or matches(model, self.models)


UNLIMITED = Grant()


def exceeding(asked: Grant, granter: Grant) -> str | None:
    """What of a grant goes beyond the granter's own, in words; None if nothing does."""
    return next(_exceeding(asked, granter), None)


def _exceeding(asked: Grant, granter: Grant) -> Iterator[str]:
    if asked.admin and not granter.admin:
        yield "admin"
    if granter.models is not None and not (
        asked.models and all(_covered(each, granter.models) for each in asked.models)
    ):
        yield "models"
    if granter.expires and (asked.expires is None or asked.expires > granter.expires):
        yield "expires"
    yield from _more(asked, granter, "")
    for model, allowance in granter.per_model.items():
        yield from _more(asked.per_model.get(model, Allowance()), allowance, f"per_model.{model}.")


def _all_covered(patterns: list[str] | None, others: list[str]) -> bool:
    return bool(patterns) and all(_covered(pattern, others) for pattern in patterns or ())


def _covered(pattern: str, patterns: Iterable[str]) -> bool:
    """Whether whatever a pattern matches is matched by another, whose `*` then stand for its own."""
    return pattern in patterns or matches(pattern, patterns)


def _more(asked: Allowance, granter: Allowance, where: str) -> Iterator[str]:
    for name in ("rpm", "tpm", "concurrent"):
        most, wanted = getattr(granter, name), getattr(asked, name)
        if most is not None and (wanted is None or wanted > most):
            yield f"{where}{name}"
    for most in granter.budget:
        same = [each.amount for each in asked.budget if (each.unit, each.per) == (most.unit, most.per)]
        if not same or min(same) > most.amount:
            yield f"{where}budget"
