"""A curl command, or an operation of an OpenAPI document, to a configuration with a recording and a test beside it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from dragoman.adapt import backend, openapi
from dragoman.adapt.answer import Answered, unseen, whole
from dragoman.adapt.asked import Asked, plain, variables_in
from dragoman.adapt.compatible import openai_base
from dragoman.adapt.curl import read
from dragoman.adapt.guessed import Guessed
from dragoman.adapt.host import named
from dragoman.adapt.recording import HIDDEN, recording, test
from dragoman.adapt.request import Request, understood
from dragoman.adapt.sample import Sample
from dragoman.adapt.sample import read as read_sample
from dragoman.adapt.secrets import Secrets, logged_in
from dragoman.adapt.stream import streamed
from dragoman.adapt.target import Target, target
from dragoman.adapt.written import comment, written

_VARIABLE = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Adapted:
    """What `dragoman adapt` writes."""

    name: str
    """The backend's name, by which the files are called: NAME.yaml, recorded/NAME.yaml, test_NAME.py."""
    model: str
    """What callers ask for."""
    yaml: str
    variables: tuple[str, ...]
    """The environment variables that have to be set before it is served."""
    recording: str | None = None
    """The sample as a recording, if there was one."""
    test: str | None = None
    """A test in Python that asks the recording."""


def adapted(
    curl: str, sample: bytes | None = None, content_type: str | None = None, name: str | None = None
) -> Adapted:
    """The configuration for a curl command. `sample` is what the API answered to it. Raises CannotAdapt."""
    return _adapted(read(curl), sample, content_type, name)


def adapted_openapi(
    document: str, operation: str, sample: bytes | None = None, content_type: str | None = None, name: str | None = None
) -> Adapted:
    """The configuration for an operation of an OpenAPI 3 document, in JSON or YAML. Raises CannotAdapt."""
    described = openapi.read(document, operation)
    given = (described.sample, described.type) if sample is None else (sample, content_type)
    return _adapted(described.asked, *given, name)


def _adapted(asked: Asked, sample: bytes | None, type: str | None, name: str | None) -> Adapted:
    name = name or named(asked.url)
    request, secrets = understood(asked), Secrets(name)
    seen = None if sample is None else read_sample(sample, type, request.streaming)
    answered = _answered(seen, request)
    where = target(asked.url, request.model, secrets)
    made, model = _backend(request, where, answered, seen, secrets)
    if really := backend.misnamed(seen, type):
        made["assume_content_type"] = Guessed(really, "the answer came under another type")
    text = f"backends:\n  {name}:\n{written(secrets.without(made), 4)}{written(_models(name, model))}"
    variables = tuple(dict.fromkeys(_VARIABLE.findall(text)))
    head = "".join(f"# {comment(line)}\n" for line in _head(name, variables, secrets, asked))
    public = _public(model) or name
    if seen is None:
        return Adapted(name, public, head + text, variables)
    question = {"model": public, "messages": _messages(request), "stream": seen.streamed}
    host = next(iter(variables_in(asked.url)), None) if asked.url.startswith("\ue000") else None
    told = test(name, secrets.without(question, HIDDEN), secrets.without(answered.text or "", HIDDEN), host)
    return Adapted(name, public, head + text, variables, recording(request, where, seen, type, secrets), told)


def _messages(request: Request) -> list[dict[str, str]]:
    return [{"role": who, "content": plain(said)} for who, said in request.turns]


def _answered(seen: Sample | None, request: Request) -> Answered:
    heard = request.question.heard
    if seen is None:
        return unseen(request.streaming)
    return streamed(seen, heard) if seen.streamed else whole(seen, heard)


def _backend(
    request: Request, where: Target, answered: Answered, seen: Sample | None, secrets: Secrets
) -> tuple[dict[str, Any], str | None]:
    """The backend's options, and the model that the request names."""
    login = logged_in(request.asked, secrets)
    if base := openai_base(where.url, request, login, seen):
        return backend.speaking_openai(base, request, login, seen is not None), request.model
    return backend.mapped(request, login, where, answered, secrets), request.model or where.model


def _public(model: str | None) -> str | None:
    """The name that callers ask for; None if the model is not known before it is served."""
    return None if model is None or variables_in(model) else model


def _models(name: str, model: str | None) -> dict[str, Any]:
    public = _public(model)
    entry: Any = {"backend": name, "model": plain(model)} if model and not public else name
    return {"models": {public or name: entry}}


def _head(name: str, variables: tuple[str, ...], secrets: Secrets, asked: Asked) -> Iterator[str]:
    """What is said before the configuration."""
    yield "Made by `dragoman adapt`. Look over what is guessed."
    yield f"Serve it: dragoman serve {name}.yaml"
    if variables:
        told = [f"{name} ({secrets.about[name]})" if name in secrets.about else name for name in variables]
        yield f"Set before: {', '.join(told)}"
    yield from (f"Note: {remark}" for remark in asked.remarks)
