"""What an answer tells beside its text: its end, its tokens, its failing, and which conversation it belongs to."""

from collections.abc import Iterable, Sequence
from typing import Any

from dragoman.adapt.guessed import Guessed
from dragoman.adapt.likeness import path_to, reasons
from dragoman.adapt.texts import Steps, Text, last_name, path_of, texts_in, values_in, worded
from dragoman.adapt.vocabulary import ENDS, NOT_YET, REASONS, SESSIONS, USAGE
from dragoman.completion import FINISH

MESSAGES = ("msg", "message", "error_msg", "errmsg", "errorMessage", "error_message", "description")
CODES = ("code", "status_code", "errcode", "error_code", "retcode", "errno")


def usage(values: Sequence[Any]) -> dict[str, str]:
    """Paths to the token counts, as the last value that has them shows them."""
    paths: dict[str, str] = {}
    for kind, names in USAGE.items():
        known = names.split()
        for value in reversed(values):
            found = [steps for steps, count in values_in(value) if _is_count(count) and last_name(steps) in known]
            kept = [steps for steps in found if not any("billed" in str(step) for step in steps)] or found
            if kept:
                paths[kind] = path_of(min(kept, key=lambda steps: (len(steps), known.index(last_name(steps)))))
                break
    return paths if paths.keys() & {"prompt", "completion"} else {}


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def finish(value: Any) -> str | None:
    """The path to the reason for a whole answer's end."""
    found = [text.steps for text in texts_in(value) if last_name(text.steps) in REASONS]
    return path_of(min(found, key=len)) if found else None


def streamed_finish(values: Sequence[Any], last_text: int) -> str | dict[str, Any] | None:
    """The path to what ends a stream, which comes with or after its last text; with a map if its words need one."""
    words: dict[Steps, dict[int, Any]] = {}
    for number, value in enumerate(values):
        for steps, inner in values_in(value):
            name = last_name(steps)
            if (name in REASONS and isinstance(inner, str) and inner) or (name in ENDS and inner is True):
                words.setdefault(steps, {})[number] = inner
    ways = [way for steps, said in words.items() if (way := _ended(steps, said, last_text))]
    return min(ways, key=lambda way: (way[0], len(str(way[1]))))[1] if ways else None


def _ended(steps: Steps, said: dict[int, Any], last_text: int) -> tuple[bool, str | dict[str, Any]] | None:
    """A way to know the end, reasons before what is only true; None if this does not tell it."""
    last = said[max(said)]
    early = {word for number, word in said.items() if number < last_text}
    if max(said) < last_text or last in early or str(last).lower() in {"", *NOT_YET}:
        return None
    if not early:
        return last is True, path_of(steps)
    words = {**_USUAL, last: FINISH.get(str(last).lower(), "stop")}
    return last is True, {"path": path_of(steps), "map": {_word(word): meaning for word, meaning in words.items()}}


def _word(word: Any) -> str:
    return str(word).lower() if word is True else str(word)


_USUAL = {"stop": "stop", "length": "length", "max_tokens": "length"}


def reasoning(values: Iterable[Any]) -> str | None:
    """The path to what the model thought before it answered."""
    for value in values:
        thought = [text for text in texts_in(value) if reasons(text.steps, value) and last_name(text.steps) != "type"]
        if thought and worded((longest := max(thought, key=lambda text: len(text.text))).text) > 0.2:
            return path_to(longest, value)
    return None


def session(values: Iterable[Any]) -> Text | None:
    """Where the conversation's id stands."""
    for value in values:
        found = [text for text in texts_in(value) if last_name(text.steps) in SESSIONS]
        if found:
            return min(found, key=lambda text: len(text.steps))
    return None


def error(values: Iterable[Any]) -> Guessed | str | None:
    """The path to an error's message, where a good answer has a place for one."""
    for value in values:
        if not isinstance(value, dict):
            continue
        if "error" in value and not value["error"]:
            return "error"
        code = next((key for key in CODES if value.get(key) in (0, "0") and value.get(key) is not False), None)
        message = next((key for key in MESSAGES if isinstance(value.get(key), str)), None)
        if code and message:
            literal = f"`{value[code]}`" if value[code] == 0 else "'0'"
            path = f"[@][?{code} && {code} != {literal}].{message} | [0]"
            return Guessed(path, "the code of a good answer is 0")
    return None
