"""How likely a text in an answer is the answer's text, by its name, its neighbours and its words."""

from collections.abc import Iterator
from typing import Any

from dragoman.adapt.texts import (
    LONG,
    Steps,
    Text,
    last_name,
    name_of,
    path_of,
    texts_in,
    value_at,
    values_in,
    worded,
    words_of,
)
from dragoman.adapt.vocabulary import ALTERNATIVES, ANSWER, ANSWER_MAYBE, ASIDE, ASKING, REASONING

ROLES = ("role", "author", "sender", "from", "type", "speaker")
TYPES = ("type", "kind", "role", "name")


def likeness(text: Text, root: Any) -> float:
    """How likely this is the answer's text: 0 for never."""
    names = [name_of(step) for step in text.steps if isinstance(step, str)]
    score = _worded(text) * _weight(last_name(text.steps)) * (min(len(text.text), LONG) + 40)
    if ASIDE.intersection(names):
        score *= 0.02
    return 0.0 if reasons(text.steps, root) or _asks(text.steps, root) else score


def _worded(text: Text) -> float:
    """How much it looks like words; by its name even `4` may be an answer, without it a word alone is none."""
    words = worded(text.text)
    if last_name(text.steps) in ANSWER:
        return max(words, 0.6) if words else 0.0
    return words if last_name(text.steps) in ANSWER_MAYBE or words == 1 else 0.0


def _weight(name: str) -> float:
    if name in ANSWER:
        return 8
    if name in ANSWER_MAYBE:
        return 3
    return 5 if ANSWER.intersection(words_of(name)) else 0.5


def reasons(steps: Steps, root: Any) -> bool:
    """Whether what stands there is what the model thought, not what it said."""
    if any(name_of(step) in REASONING for step in steps):
        return True
    block = value_at(root, steps[:-1])
    return isinstance(block, dict) and (block.get("thought") is True or str(block.get("type")) in REASONING)


def _asks(steps: Steps, root: Any) -> bool:
    """Whether it stands in a message of the user's."""
    for end in range(len(steps)):
        outer = value_at(root, steps[:end])
        if isinstance(outer, dict) and any(str(outer.get(role)).lower() in ASKING for role in ROLES):
            return True
    return False


def candidates(root: Any, heard: frozenset[str] = frozenset()) -> list[tuple[float, Text]]:
    """Texts that may be the answer's, the likeliest first. `heard` are those that were asked."""
    found = [text for text in (*texts_in(root), *_lists(root)) if text.text.strip() not in heard]
    rated = [(score, text) for text in found if (score := likeness(text, root)) > 0]
    return sorted(rated, key=lambda pair: (-pair[0], len(pair[1].steps)))


def _lists(root: Any) -> Iterator[Text]:
    """Lists of texts, as one text each."""
    for steps, value in values_in(root):
        if isinstance(value, list) and len(value) > 1 and all(isinstance(item, str) for item in value):
            yield Text(steps, "".join(value))


def path_to(text: Text, root: Any) -> str:
    """A JMESPath that finds the text here, and its like in other answers."""
    if isinstance(value_at(root, text.steps), list):
        path = path_of(text.steps)
        return f"{path}[0]" if last_name(text.steps) in ALTERNATIVES else f"join('', {path})"
    for end, step in enumerate(text.steps):
        if isinstance(step, int):
            many = value_at(root, text.steps[:end])
            if last_name(text.steps[:end]) not in ALTERNATIVES and len(many) > 1:
                return _among(many, text.steps[:end], step, text.steps[end + 1 :])
    return text.path


def _among(many: list[Any], outer: Steps, index: int, inner: Steps) -> str:
    """The path to the text in a list of several items: one of them, or all as one text."""
    head, tail = (path_of(outer) if outer else ""), path_of((0, *inner)).removeprefix("[0]")
    if any(_asks(("_",), item) for item in many):
        return f"{head}[-1]{tail}" if index == len(many) - 1 else path_of((*outer, index, *inner))
    alike = [item for item in many if isinstance(value_at(item, inner), str) and not reasons(inner, item)]
    kind = _kind(many, alike)
    items = f"{head}[?{kind[0]}=='{kind[1]}']" if kind else f"{head}[]"
    if len(alike) > 1:
        return f"join({_between(outer)}, {items}{tail})"
    return path_of((*outer, index, *inner)) if index == 0 else f"{items}{tail} | [0]"


def _between(outer: Steps) -> str:
    """What stands between texts: nothing between parts of one message, an empty line between messages."""
    return "''" if last_name(outer) in ("content", "parts", "output", "delta") else '`"\\n\\n"`'


def _kind(many: list[Any], alike: list[Any]) -> tuple[str, str] | None:
    """A key and the word by which the items with a text differ from the others."""
    others = [item for item in many if not any(item is other for other in alike)]
    for key in TYPES if others else ():
        words = {str(item.get(key, "")) for item in alike if isinstance(item, dict)}
        word = next(iter(words), "")
        if len(words) == 1 and word.replace("_", "").isalnum():
            return key, word
    return None
