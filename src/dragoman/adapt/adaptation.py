"""A curl command, or an operation of an OpenAPI document, to a configuration with a recording and a test beside it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from dragoman.adapt import curl as curls
from dragoman.adapt import openapi, parameters
from dragoman.adapt.answer import Answered, unseen, whole
from dragoman.adapt.asked import Asked, CannotAdapt, literal, plain, variables_in
from dragoman.adapt.body import Varying, template
from dragoman.adapt.compatible import openai_base
from dragoman.adapt.guessed import Guessed, bare
from dragoman.adapt.headers import kept
from dragoman.adapt.host import named
from dragoman.adapt.question import Question, question
from dragoman.adapt.recording import recording, test
from dragoman.adapt.sample import Sample
from dragoman.adapt.sample import read as read_sample
from dragoman.adapt.secrets import LoggedIn, Secrets, logged_in
from dragoman.adapt.sent import TYPES, Sent, gathered, sent
from dragoman.adapt.stream import streamed
from dragoman.adapt.target import target
from dragoman.adapt.texts import Steps, last_name, texts_in
from dragoman.adapt.turns import Turn
from dragoman.adapt.vocabulary import SYSTEMS
from dragoman.adapt.written import comment, written

_VARIABLE = re.compile(r"(?<!\$)\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


@dataclass(frozen=True, slots=True)
class Adapted:
    """What `dragoman adapt` writes."""

    name: str
    """The backend's name, which the files are called by: NAME.yaml, recorded/NAME.yaml, test_NAME.py."""
    model: str
    """What callers ask for."""
    yaml: str
    variables: tuple[str, ...]
    """The environment variables that have to be set before it is served."""
    recording: str | None = None
    """The sample as a recording, if there was one."""
    test: str | None = None
    """A test in Python that asks the recording."""


@dataclass(frozen=True, slots=True)
class _Request:
    """A request, taken apart."""

    asked: Asked
    sent: Sent | None
    question: Question
    in_query: bool
    """The question stands in the URL."""
    streaming: bool
    """It asks for a stream."""


def adapted(curl: str, sample: bytes | None = None, content_type: str | None = None, name: str | None = None) -> Adapted:
    """The configuration for a curl command. `sample` is what the API answered to it. Raises CannotAdapt."""
    return _adapted(curls.read(curl), sample, content_type, name)


def adapted_openapi(
    document: str,
    operation: str,
    sample: bytes | None = None,
    content_type: str | None = None,
    name: str | None = None,
) -> Adapted:
    """The configuration for an operation of an OpenAPI 3 document, in JSON or YAML. Raises CannotAdapt."""
    described = openapi.read(document, operation)
    given = (sample, content_type) if sample is not None else (described.sample, described.type)
    return _adapted(described.asked, *given, name)


def sample_request(curl: str, environment: Mapping[str, str]) -> tuple[str, str, dict[str, str], bytes]:
    """Method, URL, headers and body of what the command sends, its variables filled in. Raises CannotAdapt."""
    asked = curls.read(curl)
    if asked.auth:
        raise CannotAdapt("A command that signs its request cannot be called from here; give the answer by --sample.")

    def filled(text: str) -> str:
        if unset := [name for name in variables_in(text) if name not in environment]:
            raise CannotAdapt(f"The environment variable {unset[0]} is not set; set it, or give the answer by --sample.")
        return re.sub("\ue000([^\ue001]*)\ue001", lambda match: environment[match[1]], text)

    body = sent(asked)
    query = urlencode([(filled(name), filled(value)) for name, value in asked.query])
    headers = {name: filled(value) for name, value in kept(asked.headers, keep_login=True).items()}
    if body:
        headers["Content-Type"] = asked.header("content-type") or TYPES[body.format]
    if asked.user:
        headers["Authorization"] = _basic(*map(filled, asked.user))
    url = quote(filled(asked.url), safe="/:@!$&'()*+,;=~-._%[]")
    return asked.method, f"{url}?{query}" if query else url, headers, filled(asked.body or "").encode()
