"""An operation of an OpenAPI document to what it asks for, with an answer made of its schema."""

from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any
from urllib.parse import quote, urlencode

import yaml

from dragoman.adapt.asked import LONGEST, Asked, CannotAdapt
from dragoman.adapt.examples import Schemas
from dragoman.json import MAX_DEPTH, dumped, loaded

METHODS = ("get", "post", "put", "patch", "delete")
MOST_BYTES = 8 * LONGEST

Node = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Described:
    """What an operation asks for, and what it answers, as far as the document shows it."""

    asked: Asked
    sample: bytes | None
    type: str | None


def read(document: str, operation: str) -> Described:
    """The operation by its `operationId`, or by `METHOD /path`. Raises CannotAdapt."""
    root = _loaded(document)
    operations = dict(_operations(root))
    found = operations.get(operation)
    if found is None:
        raise CannotAdapt(_unknown(operation, list(operations)))
    node, shared = found[2:]
    schemas = Schemas(root)
    parameters = [schemas.resolved(parameter) for parameter in (*shared, *_list(node.get("parameters")))]
    asked = _asked(root, schemas, found, [one for one in parameters if isinstance(one, dict)])
    return Described(asked, *_answer(schemas, node))


def _loaded(document: str) -> Node:
    if len(document) > MOST_BYTES:
        raise CannotAdapt(f"The document has more than {MOST_BYTES // LONGEST} MiB; give a smaller one.")
    root = _parsed(document)
    if isinstance(root, dict) and "swagger" in root:
        raise CannotAdapt("The document is of Swagger 2; convert it to OpenAPI 3 first.")
    if not isinstance(root, dict) or not str(root.get("openapi", "")).startswith("3"):
        raise CannotAdapt("The document is not an OpenAPI 3 document: it has no `openapi: 3…`.")
    return root


def _parsed(document: str) -> Any:
    try:
        return loaded(document.encode(errors="replace"))
    except ValueError:
        pass
    try:
        _check(document)
        return yaml.load(document, Loader=yaml.CSafeLoader)
    except (yaml.YAMLError, ValueError, RecursionError):
        raise CannotAdapt("The document is neither JSON nor YAML; give an OpenAPI 3 document.") from None


def _check(document: str) -> None:
    """Raises CannotAdapt if reading the YAML would take more than its length is worth."""
    depth = 0
    for event in yaml.parse(document, Loader=yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise CannotAdapt("The document has aliases (`*name`), which are not followed; write them out.")
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise CannotAdapt(f"The document is nested more than {MAX_DEPTH} levels deep.")


Operation = tuple[str, str, Node, list[Any]]


def _operations(root: Node) -> Iterator[tuple[str, Operation]]:
    for path, item in _dict(root.get("paths")).items():
        for method in METHODS:
            node = _dict(item).get(method)
            if isinstance(node, dict):
                found = (method.upper(), str(path), node, _list(_dict(item).get("parameters")))
                yield f"{method.upper()} {path}", found
                if "operationId" in node:
                    yield str(node["operationId"]), found


def _unknown(operation: str, known: list[str]) -> str:
    if not known:
        return "The document has no operations; give one that describes `paths`."
    names = [name for name in known if " /" not in name] or known
    near = get_close_matches(operation, known, 3) or names[:30]
    return (
        f"No operation is called {operation!r}; there are {', '.join(near)}{', …' if len(near) < len(names) else ''}."
    )


def _asked(root: Node, schemas: Schemas, operation: Operation, parameters: list[Node]) -> Asked:
    method, path, node, _ = operation
    if method not in ("GET", "POST", "PUT"):
        raise CannotAdapt(f"The operation asks by {method}; a chat API is asked by GET, POST or PUT.")
    type, body = _body(schemas, node)
    values = {(one.get("in"), str(one.get("name"))): schemas.parameter(one) for one in parameters}
    kept = {place: str(value) for place, value in values.items() if value is not None}
    headers = {name: value for (where, name), value in kept.items() if where == "header"}
    query = tuple((name, value) for (where, name), value in kept.items() if where == "query")
    for (where, name), value in kept.items():
        if where == "path":
            path = path.replace(f"{{{name}}}", quote(value, safe=":@{}"))
    more, auth = _login(root, schemas, node)
    content = {"Content-Type": type} if type else {}
    return Asked(
        _server(root, node) + path,
        method,
        {**content, **headers, **{name: value for where, name, value in more if where == "header"}},
        query + tuple((name, value) for where, name, value in more if where == "query"),
        body,
        auth=auth,
    )


def _server(root: Node, node: Node) -> str:
    server = next((_dict(one) for one in (*_list(node.get("servers")), *_list(root.get("servers")))), {})
    url = str(server.get("url") or "")
    for name, about in _dict(server.get("variables")).items():
        url = url.replace(f"{{{name}}}", str(_dict(about).get("default") or f"{{{name}}}"))
    if not url.lower().startswith(("http://", "https://", "{")):
        raise CannotAdapt("The document does not say where the API is; give it `servers` with a whole URL.")
    return url.rstrip("/")


def _body(schemas: Schemas, node: Node) -> tuple[str | None, str | None]:
    """The content type and an example of the body."""
    content = _dict(_dict(schemas.resolved(node.get("requestBody"))).get("content"))
    for type, media in content.items():
        value = schemas.example(_dict(media))
        if "json" in type:
            return type, dumped(value).decode()
        if "form-urlencoded" in type and isinstance(value, dict):
            return type, urlencode(value)
        if type.startswith("text/"):
            return type, str(value)
    if content:
        raise CannotAdapt(f"The operation takes {', '.join(map(str, content))}; JSON, forms and text can be sent.")
    return None, None


def _answer(schemas: Schemas, node: Node) -> tuple[bytes | None, str | None]:
    """An answer as the document shows it, and its content type."""
    responses = _dict(node.get("responses"))
    good = next((status for status in map(str, responses) if status.startswith("2")), "default")
    answer = next((inner for status, inner in responses.items() if str(status) == good), None)
    for type, media in _dict(_dict(schemas.resolved(answer)).get("content")).items():
        media = _dict(media)
        value = schemas.shown(media)
        if isinstance(value, str) and "json" not in type:
            return value.encode(), type
        if "json" in type:
            value = schemas.example(media, answers=True) if value is None else value
            return (dumped(value), type) if isinstance(value, dict | list) and value else (None, None)
    return None, None


def _login(root: Node, schemas: Schemas, node: Node) -> tuple[list[tuple[str, str, str]], Node | None]:
    """Headers and parameters that log in, and what `auth` is where they do not tell it."""
    wanted = _dict(next(iter(_list(node.get("security", root.get("security")))), None))
    known = _dict(_dict(root.get("components")).get("securitySchemes"))
    more: list[tuple[str, str, str]] = []
    for name in wanted:
        scheme = _dict(schemas.resolved(known.get(name)))
        token_url = _dict(_dict(scheme.get("flows")).get("clientCredentials")).get("tokenUrl")
        if isinstance(token_url, str):
            secrets = {key: f"${{{key.upper()}}}" for key in ("client_id", "client_secret")}
            return more, {"kind": "oauth2", "token_url": token_url, **secrets}
        more.append(_key(scheme, f"<{name} of the document>"))
    return more, None


def _key(scheme: Node, secret: str) -> tuple[str, str, str]:
    """Where a secret stands: in a header or in the query, its name, its value."""
    named, place = str(scheme.get("name")), str(scheme.get("in"))
    if scheme.get("type") == "apiKey":
        return ("header", "Cookie", f"{named}={secret}") if place == "cookie" else (place, named, secret)
    basic = str(scheme.get("scheme")).lower() == "basic"
    return "header", "Authorization", f"{'Basic' if basic else 'Bearer'} {secret}"


def _dict(value: Any) -> Node:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
