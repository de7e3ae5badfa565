"""What every client finds, whatever dialect it asks in."""

from collections.abc import Iterable
from typing import Any

from tests.clients.model import vector

HELLO = "Hello! How can I help you?"
ADA = {"name": "Ada", "age": 36}
ALAN = {"name": "Alan", "age": 41}
PEOPLE = {"people": [ADA, ALAN]}
ANSWER = "It is 18 °C in Paris and 21 °C in Rome."
CALLS = [["get_weather", {"city": "Paris"}], ["get_weather", {"city": "Rome"}]]
DONE = {"text": ANSWER, "calls": CALLS}
"""What an agent with a tool finds out."""
VECTORS = [vector("A cat sleeps."), vector("Shares fell.")]


def alike(found: dict[str, Any], dialects: Iterable[str], expected: Any) -> bool:
    """Whether the same was found in each dialect; says where it was not."""
    for dialect in dialects:
        assert found[dialect] == expected, f"{dialect}: {found[dialect]}"
    return set(found) == set(dialects)
