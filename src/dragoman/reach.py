"""What every backend behind HTTP can be told: where it is, what it is sent, how long it may take, whom to trust."""

import re
import ssl
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from dragoman.guard.options import Guarded
from dragoman.units import Bytes, Seconds

MOST_OF_TEXTS = 128 * 1024 * 1024
"""Bytes: 2048 embeddings of 3072 numbers, written out."""

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def http_url(value: str) -> str:
    """The URL, if it is one. Raises ValueError."""
    return _url(value, "http", "https")


def service_url(value: str) -> str:
    """The URL of something that speaks HTTP or WebSocket. Raises ValueError."""
    return _url(value, "http", "https", "ws", "wss")


def _url(value: str, *schemes: str) -> str:
    url = urlsplit(value)
    if url.scheme not in schemes or not url.hostname:
        raise ValueError(f"must be an {_or([f'{scheme}://' for scheme in schemes])} URL with a host")
    if url.username or url.password:
        raise ValueError("must not hold credentials; put them into headers")
    if url.port == 0 or not value.isprintable() or " " in value:
        raise ValueError("must be a URL without spaces, and with a port from 1 to 65535")
    return value


def _or(words: list[str]) -> str:
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def origin_of(url: str) -> str:
    """Scheme, host and port, as they are written."""
    return "/".join(url.split("/")[:3]).partition("?")[0]


def _header(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ValueError("a header must be printable ASCII")
    return value


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError("a header's name is made of letters, digits and hyphens")
    return name


HTTPURL = Annotated[str, AfterValidator(http_url)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderText = Annotated[str, AfterValidator(_header)]


class Timeouts(BaseModel):
    """How long a backend may take, in seconds or as `20s`."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    connect: Seconds = 5.0
    """To accept a connection, name lookup and TLS included."""
    first: Seconds = 60.0
    """To begin its answer."""
    idle: Seconds = 30.0
    """Between two pieces of its answer."""
    total: Seconds = 600.0
    """To finish its answer."""


def _authority(file: Path) -> Path:
    try:
        ssl.create_default_context(cafile=file)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"cannot be used as a certificate authority: {error.strerror or error}") from None
    return file


class TLS(BaseModel):
    """How both sides prove who they are. Files are PEM."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    ca: Annotated[Path, AfterValidator(_authority)] | None = None
    """The certificate authority to trust instead of the system's."""
    cert: Path | None = None
    """Our certificate, with those that lead to its authority (mutual TLS)."""
    key: Path | None = None
    """The certificate's private key, where it does not stand in the same file."""

    @model_validator(mode="after")
    def _can_be_used(self) -> Self:
        if self.key and not self.cert:
            raise ValueError("`key` needs `cert`, the certificate that it belongs to")
        trusting(self)
        return self


def trusting(tls: TLS) -> ssl.SSLContext:
    """What a connection trusts, and proves itself by. Raises ValueError if the files cannot be used."""
    context = ssl.create_default_context(cafile=tls.ca)
    if tls.cert:
        _prove(context, tls.cert, tls.key)
    return context


def _prove(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    def no_password() -> str:
        raise ValueError("the private key is locked by a password, which cannot be given")

    try:
        context.load_cert_chain(cert, key, no_password)
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"`cert` and `key` cannot be used: {error.strerror or error}") from None


class Reach(Guarded):
    """What every backend behind HTTP can be told."""

    headers: dict[HeaderName, HeaderText] = Field(default={})
    """Sent with every request."""
    timeout: Timeouts = Timeouts()
    """How long it may take."""
    tls: TLS | None = None
    """How both sides prove who they are; by default the system's authorities are trusted."""
    max_answer: Bytes = 10 * 1024 * 1024
    """The largest whole answer, decompressed."""

    @property
    def limit(self) -> float:
        """How many seconds a call may take in all."""
        return self.timeout.total

    def for_texts(self) -> Self:
        """The same where thousands of texts are asked about: unless it is said, an answer may be as long as that."""
        given = "max_answer" in self.model_fields_set
        return self if given else self.model_copy(update={"max_answer": MOST_OF_TEXTS})
