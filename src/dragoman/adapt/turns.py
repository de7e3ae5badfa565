"""Recognises a conversation's history in a request, whatever its words, and writes the template that makes it anew."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dragoman.adapt.expressions import expression_of
from dragoman.adapt.guessed import Guessed
from dragoman.adapt.texts import Steps, last_name, name_of, values_in, worded
from dragoman.adapt.vocabulary import HISTORIES, PARTNERS, WHO
from dragoman.adapt.wrapping import TEXT_KEYS, kept, wrapped

ROLE_KEYS = ("role", "author", "sender", "speaker", "from", "type", "user_type", "sender_type", "side")
PAIRS = (("user", "bot"), ("user", "assistant"), ("human", "ai"), ("question", "answer"), ("input", "output"))

_A_NAME = re.compile(r"[\w .-]{1,40}")

Turn = tuple[str, str]
"""Who said it, in OpenAI's words, and what."""


@dataclass(frozen=True, slots=True)
class History:
    """A history in a request: where it stands, what is said in it, and how its items are made."""

    steps: Steps
    turns: tuple[Turn, ...]
    make: Callable[[str], Any]
    """From the expression of the turns to the template of the array."""

    @property
    def has_system(self) -> bool:
        return any(who == "system" for who, _ in self.turns)

    @property
    def open(self) -> bool:
        """Its last turn is the question."""
        return self.turns[-1][0] != "assistant"


def history_in(value: Any) -> History | None:
    """The longest history in a request; None if there is none."""
    found = [
        history
        for steps, inner in values_in(value)
        if isinstance(inner, list) and inner
        if (history := _messages(steps, inner) or _pairs(steps, inner))
    ]
    return max(found, key=lambda history: len(history.turns), default=None)


def empty_histories(value: Any) -> dict[Steps, Guessed]:
    """Histories without a turn, of whose items nothing is known."""
    why = "empty in the command, so that the shape of its turns is not known"
    return {
        steps: Guessed([], why, "note")
        for steps, inner in values_in(value)
        if inner == [] and last_name(steps) in HISTORIES
    }


def _messages(steps: Steps, items: list[Any]) -> History | None:
    """A list of objects, each with who speaks and what is said."""
    if not all(isinstance(item, dict) and item for item in items):
        return None
    role = next((key for key in ROLE_KEYS if all(_who(item.get(key)) for item in items)), None) or _speaker(items)
    text_key = next((key for key in TEXT_KEYS if key != role and all(wrapped(item.get(key)) for item in items)), None)
    text_key = text_key or _only_text(items, role)
    if text_key is None or (role is None and text_key != "parts"):
        return None
    said = [wrapped(item[text_key]) for item in items]
    turns = tuple((_who(item.get(role)) or "user", part.text) for item, part in zip(items, said, strict=True) if part)
    return History(steps, turns, _maker(items, role, text_key))


def _speaker(items: list[dict[str, Any]]) -> str | None:
    """Who speaks, under whatever name, where more than one does."""
    spoken = {key: {_who(item.get(key)) for item in items} for key in items[0]}
    return next((key for key, who in spoken.items() if "" not in who and len(who) > 1), None)


def _only_text(items: list[dict[str, Any]], role: str | None) -> str | None:
    """What is said, under whatever name, where it is the only text beside who says it."""
    keys = [key for key in items[0] if key != role and all(isinstance(item.get(key), str) for item in items)]
    return keys[0] if role and len(keys) == 1 else None


def _who(word: Any) -> str:
    if not isinstance(word, str) or not _A_NAME.fullmatch(word):
        return ""
    return WHO.get(word.lower()) or WHO.get(name_of(word)) or ""


def _maker(items: list[dict[str, Any]], role: str | None, text_key: str) -> Callable[[str], Any]:
    words = _words(items, role, text_key)
    around = _content({_who(item.get(role)) or "user": item[text_key] for item in reversed(items)})
    extra = {
        key: kept(inner)
        for key, inner in items[0].items()
        if key not in (role, text_key) and all(item.get(key) == inner for item in items) and not _is_own(inner)
    }
    plain = (role, text_key, extra) == ("role", "content", {}) and all(isinstance(one["content"], str) for one in items)

    def make(turns: str) -> Any:
        if plain and not turns.startswith("dialog"):
            renamed = ", ".join(f"{ours}={expression_of(theirs)}" for ours, theirs in words.items() if ours != theirs)
            return f"{{{{ {turns} | role_map({renamed}) }}}}" if renamed else f"{{{{ {turns} }}}}"
        said = "text" if turns.startswith("dialog") else "content"
        item = {role or "role": _role(words), text_key: around(f"{{{{ turn.{said} }}}}"), **extra}
        return {"$for": f"turn in {turns}", "$make": {key: item[key] for key in sorted(item, key=_order(items[0]))}}

    return make


def _content(shown: dict[str, Any]) -> Callable[[str], Any]:
    """What puts a text into a turn's content, as it is shown for each who speaks."""
    asked = wrapped(shown.get("user", next(iter(shown.values()))))
    other = next((content for who, content in shown.items() if who != "user"), None)
    told = wrapped(other)
    assert asked is not None, "else it would be no history"
    if told is None or type(other) is type(shown.get("user", other)):
        return asked.around
    return lambda text: {"$if": "turn.role == 'user'", "$make": asked.around(text), "$else": told.around(text)}


def _order(item: dict[str, Any]) -> Callable[[str], int]:
    keys = list(item)
    return lambda key: keys.index(key) if key in keys else -1


def _is_own(value: Any) -> bool:
    """Whether it belongs to one message only, such as an id or a time."""
    return (isinstance(value, int | float) and not isinstance(value, bool) and value > 1_000_000_000) or (
        isinstance(value, str) and len(value) > 8 and not worded(value)
    )


def _words(items: list[dict[str, Any]], role: str | None, text_key: str) -> dict[str, str]:
    """What each speaker is called there."""
    words = {"user": "user", "assistant": "model" if text_key == "parts" else "assistant"}
    if role is None:
        return words
    given = {_who(item[role]): item[role] for item in items}
    if "user" in given and "assistant" not in given:
        words["assistant"] = PARTNERS.get(given["user"], words["assistant"])
    return {**words, **given}


def _role(words: dict[str, str]) -> str:
    """The expression for who speaks."""
    if all(ours == theirs for ours, theirs in words.items()):
        return "{{ turn.role }}"
    *others, last = sorted(words.items(), key=lambda pair: ("assistant", "system", "user").index(pair[0]))
    chosen = " else ".join(f"{expression_of(theirs)} if turn.role == '{ours}'" for ours, theirs in others)
    return f"{{{{ {chosen} else {expression_of(last[1])} }}}}"


def _pairs(steps: Steps, items: list[Any]) -> History | None:
    """A list of exchanges, each a question with its answer."""
    keys = _pair_keys(items) or ((0, 1) if last_name(steps) in HISTORIES and _all_pairs(items) else None)
    if keys is None or not all(isinstance(item[key], str) for item in items for key in keys):
        return None
    turns = tuple(
        turn for item in items for turn in zip(("user", "assistant"), (item[key] for key in keys), strict=True)
    )
    said = [f"{{{{ pair[{place}].content }}}}" for place in (0, 1)]
    made: Any = [said] if keys == (0, 1) else dict(zip(keys, said, strict=True))
    return History(steps, turns, lambda expression: {"$for": f"pair in {expression} | batch(2)", "$make": made})


def _pair_keys(items: list[Any]) -> tuple[str, str] | None:
    return next((pair for pair in PAIRS if all(isinstance(item, dict) and {*item} == {*pair} for item in items)), None)


def _all_pairs(items: list[Any]) -> bool:
    return all(isinstance(item, list) and len(item) == 2 for item in items)
