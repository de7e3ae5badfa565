"""The models list in Anthropic's words, a page at a time (Claude API reference, `GET /v1/models`)."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

from dragoman.errors import InvalidRequest
from dragoman.wire.messages import ModelInfo, ModelPage
from dragoman.wire.models import Model

PAGE, LARGEST_PAGE = 20, 1000


def info(model: Model) -> ModelInfo:
    """A model as Anthropic's API tells of it."""
    told: ModelInfo = {
        "type": "model",
        "id": model["id"],
        "display_name": model.get("name") or model["id"],
        "created_at": datetime.fromtimestamp(model["created"], UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "lifecycle": "active",
    }
    if asked := model.get("context_length"):
        told["max_input_tokens"] = asked
    if answered := model.get("max_completion_tokens"):
        told["max_tokens"] = answered
    return told


def page(models: Sequence[Model], query: Mapping[str, str]) -> ModelPage:
    """The page of the list that a query asks for: `limit`, and `after_id` or `before_id`. Raises InvalidRequest."""
    limit = _limit(query.get("limit"))
    ids = [model["id"] for model in models]
    if "before_id" in query:
        end = _place(ids, "before_id", query["before_id"])
        begin = max(end - limit, 0)
        more = begin > 0
    else:
        begin = _place(ids, "after_id", query["after_id"]) + 1 if "after_id" in query else 0
        end = begin + limit
        more = end < len(ids)
    data = [info(model) for model in models[begin:end]]
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"data": data, "has_more": more, "first_id": first, "last_id": last}


def _limit(given: str | None) -> int:
    if given is None:
        return PAGE
    if not (given.isascii() and given.isdigit() and len(given) <= 4 and 1 <= int(given) <= LARGEST_PAGE):
        raise _wrong("limit", f"Expected a number from 1 to {LARGEST_PAGE}.")
    return int(given)


def _place(ids: Sequence[str], param: str, id: str) -> int:
    if id not in ids:
        raise _wrong(param, "No model that you have access to has this id.")
    return ids.index(id)


def _wrong(param: str, told: str) -> InvalidRequest:
    return InvalidRequest(f"Invalid value for '{param}'. {told}", param=param, code="invalid_value")
