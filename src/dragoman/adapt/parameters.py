"""Finds what a request says beside its question, and which variables stand for it."""

import re
from collections.abc import Iterator
from typing import Any

from dragoman.adapt.asked import literal, plain
from dragoman.adapt.expressions import expression_of
from dragoman.adapt.guessed import Guessed
from dragoman.adapt.secrets import IN_BODY, Secrets
from dragoman.adapt.texts import Steps, last_name, texts_in, value_at, values_in
from dragoman.adapt.vocabulary import (
    EXTENDED,
    FRESH,
    MODELS,
    PARAMETERS,
    SESSIONS,
    STREAM_MODES,
    STREAMS,
    SYSTEMS,
    TIMES,
    USERS,
)
from dragoman.adapt.wrapping import wrapped

Replacements = dict[Steps, Any]

_UUID = re.compile(r"[0-9a-f]{8}-?(?:[0-9a-f]{4}-?){3}[0-9a-f]{12}", re.IGNORECASE)


def secrets_in(value: Any, secrets: Secrets) -> Replacements:
    """Keys and tokens, by their names."""
    return {
        text.steps: plain(secrets.hidden(text.text, str(text.steps[-1]), "a key in the request's body"))
        for text in texts_in(value)
        if last_name(text.steps) in IN_BODY
    }


def model_in(value: Any) -> tuple[Steps, str] | None:
    """Where the request names a model, and which."""
    found = [
        text
        for text in texts_in(value)
        if last_name(text.steps) in MODELS and len(text.text) <= 256 and plain(text.text).isprintable()
    ]
    best = min(found, key=lambda text: len(text.steps), default=None)
    return (best.steps, best.text) if best and len(best.steps) <= 3 else None


def parameters_in(value: Any) -> Replacements:
    """Sampling parameters. What the command gave is their value where a caller gives none."""
    return {steps: made for steps, inner in values_in(value) if (made := _parameter(last_name(steps), steps, inner))}


def _parameter(name: str, steps: Steps, value: Any) -> str | None:
    ours = next((ours for ours, theirs in PARAMETERS.items() if name in theirs), None)
    if not steps or not isinstance(steps[-1], str) or isinstance(value, dict | bool):
        return None
    if ours in ("stop", "stops"):
        fits = value is None or isinstance(value, str) or _all_texts(value)
        return _or_given("stops" if isinstance(value, list) else "stop", value) if fits else None
    if value is not None and not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not re.fullmatch(r"-?\d+(\.\d+)?", value):
        return None
    if name in EXTENDED:
        return _or_given(f"ext.{name}", value)
    return _or_given(ours, None if ours == "seed" else value) if ours else None


def _all_texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _or_given(expression: str, value: Any) -> str:
    """The expression, or what the command gave where a caller gives nothing."""
    given = "" if value is None or value == [] else expression_of(value)
    if not given or "{{" in given or "}}" in given:
        return f"{{{{ {expression} }}}}"
    return f"{{{{ {expression} | default({given}) }}}}"


def systems_in(value: Any) -> Replacements:
    """A text of instructions, alone or wrapped into objects and lists; it is left out where a caller gives none."""
    made: Replacements = {}
    for steps, inner in values_in(value):
        if not steps or not isinstance(steps[-1], str) or last_name(steps) not in SYSTEMS or not inner:
            continue
        if isinstance(inner, str):
            made[steps] = "{{ system }}"
        elif shown := wrapped(inner):
            made[steps] = {"$if": "system", "$make": shown.around("{{ system }}")}
    return made


def streams_in(value: Any) -> Iterator[tuple[Steps, Any, Any]]:
    """Where the request says whether it wants a stream: the words for a stream, and for a whole answer."""
    for steps, inner in values_in(value):
        if last_name(steps) in STREAMS and inner is True:
            yield steps, True, False
        elif last_name(steps) in STREAMS and str(inner).lower() == "true":
            yield steps, inner, "false"
        elif isinstance(inner, str) and inner.lower() in STREAM_MODES and "mode" in last_name(steps):
            yield steps, inner, STREAM_MODES[inner.lower()]


def wants_stream(value: Any) -> bool:
    """Whether the request asks for a stream."""
    return any(True for _ in streams_in(value))


def sessions_in(value: Any, known: bool) -> Replacements:
    """The conversation's id. Where the answer carries one (`known`), it is the one of the call's conversation."""
    why = (
        "all calls share this conversation; with `session: {make: '{{ uuid() }}'}` and `{{ session }}` each has its own"
    )
    return {
        steps: "{{ session }}" if known else Guessed(literal(inner or ""), why, "note")
        for steps, inner in values_in(value)
        if steps and last_name(steps) in SESSIONS and (inner or known) and isinstance(inner, str | None)
    }


def users_in(value: Any) -> Replacements:
    """Who asks: the caller's `user`, or the one of the command."""
    return {
        text.steps: _or_given("user", text.text)
        for text in texts_in(value)
        if last_name(text.steps) in USERS and len(text.steps) <= 2
    }


def fresh_in(value: Any) -> Replacements:
    """Ids and times that each call has its own of."""
    made: Replacements = {}
    for steps, inner in values_in(value):
        name = last_name(steps)
        if isinstance(inner, str) and name in FRESH and _UUID.fullmatch(inner):
            made[steps] = Guessed("{{ uuid() }}", "each call has its own")
        elif isinstance(inner, int) and name in TIMES and inner > 1_000_000_000:
            made[steps] = Guessed(
                "{{ now_ms() }}" if inner > 100_000_000_000 else "{{ now() }}", "the time of the call"
            )
    return made


def passed_in(value: Any) -> Replacements:
    """What is passed in OpenAI's own words: tools, and the form of the answer."""
    tools, format = value_at(value, ("tools",)), value_at(value, ("response_format",))
    ours = isinstance(tools, list) and bool(tools) and all(value_at(tool, ("function", "name")) for tool in tools)
    made: Replacements = {("tools",): "{{ tools }}", ("tool_choice",): "{{ tool_choice }}"} if ours else {}
    return {**made, ("response_format",): "{{ response_format }}"} if value_at(format, ("type",)) else made
