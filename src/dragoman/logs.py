"""The log: structured, on the logger `dragoman`, so that a host application can turn it as it likes."""

import logging
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Literal

import orjson
import structlog
from pydantic import BaseModel, ConfigDict

from dragoman.errors import Failure
from dragoman.secret import hidden
from dragoman.store import Row

LOGGED_BODY = 8 * 1024
SHOWN = frozenset(
    {
        *(b"accept", b"accept-encoding", b"accept-language", b"connection", b"content-encoding", b"content-length"),
        *(b"content-type", b"host", b"openai-beta", b"transfer-encoding", b"user-agent", b"x-request-id"),
        *(b"anthropic-version", b"x-dragoman-timeout"),
    }
)
"""Headers whose values are harmless. Of all others the log has the names."""
SHOWN_PREFIX = b"x-stainless-"
NANO = 1e9

_STANDARD = logging.getLogger("dragoman")

log: structlog.stdlib.BoundLogger = structlog.wrap_logger(
    _STANDARD,
    processors=[
        structlog.stdlib.filter_by_level,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        structlog.processors.JSONRenderer(),
    ],
    wrapper_class=structlog.stdlib.BoundLogger,
    cache_logger_on_first_use=True,
)


class Log(BaseModel):
    """What the log says."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    format: Literal["json", "console"] = "json"
    """For programs, or for people."""
    calls: bool = True
    """One line for each call."""
    raw: bool = False
    """Raw requests with the beginning of their bodies, as `--log-level debug` shows them."""


DEFAULT = Log()


class _Raw:
    """Whether raw requests are shown at info level, too."""

    wanted = False


class _Quiet(logging.Filter):
    """Drops uvicorn's complaint about a stream that we left unfinished on purpose: its reason is in our own log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "without completing response" not in record.getMessage()


class _ForPeople(logging.Formatter):
    """A record as a line for people."""

    def __init__(self) -> None:
        super().__init__("%(message)s")
        self._render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())

    def format(self, record: logging.LogRecord) -> str:
        message = super().format(record)
        try:
            told = orjson.loads(message)
        except orjson.JSONDecodeError:
            return message
        return str(self._render(_STANDARD, record.levelname.lower(), told))


def written(level: str, options: Log = DEFAULT) -> None:
    """Writes the log to standard error, from that level up: debug, info, warning or error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_ForPeople() if options.format == "console" else logging.Formatter("%(message)s"))
    _STANDARD.handlers[:] = [handler]
    _STANDARD.propagate = False
    _STANDARD.setLevel(level.upper())
    _Raw.wanted = options.raw
    logging.getLogger("uvicorn.error").addFilter(_Quiet())


def shown(level: str) -> bool:
    """Whether what is logged at a level is shown."""
    return _STANDARD.isEnabledFor(logging.getLevelNamesMapping()[level.upper()])


def note_call(row: Row) -> None:
    """Logs what a call came to, in one line; made by hand, since every call pays for it."""
    told = {
        "event": "call",
        "level": "info",
        "timestamp": datetime.now(UTC).isoformat(),
        "request_id": row.request_id,
        "key": row.key,
        "model": row.model,
        "backend": row.backend,
        "surface": row.surface,
        "status": row.status,
        "prompt_tokens": row.prompt_tokens,
        "completion_tokens": row.completion_tokens,
        "estimated": row.estimated,
        "cost": row.cost / NANO,
        "first_ms": None if row.first is None else round(row.first * 1000, 1),
        "ms": round(row.total * 1000, 1),
    }
    _STANDARD.info(orjson.dumps(told).decode())


def note_request(request_id: str, method: str, path: str, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    """Logs a raw request at debug level, or if asked for: harmless headers, no query, the first 8 KiB of the body."""
    if not (_Raw.wanted or _STANDARD.isEnabledFor(logging.DEBUG)):
        return
    shown = {
        name.decode("latin-1"): value.decode("latin-1")
        if name in SHOWN or name.startswith(SHOWN_PREFIX)
        else "(hidden)"
        for name, value in headers
    }
    (log.info if _Raw.wanted else log.debug)(
        "request",
        request_id=request_id,
        method=method,
        path=hidden(path),
        headers=shown,
        bytes=len(body),
        body=body[:LOGGED_BODY].decode(errors="replace"),
    )


def note_failure(request_id: str, failure: Failure, status: int, begun: bool = False) -> None:
    """Logs why a call failed, and the status it was told by; `begun`: a part of the answer had been sent."""
    told: dict[str, Any] = {"request_id": request_id, "code": failure.code, "status": status, "begun": begun}
    if failure.backend:
        told["backend"] = failure.backend
    if failure.detail:
        told["detail"] = hidden(failure.detail)
    if failure.status < 500 and not failure.backend:
        log.info("refused", message=failure.message, **told)
        return
    log.warning("failed", **told)
    if failure.__cause__ is not None:
        log.debug("cause", request_id=request_id, exc_info=failure.__cause__)
