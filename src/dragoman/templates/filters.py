"""What templates can do beside what their language brings."""

import hashlib
import time
import uuid
from base64 import b64encode
from collections.abc import Callable
from typing import Any

from dragoman.json import loaded

Turn = dict[str, Any]

LONGEST = 8 * 1024 * 1024
"""Characters that a filter takes at most."""


def _text(value: Any) -> str:
    text = value if isinstance(value, str) else "" if value is None else str(value)
    if len(text) > LONGEST:
        raise ValueError(f"a text of more than {LONGEST} characters")
    return text


def b64(value: Any) -> str:
    """The text's UTF-8 bytes in base64."""
    return b64encode(_text(value).encode(errors="replace")).decode()


def sha256(value: Any) -> str:
    """The SHA-256 of the text's UTF-8 bytes, in hexadecimal digits."""
    return hashlib.sha256(_text(value).encode(errors="replace")).hexdigest()


def fromjson(value: Any) -> Any:
    """The value that a JSON text stands for; undefined if it is none."""
    try:
        return loaded(_text(value).encode(errors="replace"))
    except ValueError:
        return None


def role_map(turns: list[Turn], **names: str) -> list[Turn]:
    """The turns with their roles called otherwise: `turns | role_map(user='human', assistant='ai')`."""
    return [{**turn, "role": names.get(turn.get("role", ""), turn.get("role"))} for turn in turns]


def join_turns(
    turns: list[Turn], user: str = "User: ", assistant: str = "Assistant: ", system: str = "", sep: str = "\n"
) -> str:
    """The turns as one text, each after the words for who speaks."""
    speakers = {"user": user, "assistant": assistant, "system": system, "developer": system}
    return sep.join(f"{speakers.get(turn.get('role', ''), 'Tool: ')}{_said(turn)}" for turn in turns)


def _said(turn: Turn) -> str:
    if turn.get("results"):
        return "\n".join(str(result.get("text", "")) for result in turn["results"])
    said = turn.get("content", turn.get("text"))
    return said if isinstance(said, str) else ""


FILTERS: dict[str, Callable[..., Any]] = {
    "b64": b64,
    "sha256": sha256,
    "fromjson": fromjson,
    "role_map": role_map,
    "join_turns": join_turns,
}
FUNCTIONS: dict[str, Callable[[], Any]] = {
    "uuid": lambda: str(uuid.uuid4()),
    "now": lambda: int(time.time()),
    "now_ms": lambda: int(time.time() * 1000),
}
