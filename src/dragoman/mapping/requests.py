"""What a backend is sent: a request whose URL, headers, query and body are made from templates."""

import re
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal
from urllib.parse import quote, unquote, urlencode

from pydantic import AfterValidator, BaseModel, ConfigDict

from dragoman.errors import Failure, GatewayError, InvalidRequest, UpstreamBadResponse
from dragoman.json import dumped
from dragoman.mapping.variables import NAMES
from dragoman.outgoing import Outgoing
from dragoman.reach import HeaderName, HeaderText, origin_of, service_url
from dragoman.templates import LEFT_OUT, Names, Template, expression, speaking_of

TYPES = {"json": "application/json", "form": "application/x-www-form-urlencoded", "text": "text/plain; charset=utf-8"}
SAFE_IN_PATH = "/:@!$&'()*+,;=~-._"
DECODED = 4
"""How often a value may be decoded on its way to whatever looks at it."""
ANSWERED: Names = NAMES | {"answer"}
"""What requests about an earlier answer can speak of."""

_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def is_expression(url: str) -> bool:
    """Whether an expression gives the whole URL, or its beginning."""
    return url.lstrip().startswith("{{")


def _url(value: str) -> str:
    bare = _EXPRESSION.sub("x", value)
    if "{{" in bare or "{%" in bare:
        raise ValueError("may hold `{{ expressions }}` only")
    if not is_expression(value):
        service_url(bare)
        if "#" in bare or "{{" in "/".join(value.split("/")[:3]):
            raise ValueError("may hold templates in its path and query only, and no `#`")
    return value


URLTemplate = Annotated[str, AfterValidator(_url)]
Headers = dict[HeaderName, HeaderText]
Templates = dict[str, Any]


class Parts(BaseModel):
    """What a request is made of, beside its URL. All values may hold templates."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    headers: Annotated[Headers, speaking_of(ANSWERED)] = {}
    """Sent with the request; one whose value is undefined is left out."""
    query: Annotated[Templates, speaking_of(ANSWERED)] = {}
    """Added to the URL's query; what is undefined is left out, a list stands there once for each item."""
    request: Annotated[Any, speaking_of(ANSWERED)] = None
    """The body: JSON, or as `request_format` has it."""


class Asking(Parts):
    """One more request to the same backend."""

    url: Annotated[URLTemplate, speaking_of(ANSWERED)]
    """Where to, at the backend's own origin: a URL, or an expression that gives one."""
    method: Literal["GET", "POST", "PUT", "DELETE"] = "POST"
    """How it is asked."""
    request_format: Literal["json", "form", "text"] = "json"
    """How the body is sent."""


class Sender:
    """A compiled request."""

    def __init__(self, asking: Asking, base: str, names: Names = NAMES, key: str = "request") -> None:
        self._method = asking.method
        self._target = _Target(asking.url, base, asking.query, names)
        self._typed = {"Content-Type": TYPES[asking.request_format]} if asking.request is not None else {}
        self._headers = {name: Template(value, names, f"headers.{name}") for name, value in asking.headers.items()}
        self._body = None if asking.request is None else Template(asking.request, names, key)
        self._format = asking.request_format
        compiled = [*self._headers.values(), *([self._body] if self._body else [])]
        self.names: Names = self._target.names.union(*(template.names for template in compiled))
        """The variables it speaks of."""

    def made(self, values: dict[str, Any]) -> Outgoing:
        """The request with these values. Raises GatewayError, or InvalidRequest where a caller's value cannot stand."""
        headers = self._typed
        if self._headers:
            filled = {name: template.filled(values) for name, template in self._headers.items()}
            given = {name: _header(name, value) for name, value in filled.items() if value is not LEFT_OUT}
            headers = headers | given
        return Outgoing(self._method, self._target.made(values), headers, self.body(values))

    def body(self, values: dict[str, Any]) -> bytes:
        """The body alone."""
        value = self._body.filled(values) if self._body else LEFT_OUT
        if value is LEFT_OUT:
            return b""
        if self._format == "json":
            return dumped(value)
        return _encoded(value).encode() if self._format == "form" else _text(value).encode(errors="replace")


def _header(name: str, value: Any) -> str:
    text = _text(value)
    if not text.isascii() or not text.isprintable():
        raise InvalidRequest(
            "A value in this request cannot be sent to the backend, because it is not printable ASCII.",
            code="invalid_value",
            detail=f"headers.{name}",
        )
    return text


def _text(value: Any) -> str:
    return value if isinstance(value, str) else dumped(value).decode()


def _encoded(fields: Any) -> str:
    """Names and values as a query or a form."""
    if not isinstance(fields, Mapping):
        return _text(fields)
    pairs = [(name, item) for name, value in fields.items() for item in (value if isinstance(value, list) else [value])]
    return urlencode([(name, _text(item)) for name, item in pairs], errors="replace")


class _Target:
    """Where a request goes. What is filled in can leave neither the origin nor the path before it."""

    def __init__(self, url: str, base: str, query: Templates, names: Names) -> None:
        self._base = base
        self._blamed: type[Failure] = UpstreamBadResponse if "answer" in names else InvalidRequest
        self._whole = is_expression(url)
        below = url[len(origin_of(url)) :]
        path, rest = _cut(url if self._whole else below if below.startswith("/") else f"/{below}")
        self._path = _pieces(path, names, str if self._whole else self._in_path)
        self._rest = _pieces(rest, names, _in_query)
        self._query = Template(query, names, "query") if query else None
        self.names: Names = Template([url, query], names, "url").names
        self._fixed = ""
        if not self.names and "{{" not in f"{url}{query}":
            self._fixed = self.made({})

    def made(self, values: dict[str, Any]) -> str:
        """Path and query, percent-encoded. Raises InvalidRequest, or UpstreamBadResponse where the backend is asked
        about its own answer, if a value cannot stand there."""
        if not self.names and self._fixed:
            return self._fixed
        path = "".join(piece(values) for piece in self._path)
        rest = "".join(piece(values) for piece in self._rest)
        if self._whole:
            path, rest = self._own(path)
        if _climbs(path) or path.startswith("//"):
            raise self._unfit(path)
        given = _encoded(self._query.filled(values)) if self._query else ""
        asked = "&".join(part for part in (rest, given) if part)
        return f"{path}?{asked}" if asked else path

    def _in_path(self, value: str) -> str:
        if not value.isprintable() or set(value) & set("?#\\") or value.startswith("/") or "//" in value:
            raise self._unfit(value)
        return quote(value, safe=SAFE_IN_PATH)

    def _own(self, url: str) -> tuple[str, str]:
        """Path and query of a URL that an expression gave, which must be at the backend's own origin."""
        path = url.removeprefix(self._base)
        if not path.startswith("/") or path.startswith("//") or not path.isprintable() or set(path) & set("#\\"):
            raise self._unfit(url)
        path, _, rest = path.partition("?")
        return quote(path, safe=SAFE_IN_PATH + "%"), quote(rest, safe=SAFE_IN_PATH + "%?")

    def _unfit(self, value: str) -> Failure:
        detail = f"{value[:200]!r} cannot stand in the backend's URL"
        if self._blamed is InvalidRequest:
            message = "A value in this request cannot be part of the backend's URL. Leave out `..`, `?`, `#` and `\\`."
            return InvalidRequest(message, code="invalid_value", detail=detail)
        return self._blamed(detail=detail)


def _climbs(path: str) -> bool:
    """Whether a path leads up for any server: once decoded or several times, with parameters in its segments or not."""
    for _ in range(DECODED):
        path = unquote(path).replace("\\", "/")
        if any(segment.partition(";")[0] in (".", "..") for segment in path.split("/")):
            return True
    return False


def _cut(url: str) -> tuple[list[str], list[str]]:
    """The texts of a URL's path and those of its query; every other of each is an expression."""
    path: list[str] = []
    rest: list[str] = []
    for place, text in enumerate(_EXPRESSION.split(url)):
        before, mark, after = text.partition("?") if not place % 2 and not rest else (text, "", "")
        (rest or path).append(before)
        if mark:
            rest.append(after)
    return path, rest


def _pieces(texts: list[str], names: Names, fit: Callable[[str], str]) -> list[Callable[[dict[str, Any]], str]]:
    return [
        _expressed(text.strip(), names, fit) if place % 2 else _always(quote(text, safe=SAFE_IN_PATH + "%?"))
        for place, text in enumerate(texts)
    ]


def _always(text: str) -> Callable[[dict[str, Any]], str]:
    return lambda values: text


def _expressed(source: str, names: Names, fit: Callable[[str], str]) -> Callable[[dict[str, Any]], str]:
    evaluate = expression(source, "url", names)

    def run(values: dict[str, Any]) -> str:
        value = evaluate(values)
        if value is LEFT_OUT:
            detail = f"url: {source!r} is undefined"
            asks = source.startswith("answer")
            raise UpstreamBadResponse(detail=detail) if asks else GatewayError(code="template_failed", detail=detail)
        return fit(_text(value))

    return run


def _in_query(value: str) -> str:
    return quote(value, safe="", errors="replace")


def merged(base: Any, over: Any) -> Any:
    """A template with what another has over it; objects are merged, everything else is replaced."""
    if over is None:
        return base
    if isinstance(base, dict) and isinstance(over, dict):
        return {**base, **{key: merged(base.get(key), value) for key, value in over.items()}}
    return over
