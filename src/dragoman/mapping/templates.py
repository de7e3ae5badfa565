"""Templates: the JSON that a backend is sent, made from the call's request.

A string that is one `{{ expression }}` keeps the expression's type; a key whose value is undefined is left out.
Expressions are minijinja's, in a sandbox with fuel.
"""

import re
from collections.abc import Callable
from difflib import get_close_matches
from typing import Annotated, Any

import minijinja
import orjson
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from dragoman.errors import GatewayError
from dragoman.mapping.variables import NAMES, variables
from dragoman.wire.chat import ChatRequest

FUEL = 200_000

_ENVIRONMENT = minijinja.Environment(fuel=FUEL, keep_trailing_newline=True)
_ONE_EXPRESSION = re.compile(r"\s*\{\{((?:(?!\{\{|\}\}).)*)\}\}\s*", re.DOTALL)

Make = Callable[[dict[str, Any]], Any]


class _LeftOut:
    """The value of a template whose expression is undefined."""


LEFT_OUT = _LeftOut()


def _checked(template: Any) -> Any:
    for text, place in _texts(template):
        try:
            _check(text)
        except ValueError as error:
            raise PydanticCustomError("template", "{problem}", {"problem": str(error), "place": place}) from None
    return template


def _check(text: str) -> None:
    try:
        _ENVIRONMENT.add_template("checked", text)
        _check_names(text)
        unknown = sorted(_ENVIRONMENT.undeclared_variables_in_str(text) - NAMES)
    except minijinja.TemplateError as error:
        raise ValueError(f"is not a template: {error.detail or error.kind} in {text!r}") from None
    if unknown:
        near = get_close_matches(unknown[0], NAMES, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(NAMES))}"
        raise ValueError(f"speaks of {unknown[0]!r}, which is not defined; {hint}")


def _check_names(text: str) -> None:
    """Finds filters, tests and functions that do not exist, which only shows when a template runs."""
    try:
        _ENVIRONMENT.render_str(text, **dict.fromkeys(NAMES, ""))
    except minijinja.TemplateError as error:
        if error.kind.startswith("Unknown"):
            raise


def _texts(template: Any, place: tuple[str | int, ...] = ()) -> list[tuple[str, tuple[str | int, ...]]]:
    """The template's texts that may hold an expression, and where they stand."""
    if isinstance(template, str):
        return [(template, place)] if "{" in template else []
    inside = (
        template.items() if isinstance(template, dict) else enumerate(template) if isinstance(template, list) else ()
    )
    return [found for key, inner in inside for found in _texts(inner, (*place, key))]


RequestTemplate = Annotated[dict[str, Any], AfterValidator(_checked)]
"""A JSON object with templates in its strings, checked when the configuration is read."""


class Template:
    """A compiled template of a JSON object."""

    def __init__(self, template: dict[str, Any]) -> None:
        self.names = frozenset(
            name
            for text, _ in _texts(template)
            for name in _ENVIRONMENT.undeclared_variables_in_str(text)
            if name in NAMES
        )
        """The variables it speaks of."""
        self._make = _compiled(template, "request")

    def filled(self, request: ChatRequest) -> Any:
        """The JSON for this request. Raises GatewayError when an expression fails or runs out of fuel."""
        return self._make(variables(request, self.names))


def _compiled(template: Any, key: str) -> Make:
    if isinstance(template, str) and "{" in template:
        return _compiled_text(template, key)
    if isinstance(template, dict):
        makes = {name: _compiled(value, f"{key}.{name}") for name, value in template.items()}
        return lambda values: {name: made for name, make in makes.items() if (made := make(values)) is not LEFT_OUT}
    if isinstance(template, list):
        items = [_compiled(value, f"{key}[{place}]") for place, value in enumerate(template)]
        return lambda values: [made for make in items if (made := make(values)) is not LEFT_OUT]
    return lambda values: template


def _compiled_text(text: str, key: str) -> Make:
    match = _ONE_EXPRESSION.fullmatch(text)
    if match is None:
        return _run(_ENVIRONMENT.render_str, text, text, key)
    expression = match[1].strip()
    if expression in NAMES:
        return lambda values: values.get(expression, LEFT_OUT)
    evaluate = _run(_ENVIRONMENT.eval_expr, expression, text, key)
    return lambda values: _kept(evaluate(values))


def _kept(value: Any) -> Any:
    return LEFT_OUT if value is None or callable(value) else value


def _run(work: Callable[..., Any], source: str, text: str, key: str) -> Make:
    """Runs a template on copies, because in its language a list can be changed."""
    names = _ENVIRONMENT.undeclared_variables_in_str(text) & NAMES

    def run(values: dict[str, Any]) -> Any:
        given = {name: _copied(values[name]) for name in names if name in values}
        try:
            return work(source, **given)
        except minijinja.TemplateError as error:
            raise GatewayError(code="template_failed", detail=f"{key}: {error.kind}: {error.detail or error}") from None

    return run


def _copied(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value)) if isinstance(value, dict | list) else value
