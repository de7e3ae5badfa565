"""Templates: JSON with expressions in it, made into the JSON that a backend is sent.

A string that is one `{{ expression }}` keeps the expression's type; a key whose value is undefined is left out.
`{$for: NAME in EXPRESSION, $if: EXPRESSION, $make: …}` makes a list, `{$if: EXPRESSION, $make: …, $else: …}` one or the
other. Expressions are minijinja's, in a sandbox with fuel.
"""

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

import minijinja
import orjson
from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from dragoman.errors import GatewayError
from dragoman.templates.filters import FILTERS, FUNCTIONS

FUEL = 200_000
MOST_ROUNDS = 100_000
"""Items that all `$for`s of a request go through at most."""
ROUNDS = "$rounds"
"""Where, among the values, it stands how many are left."""

_ENVIRONMENT = minijinja.Environment(fuel=FUEL, keep_trailing_newline=True, filters=FILTERS)
for _name, _function in FUNCTIONS.items():
    _ENVIRONMENT.add_global(_name, _function)
_ALWAYS = frozenset({"omit", "range", "dict", "namespace", *FUNCTIONS})
_PLAIN = re.compile(r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*|\[\d+\])*", re.ASCII)
_WORD = re.compile(r"\w+", re.ASCII)
_SLICE = re.compile(r"\[[^\]]*:")
_FOR = re.compile(r"\s*([A-Za-z_]\w*)\s+in\s+(.+)", re.ASCII | re.DOTALL)
_STRUCTURE = frozenset({"$for", "$if", "$make", "$else"})

Names = frozenset[str]
Place = tuple[str | int, ...]
Make = Callable[[dict[str, Any]], Any]


class _LeftOut:
    """The value of a template whose expression is undefined."""


LEFT_OUT: Any = _LeftOut()


def checked(template: Any, names: Names) -> Any:
    """The template, if it is one and speaks of these names only. Raises PydanticCustomError that knows the place."""
    for source, place, scope in _sources(template, names):
        try:
            _check(source, scope)
        except ValueError as error:
            raise _wrong(place, str(error)) from None
    return template


def speaking_of(names: Names) -> AfterValidator:
    """For options: a template that speaks of these names only."""
    return AfterValidator(lambda template: checked(template, names))


def _wrong(place: Place, problem: str) -> PydanticCustomError:
    return PydanticCustomError("template", "{problem}", {"problem": problem, "place": place})


def _check(text: str, names: Names) -> None:
    """Raises ValueError if a text is no template, or speaks of what is not there."""
    try:
        _ENVIRONMENT.add_template("checked", text)
        _check_filters(text, names)
        unknown = sorted(_ENVIRONMENT.undeclared_variables_in_str(text) - names - _ALWAYS)
    except minijinja.TemplateError as error:
        raise ValueError(f"is not a template: {error.detail or error.kind} in {text!r}") from None
    if unknown:
        near = get_close_matches(unknown[0], names, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(names))}"
        raise ValueError(f"speaks of {unknown[0]!r}, which is not defined; {hint}")


def _check_filters(text: str, names: Names) -> None:
    """Finds filters, tests and functions that do not exist, which only shows when a template runs."""
    try:
        _ENVIRONMENT.render_str(text, **dict.fromkeys(names, ""))
    except Exception as error:  # filters raise what they like when they are given nothing
        if getattr(error, "kind", "") in ("UnknownFilter", "UnknownTest", "UnknownFunction"):
            raise


def _sources(template: Any, names: Names, place: Place = ()) -> Iterator[tuple[str, Place, Names]]:
    """The template's texts that may hold an expression, where they stand, and the names that are known there."""
    if isinstance(template, str):
        if "{" in template:
            yield template, place, names
    elif _is_structure(template):
        yield from _structure_sources(template, names, place)
    else:
        items = template.items() if isinstance(template, dict) else enumerate(template if _is_list(template) else ())
        for key, inner in items:
            yield from _sources(inner, names, (*place, key))


def _structure_sources(structure: dict[str, Any], names: Names, place: Place) -> Iterator[tuple[str, Place, Names]]:
    _check_structure(structure, place)
    if "$for" in structure:
        name, source = _loop(structure["$for"])
        yield f"{{{{ {source} }}}}", (*place, "$for"), names
        names |= {name}
    if "$if" in structure:
        yield f"{{{{ {structure['$if']} }}}}", (*place, "$if"), names
    for key in ("$make", "$else"):
        if key in structure:
            yield from _sources(structure[key], names, (*place, key))


def _check_structure(structure: dict[str, Any], place: Place) -> None:
    if unknown := sorted(structure.keys() - _STRUCTURE):
        raise _wrong((*place, unknown[0]), f"cannot stand beside {', '.join(sorted(structure.keys() & _STRUCTURE))}")
    if "$make" not in structure or not structure.keys() & {"$for", "$if"}:
        raise _wrong(place, "needs `$make`, and `$for` or `$if`")
    if "$else" in structure and "$for" in structure:
        raise _wrong((*place, "$else"), "cannot stand beside $for")
    for key in ("$for", "$if"):
        if not isinstance(structure.get(key, ""), str) or "{{" in structure.get(key, ""):
            raise _wrong((*place, key), "must be an expression without braces")
    if "$for" in structure and not _FOR.fullmatch(structure["$for"]):
        raise _wrong((*place, "$for"), "is written `NAME in EXPRESSION`, such as `turn in turns`")


def _is_structure(template: Any) -> bool:
    return isinstance(template, dict) and bool(template.keys() & _STRUCTURE)


def _is_list(template: Any) -> bool:
    return isinstance(template, list)


def _loop(text: str) -> tuple[str, str]:
    """The name and the expression of a `$for`."""
    match = _FOR.fullmatch(text)
    assert match is not None, "checked before"
    return match[1], match[2].strip()


class Template:
    """A compiled template of any JSON value, which speaks of `names`. `key` is what errors call it."""

    def __init__(self, template: Any, names: Names, key: str = "request") -> None:
        checked(template, names)
        spoken = (_spoken_of(source, names - bound) for source, _, bound in _sources(template, frozenset()))
        self.names = frozenset[str]().union(*spoken)
        """The variables it speaks of, and not those that its own loops name."""
        self._make = _compiled(template, key, names)

    def filled(self, values: dict[str, Any]) -> Any:
        """The JSON with these values, or LEFT_OUT. Raises GatewayError when an expression fails or runs out of fuel."""
        return self._make(values)


class Text:
    """A compiled template of a text, which speaks of `names`. Raises ValueError if it is none."""

    def __init__(self, template: str, names: Names, key: str = "text") -> None:
        _check(template, names)
        self.names = _spoken_of(template, names)
        self._make = _run(_ENVIRONMENT.render_str, template, key, names) if "{" in template else lambda _: template

    def filled(self, values: dict[str, Any]) -> str:
        """The text with these values. Raises GatewayError."""
        return str(self._make(values))


def _compiled(template: Any, key: str, names: Names) -> Make:
    if isinstance(template, str) and "{" in template:
        source = _one_expression(template)
        if source is None:
            return _run(_ENVIRONMENT.render_str, template, key, names)
        return expression(source, key, names)
    if _is_structure(template):
        return _looped(template, key, names) if "$for" in template else _chosen(template, key, names)
    if isinstance(template, dict):
        makes = {name: _compiled(value, f"{key}.{name}", names) for name, value in template.items()}
        return lambda values: {name: made for name, make in makes.items() if (made := make(values)) is not LEFT_OUT}
    if isinstance(template, list):
        return _listed(template, key, names)
    return lambda values: template


def _one_expression(text: str) -> str | None:
    """The expression that a text is, and nothing else."""
    text = text.strip()
    if not (text.startswith("{{") and text.endswith("}}")):
        return None
    source = text[2:-2].removeprefix("-").removesuffix("-").strip()
    if "{{" in source or "}}" in source:
        try:
            _ENVIRONMENT.eval_expr(source)
        except minijinja.TemplateError as error:
            return None if error.kind == "SyntaxError" else source
    return source


def _listed(template: list[Any], key: str, names: Names) -> Make:
    """A list; what a `$for` in it makes stands in the list itself."""
    items = [(_compiled(value, f"{key}[{place}]", names), _is_loop(value)) for place, value in enumerate(template)]

    def run(values: dict[str, Any]) -> list[Any]:
        made: list[Any] = []
        for make, spread in items:
            _add(made, make(values), spread)
        return made

    return run


def _is_loop(template: Any) -> bool:
    return _is_structure(template) and "$for" in template


def _add(made: list[Any], value: Any, spread: bool) -> None:
    if value is LEFT_OUT:
        return
    if spread:
        made.extend(value)
    else:
        made.append(value)


def _looped(structure: dict[str, Any], key: str, names: Names) -> Make:
    name, source = _loop(structure["$for"])
    names |= {name}
    items = expression(source, f"{key}.$for", names)
    wanted = expression(structure["$if"], f"{key}.$if", names) if "$if" in structure else _always
    body = structure["$make"]
    make, spread = _compiled(body, f"{key}.$make", names), _is_list(body) or _is_loop(body)

    def run(values: dict[str, Any]) -> Any:
        given = items(values)
        if given is LEFT_OUT:
            return LEFT_OUT
        made: list[Any] = []
        left = values.setdefault(ROUNDS, [MOST_ROUNDS])
        for item in given if isinstance(given, list | tuple) else [given]:
            inner = {**values, name: item}
            if _true(wanted(inner)):
                _add(made, make(inner), spread)
            left[0] -= 1
            if left[0] < 0:
                raise GatewayError(code="template_failed", detail=f"{key}: more than {MOST_ROUNDS} rounds")
        return made

    return run


def _always(values: dict[str, Any]) -> bool:
    return True


def _true(value: Any) -> bool:
    return value is not LEFT_OUT and bool(value)


def _chosen(structure: dict[str, Any], key: str, names: Names) -> Make:
    wanted = expression(structure["$if"], f"{key}.$if", names)
    make = _compiled(structure["$make"], f"{key}.$make", names)
    other = _compiled(structure["$else"], f"{key}.$else", names) if "$else" in structure else lambda values: LEFT_OUT
    return lambda values: make(values) if _true(wanted(values)) else other(values)


def expression(source: str, key: str, names: Names) -> Make:
    """A compiled expression: its value, or LEFT_OUT where it is undefined or null."""
    if _PLAIN.fullmatch(source) and (steps := _WORD.findall(source))[0] in names:
        return _walk([int(step) if step.isdigit() else step for step in steps])
    evaluate = _run(_ENVIRONMENT.eval_expr, source, key, names)
    return lambda values: _kept(evaluate(values))


def _walk(steps: list[Any]) -> Make:
    """The short way for an expression that only names a place."""
    root, *rest = steps

    def walk(values: dict[str, Any]) -> Any:
        value = values.get(root, LEFT_OUT)
        for step in rest:
            if isinstance(step, str):
                value = value.get(step) if isinstance(value, dict) else None
            else:
                value = value[step] if isinstance(value, list) and step < len(value) else None
        return LEFT_OUT if value is None else value

    return walk


def _kept(value: Any) -> Any:
    return LEFT_OUT if value is None or callable(value) else value


def _run(work: Callable[..., Any], source: str, key: str, names: Names) -> Make:
    """Runs a template on copies, because in its language a list can be changed."""
    text = source if work == _ENVIRONMENT.render_str else f"{{{{ {source} }}}}"
    used = _spoken_of(text, names)

    def run(values: dict[str, Any]) -> Any:
        given = {name: _copied(values[name]) for name in used if values.get(name) is not None}
        try:
            return work(source, **given)
        except minijinja.TemplateError as error:
            raise GatewayError(code="template_failed", detail=f"{key}: {error.kind}: {error.detail or error}") from None
        except Exception as error:
            raise GatewayError(code="template_failed", detail=f"{key}: {type(error).__name__}: {error}") from error

    return run


def _spoken_of(text: str, names: Names) -> Names:
    """The variables that a template speaks of. Its language does not tell of those before a slice, `turns[1:]`."""
    told = frozenset(_ENVIRONMENT.undeclared_variables_in_str(text)) & names
    return told | (names & frozenset(_WORD.findall(text))) if _SLICE.search(text) else told


def _copied(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value)) if isinstance(value, dict | list) else value
