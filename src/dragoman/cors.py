"""Pages of other sites that may call from a browser (WHATWG Fetch, CORS protocol)."""

import re
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import Response
from starlette.types import ASGIApp

from dragoman.errors import NotAllowed
from dragoman.units import Seconds

SHOWN = (
    *("x-request-id", "request-id", "retry-after", "retry-after-ms", "x-should-retry"),
    *("openai-processing-ms", "openai-version"),
    *(f"x-ratelimit-{what}-{of}" for of in ("requests", "tokens") for what in ("limit", "remaining", "reset")),
    *(f"anthropic-ratelimit-{of}-{what}" for of in ("requests", "tokens") for what in ("limit", "remaining", "reset")),
    *(f"x-dragoman-{fact}" for fact in ("backend", "emulated", "ignored", "session")),
)
"""The headers of an answer that a page may read."""
ANY = r"[A-Za-z0-9.-]+"
"""What a `*` in an origin stands for."""

_ORIGIN = re.compile(r"\*|[a-z][a-z0-9+.-]*://[A-Za-z0-9.*:\[\]-]+")


def _origin(value: str) -> str:
    if not _ORIGIN.fullmatch(value):
        raise ValueError("must be an origin like https://chat.example or http://localhost:*, without a path; or `*`")
    return value


class Cors(BaseModel):
    """Which pages may call from a browser."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    origins: Annotated[tuple[Annotated[str, AfterValidator(_origin)], ...], Field(min_length=1, max_length=100)]
    """Where they come from: `https://chat.example`, `https://*.example.com`, `http://localhost:*`, or `*` for all."""
    max_age: Seconds = 600.0
    """For how long a browser may remember the answer."""


class Crossing(CORSMiddleware):
    """Stands before an application that pages of other sites may call. Raises NotAllowed to those that may not."""

    def preflight_response(self, request_headers: Headers) -> Response:
        response = super().preflight_response(request_headers)
        if response.status_code != 200:
            raise NotAllowed(
                "Pages of this origin may not call this server. Its operator can allow them in `cors.origins`.",
                code="origin_not_allowed",
            )
        return response


@lru_cache(maxsize=8)
def crossing(options: Cors, app: ASGIApp) -> Crossing:
    """The application for callers in browsers. No cookie says who they are, so nothing is allowed with credentials."""
    patterns = [re.escape(origin).replace(r"\*", ANY) for origin in options.origins if origin != "*"]
    allowed: dict[str, Any] = {"allow_origins": ["*"]} if "*" in options.origins else {}
    return Crossing(
        app,
        **allowed,
        allow_origin_regex="|".join(patterns) or None,
        allow_methods=["*"],
        allow_headers=["*"],
        allow_private_network=True,
        expose_headers=SHOWN,
        max_age=round(options.max_age),
    )
