"""A request and what was answered to a backend of a configuration."""

from typing import Any

from dragoman.adapt.answer import Answered
from dragoman.adapt.asked import literal, plain
from dragoman.adapt.body import Varying, template
from dragoman.adapt.guessed import Guessed
from dragoman.adapt.headers import kept
from dragoman.adapt.question import Question
from dragoman.adapt.request import Request
from dragoman.adapt.sample import Sample
from dragoman.adapt.secrets import LoggedIn, Secrets
from dragoman.adapt.sent import Sent
from dragoman.adapt.target import Target

TYPES = {"json": "application/json", "sse": "text/event-stream", "ndjson": "application/x-ndjson", "text": "text/plain"}

Options = dict[str, Any]


def mapped(request: Request, login: LoggedIn, target: Target, answered: Answered, secrets: Secrets) -> Options:
    """A backend of `kind: http`. Raises CannotAdapt."""
    session = answered.session if request.has_session else None
    response, stream = (_with_session(part, session) for part in (answered.response, answered.stream))
    asking = Varying(request.question, session is not None, response is not None, stream is not None)
    beside = Varying(Question(), session is not None, response is not None, stream is not None)
    body, streamed = _body(request.sent, beside if request.in_query else asking, secrets)
    query, streamed_query = template(_fields(request, login), asking if request.in_query else beside, secrets)
    if stream is not None:
        more = {key: given for key, given in (("query", streamed_query), ("request", streamed)) if given}
        stream = {"framing": stream["framing"], **more, **stream}
    made = {
        "kind": "http",
        "url": target.url,
        "method": request.asked.method if request.asked.method != "POST" else None,
        **_login(request, login),
        "query": query,
        "request_format": request.sent.format if request.sent and request.sent.format != "json" else None,
        "request": body,
        "response": response,
        "stream": stream,
        "session": {} if session else None,
    }
    return {key: value for key, value in made.items() if value or (key == "session" and value is not None)}


def _with_session(part: Options | None, session: Any) -> Options | None:
    return {**part, "session": session.path} if part is not None and session else part


def _body(sent: Sent | None, varying: Varying, secrets: Secrets) -> tuple[Any, Any]:
    return template(sent.value, varying, secrets) if sent else (None, None)


def _fields(request: Request, login: LoggedIn) -> Options:
    """The query in its order, its secrets as variables."""
    names = [name for name, _ in login.query]
    hidden = dict(login.query)
    return {name: request.fields.get(name, hidden[name]) for name in dict.fromkeys(names)}


def _login(request: Request, login: LoggedIn) -> Options:
    headers = kept(login.headers)
    if request.sent and request.sent.type:
        headers["Content-Type"] = literal(request.sent.type)
    tls = {key: plain(value) for key, value in request.asked.tls.items()}
    return {"auth": login.auth, "tls": tls, "headers": headers}


def speaking_openai(base: str, request: Request, login: LoggedIn, seen: bool) -> Options:
    """A backend of `kind: openai`."""
    auth = login.auth or {}
    key = {"key": auth["token"]} if auth.get("kind") == "bearer" else {}
    header = {auth["name"]: auth["value"]} if auth.get("kind") == "header" else {}
    kind = "openai" if seen else Guessed("openai", "by its URL and its words; no sample was given")
    rest = {name: value for name, value in _login(request, login).items() if name != "auth"}
    rest["headers"] = {**header, **rest["headers"]}
    return {"kind": kind, "url": base, **key, **{name: value for name, value in rest.items() if value}}


def misnamed(sample: Sample | None, type: str | None) -> str | None:
    """The type that the answer really is, if it came under another that would not be accepted."""
    kind = (type or "").partition(";")[0].strip().lower()
    if sample is None or not kind:
        return None
    accepted = {
        "json": "json" in kind,
        "json-array": "json" in kind,
        "ndjson": "json" in kind,
        "sse": kind == "text/event-stream",
        "text": kind.startswith("text/") and kind != "text/html",
    }
    return None if accepted[sample.kind] else TYPES.get(sample.kind, "application/json")
