"""Reads OpenAI's own JSON about texts: embeddings and moderations."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from dragoman.mapping.batches import Said, checked
from dragoman.mapping.verdicts import verdict
from dragoman.vectors import vector

Read: TypeAlias = tuple[list[Said], dict[str, Any] | None]
"""What is said of each text, and the usage."""


@dataclass(frozen=True)
class About:
    """What an upstream that speaks OpenAI is asked about texts, beside what the caller says, and how it answers."""

    path: str
    read: Callable[[dict[str, Any], int], Read]
    """Reads an answer about so many texts. Raises UpstreamBadResponse."""
    asked: Mapping[str, Any]


def _embeddings(value: dict[str, Any], count: int) -> Read:
    data, usage = value.get("data"), value.get("usage")
    if isinstance(data, list) and all(isinstance(item, dict) and isinstance(item.get("index"), int) for item in data):
        data = sorted(data, key=lambda item: item["index"])
    return checked(data, count, _embedding), usage if isinstance(usage, dict) else None


def _embedding(item: Any) -> Said:
    return {"embedding": vector(item.get("embedding") if isinstance(item, dict) else None)}


def _moderations(value: dict[str, Any], count: int) -> Read:
    return checked(value.get("results"), count, _result), None


def _result(item: Any) -> Said:
    if not isinstance(item, dict):
        raise ValueError("a result that is no object")
    applied = item.get("category_applied_input_types")
    found = verdict(item.get("flagged"), item.get("categories"), item.get("category_scores"), {})
    return {**found, "category_applied_input_types": applied} if isinstance(applied, dict) else found


EMBEDDINGS = About("/embeddings", _embeddings, {"encoding_format": "base64"})
"""Base64 is what official SDKs ask for, and takes a third of the time to read; who answers numbers is read as well."""
MODERATIONS = About("/moderations", _moderations, {})
