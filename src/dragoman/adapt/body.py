"""A request's JSON, form or query to the template that makes it anew for each call."""

from dataclasses import dataclass
from typing import Any

from dragoman.adapt import parameters
from dragoman.adapt.asked import CannotAdapt, literal
from dragoman.adapt.guessed import Guessed
from dragoman.adapt.parameters import Replacements
from dragoman.adapt.question import Question, asking
from dragoman.adapt.secrets import Secrets
from dragoman.adapt.texts import Steps, values_in
from dragoman.adapt.turns import empty_histories

LONGEST_KEY = 256
STRUCTURE = frozenset({"$for", "$if", "$make", "$else"})


@dataclass(frozen=True, slots=True)
class Varying:
    """What is known of a call beside the request itself."""

    question: Question
    session: bool
    """The answer brings the conversation's id."""
    whole: bool
    """There is a way to ask for a whole answer."""
    streamed: bool
    """There is a way to ask for a stream."""


def template(value: Any, varying: Varying, secrets: Secrets) -> tuple[Any, Any]:
    """The template of the request, and what is merged into it for a stream. Raises CannotAdapt."""
    keys = {str(steps[-1]) for steps, _ in values_in(value) if steps}
    if taken := sorted(keys & STRUCTURE):
        raise CannotAdapt(f"The request has a key {taken[0]}, which means something else in templates.")
    if any(len(key) > LONGEST_KEY for key in keys):
        raise CannotAdapt(f"The request has a key of more than {LONGEST_KEY} characters; look whether that is one.")
    found = replacements(value, varying, secrets)
    streaming: Any = {}
    for steps, stream, whole in parameters.streams_in(value) if varying.streamed else ():
        found[steps] = whole if varying.whole else _LEFT_OUT
        streaming = _set(streaming, steps, stream)
    return filled(value, found), streaming


class _LeftOut:
    """What is not sent."""


_LEFT_OUT = _LeftOut()


def replacements(value: Any, varying: Varying, secrets: Secrets) -> Replacements:
    """What stands in which place instead of what the command sent; the more certain before the less."""
    model = parameters.model_in(value)
    systems = parameters.systems_in(value)
    ways: list[Replacements] = [
        _asked(varying.question, varying.session, bool(systems)),
        parameters.secrets_in(value, secrets),
        {model[0]: "{{ model }}"} if model else {},
        systems,
        parameters.parameters_in(value),
        parameters.sessions_in(value, varying.session),
        parameters.users_in(value),
        parameters.fresh_in(value),
        parameters.passed_in(value),
        empty_histories(value),
    ]
    found: Replacements = {}
    for way in reversed(ways):
        found |= way
    return found


def _asked(question: Question, session: bool, instructed: bool) -> Replacements:
    made: Replacements = {}
    if history := question.history:
        turns = "dialog" if history.has_system else "new_turns" if session else "turns"
        if question.prompt and not history.open:
            turns = f"{turns}[:-1]"
        more = "" if instructed or history.has_system else "; instructions have no place here"
        made[history.steps] = Guessed(history.make(turns), f"the conversation, by its roles and texts{more}")
    if question.prompt:
        made[question.prompt.steps] = Guessed(*asking(question.prompt, question, session))
    return made


def filled(value: Any, found: Replacements, steps: Steps = ()) -> Any:
    """The value with its replacements, its texts as templates that give them."""
    if steps in found:
        return found[steps]
    if isinstance(value, dict):
        made = {key: filled(inner, found, (*steps, key)) for key, inner in value.items()}
        return {key: inner for key, inner in made.items() if inner is not _LEFT_OUT}
    if isinstance(value, list):
        return [filled(inner, found, (*steps, place)) for place, inner in enumerate(value)]
    return literal(value) if isinstance(value, str) else value


def _set(value: Any, steps: Steps, inner: Any) -> Any:
    """A nested object with one more value in it."""
    if not steps:
        return inner
    head, *rest = steps
    return {**value, head: _set(value.get(head, {}), tuple(rest), inner)}
