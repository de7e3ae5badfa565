"""A request's URL to a configuration's: placeholders become variables, the model becomes a template."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from dragoman.adapt.asked import literal, shown, variable, variables_in
from dragoman.adapt.secrets import Secrets, looks_secret
from dragoman.adapt.texts import name_of
from dragoman.adapt.vocabulary import words

ACTIONS = words(
    "chat completions generate invoke converse predict infer v1 v2 v3 generate_stream invocations embeddings run "
    "predictions stream converse-stream invoke-with-response-stream versions messages completion"
)
"""What may stand behind a model in a path."""
SAFE = "/:@!$&'()*+,;=~-._"

_PLACEHOLDER = re.compile(
    r"\{\{\s*(\w[\w .-]*?)\s*\}\}|\{(\w[\w -]*)\}|<([\w -]+)>|\b(YOUR[_-][A-Z0-9_-]+|[A-Z][A-Z0-9]*_[A-Z0-9_]+)\b"
)
_ORIGIN = re.compile(r"(?:[^/]*//|\ue000)[^/]*")
_MODEL = re.compile(r"/(?:models?|deployments|engines|run)/(?P<rest>.+)")
_ACTION = re.compile(r"[a-z]+[A-Za-z]*")


@dataclass(frozen=True, slots=True)
class Target:
    """A URL as a template, and the model that stood in it."""

    url: str
    model: str | None
    path: str
    """What is asked for when the model is this one, percent-encoded."""


def target(url: str, model: str | None, secrets: Secrets) -> Target:
    """The URL as a configuration has it. `model` is the one that the body names, if it does."""
    url = _with_variables(url)
    origin = _ORIGIN.match(url)
    begin = origin.end() if origin else 0
    path = "/".join(_segment(part, secrets) for part in url[begin:].split("/"))
    place = _place_of(model, path) or _model_in(path)
    if place is None:
        return Target(literal(url[:begin] + path), None, _quoted(path) or "/")
    start, end = place
    found = unquote(path[start:end])
    url = f"{literal(url[:begin] + path[:start])}{{{{ model }}}}{literal(path[end:])}"
    return Target(url, found, _quoted(path[:start]) + quote(found, safe=SAFE) + _quoted(path[end:]))


def _quoted(path: str) -> str:
    return quote(shown(path), safe=SAFE + "%")


def _place_of(model: str | None, path: str) -> tuple[int, int] | None:
    """Where the model that the body names stands in the path."""
    for written in {model, quote(model, safe="/@:"), quote(model, safe="")} if model else ():
        if match := re.search(rf"(?<=/){re.escape(written or '')}(?=[/:]|$)", path):
            return match.span()
    return None


def _with_variables(url: str) -> str:
    def named(match: re.Match[str]) -> str:
        name = next(group for group in match.groups() if group)
        snake = re.sub(r"\W+", "_", name_of(name), flags=re.ASCII).upper().removeprefix("YOUR_").strip("_")
        return variable(f"VALUE_{snake}" if not snake or snake[0].isdigit() else snake)

    marked = re.split("(\ue000[^\ue001]*\ue001)", url)
    return "".join(part if variables_in(part) else _PLACEHOLDER.sub(named, part) for part in marked)


def _segment(part: str, secrets: Secrets) -> str:
    return secrets.hidden(part, "path key", "a part of the URL's path") if looks_secret(part) else part


def _model_in(path: str) -> tuple[int, int] | None:
    """Where a model stands behind a word for models."""
    match = _MODEL.search(path)
    if not match or (match[0].startswith("/run/") and not match["rest"].startswith("@")):
        return None
    start = end = match.start("rest")
    for segment in match["rest"].split("/"):
        if segment.lower() in ACTIONS or not segment:
            break
        name, colon, action = segment.partition(":")
        cut = bool(colon and _ACTION.fullmatch(action))
        end += len(name if cut else segment) + (end > start)
        if cut:
            break
    return (start, end) if end > start and not variables_in(path[start:end]) else None
