"""The log: structured, on the logger `dragoman`, so that a host application can turn it as it likes."""

import logging
import sys
from collections.abc import Iterable
from typing import Any

import structlog
from pydantic import BaseModel

from dragoman.errors import Failure
from dragoman.secret import hidden
from dragoman.store import Row

LOGGED_BODY = 8 * 1024
HIDDEN = frozenset({b"authorization", b"proxy-authorization", b"api-key", b"x-api-key", b"cookie"})

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
    format: str = "json"
    calls: bool = True
    raw: bool = False


def shown(level: str) -> bool:
    """Whether what is logged at a level is shown."""
    return _STANDARD.isEnabledFor(logging.getLevelName(level.upper()))


def note_call(row: Row) -> None:
    log.info("call", **row._asdict())


class _Quiet(logging.Filter):
    """Drops uvicorn's complaint about a stream that we left unfinished on purpose: its reason is in our own log."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "without completing response" not in record.getMessage()


def written(level: str, options: Log = Log()) -> None:
    """Writes the log to standard error, from that level up: debug, info, warning or error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _STANDARD.handlers[:] = [handler]
    _STANDARD.propagate = False
    _STANDARD.setLevel(level.upper())
    logging.getLogger("uvicorn.error").addFilter(_Quiet())


def note_request(request_id: str, method: str, path: str, headers: Iterable[tuple[bytes, bytes]], body: bytes) -> None:
    """Logs a raw request at debug level: no credentials, no query, and the first 8 KiB of the body."""
    if not _STANDARD.isEnabledFor(logging.DEBUG):
        return
    shown = {
        name.decode("latin-1"): "(hidden)" if name in HIDDEN else value.decode("latin-1") for name, value in headers
    }
    log.debug(
        "request",
        request_id=request_id,
        method=method,
        path=path,
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
