"""What every backend behind HTTP can be told: where it is, what it is sent, how long it may take, whom to trust."""

import re
import ssl
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from dragoman.units import Bytes, Seconds

_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")


def http_url(value: str) -> str:
    url = urlsplit(value)
    if url.scheme not in ("http", "https") or not url.hostname:
        raise ValueError("must be an http:// or https:// URL with a host")
    if url.username or url.password:
        raise ValueError("must not hold credentials; put them into headers")
    if url.port == 0 or not value.isprintable() or " " in value:
        raise ValueError("must be a URL without spaces, and with a port from 1 to 65535")
    return value


def _header(value: str) -> str:
    if not value.isascii() or not value.isprintable():
        raise ValueError("a header must be printable ASCII")
    return value


def _header_name(name: str) -> str:
    if not _TOKEN.fullmatch(name):
        raise ValueError("a header's name is made of letters, digits and hyphens")
    return name


def _authority(file: Path) -> Path:
    try:
        ssl.create_default_context(cafile=str(file))
    except (OSError, ssl.SSLError) as error:
        raise ValueError(f"cannot be used as a certificate authority: {error.strerror or error}") from None
    return file


HTTPURL = Annotated[str, AfterValidator(http_url)]
HeaderName = Annotated[str, AfterValidator(_header_name)]
HeaderText = Annotated[str, AfterValidator(_header)]


class Timeouts(BaseModel):
    """How long a backend may take, in seconds or as `20s`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    connect: Seconds = 5.0
    """To accept a connection, name lookup and TLS included."""
    first: Seconds = 60.0
    """To begin its answer."""
    idle: Seconds = 30.0
    """Between two pieces of its answer."""
    total: Seconds = 600.0
    """To finish its answer."""


class TLS(BaseModel):
    """How a backend proves who it is."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ca: Annotated[Path, AfterValidator(_authority)]
    """A PEM file with the certificate authority to trust instead of the system's."""


class Reach(BaseModel):
    """What every backend behind HTTP can be told."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    headers: dict[HeaderName, HeaderText] = {}
    """Sent with every request."""
    timeout: Timeouts = Timeouts()
    tls: TLS | None = None
    concurrency: Annotated[int, Field(ge=1)] = 1000
    """Calls that may be open at once; one more is answered 503."""
    max_answer: Bytes = 10 * 1024 * 1024
    """The largest whole answer, decompressed."""
