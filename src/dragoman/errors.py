"""Every way a call can fail.

    Failure
    ├── InvalidRequest            the caller sent what OpenAI would not take (422, or 400 with `errors: openai`)
    │   ├── InvalidJSON · Unable  (what the backend is not able to do)
    │   └── UpstreamRejected      … or what the backend would not take
    ├── Refused                   a hook said no
    ├── Unauthorized · NotAllowed who asks is not known, or may not
    ├── TooManyRequests           a limit of the caller's, of the model's, or of its address's
    │   └── TooManyTokens · QuotaSpent
    ├── UnknownModel · UnknownPath · UnknownResponse · MethodNotAllowed
    ├── TooSlow · TooLarge · HeadersTooLarge · Encoded · MalformedHTTP
    ├── GatewayError · NotReady · TooManyConnections
    ├── Overloaded · Draining     no call is taken now
    ├── KeysUnavailable · LimitsUnavailable · ResponsesUnavailable   what decides about a call cannot be asked
    ├── DeadlineExceeded          the time that the caller gave is over
    ├── EmulationFailed           what the backend lacks could not be made from what it said
    └── UpstreamFailure           the backend's doing; the message is fixed, the detail is for the log
        ├── Unreachable           (500, or 502/504 with `errors: openai`)
        │   └── UpstreamDNSError · UpstreamConnectError · UpstreamConnectTimeout · UpstreamTLSError
        ├── UpstreamTimeout · UpstreamIdleTimeout · UpstreamDeadline
        ├── UpstreamDisconnected · UpstreamProtocolError · UpstreamRedirectRefused
        ├── UpstreamBadResponse · UpstreamBadEvent · UpstreamBadContentType · UpstreamBadEncoding
        ├── UpstreamTooLarge · UpstreamStreamRewrite
        ├── UpstreamAuthError · UpstreamRateLimited · UpstreamUnavailable · UpstreamBusy
        ├── NoBackendAvailable    every backend that could answer is down
        ├── UpstreamLoginFailed · UpstreamSessionLost · UpstreamJobFailed · UpstreamJobTimeout
        └── UpstreamError

`ConfigError` stands apart: it stops a start, never a call. `MemoryDown` and `StoreDown` never reach a caller.
"""

from collections.abc import Iterator, Mapping
from math import ceil
from typing import ClassVar, Literal, Self

import orjson

ErrorStyle = Literal["specified", "openai"]

INVALID = "invalid_request_error"
SERVER = "server_error"
LARGEST_KEPT = 16 * 1024 * 1024
"""Bytes of one value that outlives a call."""


class Failure(Exception):
    """A call that cannot be answered, in the terms of OpenAI's error object.

    `message` is what the caller reads and says what to do next; `detail` is for the operator's log only.
    `status` is the one that OpenAI uses, `specified` the one of the original specification where they differ.
    """

    status: ClassVar[int] = 500
    specified: ClassVar[int | None] = None
    type: ClassVar[str] = SERVER
    fixed_code: ClassVar[str | None] = None
    fixed_message: ClassVar[str] = "The server failed to answer."

    def __init__(
        self,
        message: str | None = None,
        *,
        param: str | None = None,
        code: str | None = None,
        detail: str = "",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self.message = message or self.fixed_message
        self.param = param
        self.code = code or self.fixed_code
        self.detail = detail
        self.headers = dict(headers or {})
        self.backend: str | None = None
        super().__init__(self.message)

    def status_in(self, style: ErrorStyle) -> int:
        """The HTTP status this failure has in that style."""
        return self.status if style == "openai" or self.specified is None else self.specified

    def envelope(self, request_id: str) -> bytes:
        """OpenAI's error object as JSON, all four keys (OpenAI API reference, errors)."""
        error = {"message": self.told(request_id), "type": self.type, "param": self.param, "code": self.code}
        return orjson.dumps({"error": error})

    def told(self, request_id: str) -> str:
        """The message as the caller gets it."""
        return self.message


class InvalidRequest(Failure):
    status, specified, type = 400, 422, INVALID
    fixed_message = "The request is not valid."


class InvalidJSON(InvalidRequest):
    fixed_code = "invalid_json"
    fixed_message = "We could not parse the JSON body of your request. Send one JSON object, encoded in UTF-8."


class Unable(InvalidRequest):
    """Asks for what the backend is not able to do, and what cannot be made for it."""


class Refused(Failure):
    """Raised by a hook that will not let a call through."""

    status, type, fixed_code = 403, "permission_error", "refused"
    fixed_message = "This request was refused."


class Unauthorized(Failure):
    """No key, or none that is valid: whatever is wrong with it, the answer is the same."""

    status, type, fixed_code = 401, INVALID, "invalid_api_key"
    fixed_message = (
        "No valid API key was provided. Send yours as `Authorization: Bearer KEY`, `api-key: KEY` or `x-api-key: KEY`."
    )

    def __init__(self) -> None:
        super().__init__(headers={"www-authenticate": "Bearer"})


class NotAllowed(Failure):
    """The key is valid, but not for this."""

    status, type, fixed_code = 403, "permission_error", "not_allowed"
    fixed_message = "This API key may not do that."


class TooManyRequests(Failure):
    """`headers` tell when to come back."""

    status, type, fixed_code = 429, "requests", "rate_limit_exceeded"
    fixed_message = "Too many requests. Wait a moment and try again."


class TooManyTokens(TooManyRequests):
    type = "tokens"
    fixed_message = "Too many tokens. Wait a moment and try again."


class QuotaSpent(TooManyRequests):
    """A budget is spent; trying again is of no use."""

    type, fixed_code = "insufficient_quota", "insufficient_quota"
    fixed_message = "The budget is spent. Ask whoever gave you the API key."

    def __init__(self, message: str | None = None, *, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message, headers={**(headers or {}), "x-should-retry": "false"})


class UnknownModel(Failure):
    status, type, fixed_code = 404, INVALID, "model_not_found"
    fixed_message = "The model does not exist or you do not have access to it. GET /v1/models lists the models."


class UnknownPath(Failure):
    status, type = 404, INVALID
    fixed_message = "Invalid URL. GET /docs lists the paths."


class UnknownResponse(Failure):
    status, type, fixed_code = 404, INVALID, "response_not_found"
    fixed_message = "No response is kept with this id: it never was, its time is over, or it is another key's."


class MethodNotAllowed(Failure):
    status, type, fixed_code = 405, INVALID, "method_not_supported"
    fixed_message = "Not allowed to use this method on this path."


class TooSlow(Failure):
    status, type, fixed_code = 408, INVALID, "request_timeout"
    fixed_message = "The request did not arrive in time. Send it faster, or send less."


class TooLarge(Failure):
    status, type, fixed_code = 413, INVALID, "request_too_large"
    fixed_message = "The request body is too large."


class Encoded(Failure):
    status, type, fixed_code = 415, INVALID, "unsupported_content_encoding"
    fixed_message = "Compressed request bodies are not supported. Send the JSON without a content-encoding."


class HeadersTooLarge(Failure):
    status, type, fixed_code = 431, INVALID, "headers_too_large"
    fixed_message = "The request headers are too large. At most 100 headers and 32 KiB are accepted."


class MalformedHTTP(Failure):
    status, type, fixed_code = 400, INVALID, "malformed_http"
    fixed_message = "This is not a valid HTTP/1.1 request."


class GatewayError(Failure):
    fixed_code = "gateway_error"
    fixed_message = "The gateway failed while answering. The request id finds the reason in its log."


class EmulationFailed(Failure):
    """What the backend lacks could not be made from what it said, however often it was asked."""

    status, fixed_code = 502, "emulation_failed"
    fixed_message = "The backend's answers could not be made into what was asked for."


class NotReady(Failure):
    status, type, fixed_code = 503, "service_unavailable_error", "gateway_not_ready"
    fixed_message = "The gateway is not ready yet. Try again in a moment."


class TooManyConnections(Failure):
    status, type, fixed_code = 503, "service_unavailable_error", "gateway_connections"
    fixed_message = "Too many connections are open. Try again in a moment."


class Overloaded(Failure):
    status, type, fixed_code = 503, "service_unavailable_error", "gateway_overloaded"
    fixed_message = "The gateway is answering as many requests as it can. Try again in a moment."

    def __init__(self, message: str | None = None, *, detail: str = "") -> None:
        super().__init__(message, detail=detail, headers={"retry-after": "1"})


class Draining(Failure):
    status, type, fixed_code = 503, "service_unavailable_error", "gateway_draining"
    fixed_message = "The gateway is shutting down. Send the request again."

    def __init__(self, message: str | None = None, *, detail: str = "") -> None:
        super().__init__(message, detail=detail, headers={"retry-after": "1", "connection": "close"})


class KeysUnavailable(Failure):
    status, type, fixed_code = 503, "service_unavailable_error", "keys_unavailable"
    fixed_message = "API keys cannot be looked up at the moment. Try again shortly."

    def __init__(self) -> None:
        super().__init__(headers={"retry-after": "1"})


class LimitsUnavailable(Failure):
    status, type, fixed_code = 503, "service_unavailable_error", "limits_unavailable"
    fixed_message = "Limits cannot be checked at the moment. Try again shortly."

    def __init__(self) -> None:
        super().__init__(headers={"retry-after": "1"})


class ResponsesUnavailable(Failure):
    status, type, fixed_code = 503, "service_unavailable_error", "responses_unavailable"
    fixed_message = "Responses that are kept cannot be read at the moment. Try again shortly."

    def __init__(self, *, detail: str = "") -> None:
        super().__init__(detail=detail, headers={"retry-after": "1"})


class DeadlineExceeded(Failure):
    status, fixed_code = 504, "deadline_exceeded"
    fixed_message = "The answer was not complete within the time that x-dragoman-timeout gives."

    def __init__(self, message: str | None = None, *, detail: str = "") -> None:
        super().__init__(message, detail=detail, headers={"x-should-retry": "false"})


class UpstreamFailure(Failure):
    """The backend did not answer as it should. What it said stays in `detail`, for the log."""

    status, fixed_code = 502, "upstream_error"
    fixed_message = "The backend failed to answer."
    asked = True
    """Whether the backend was really asked, and not spared because it is known to be down."""

    def again(self, seconds: float) -> Self:
        """The same failure for another call that is not even sent, with the seconds to wait."""
        spared = type(self)(self.message)
        spared.code, spared.asked = self.code, False
        spared.detail = "the backend was not asked, since it has failed of late"
        spared.headers = {**self.headers, "retry-after": str(max(1, ceil(seconds)))}
        return spared

    def told(self, request_id: str) -> str:
        return f"{self.message} (request id: {request_id})"


class UpstreamError(UpstreamFailure):
    fixed_message = "The backend reported an error."


class UpstreamRejected(InvalidRequest, UpstreamFailure):
    fixed_code = "upstream_rejected"
    fixed_message = "The backend did not accept this request."


class UpstreamNotFound(UpstreamRejected):
    """It answered 404 or 410, or said that it has forgotten the session."""


class UpstreamSessionLost(UpstreamFailure):
    fixed_code = "upstream_session_lost"
    fixed_message = "The backend has forgotten this conversation, and would not begin another."


class UpstreamLoginFailed(UpstreamFailure):
    fixed_code = "upstream_login_failed"
    fixed_message = "The gateway could not log in to the backend."


class UpstreamJobFailed(UpstreamFailure):
    fixed_code = "upstream_job_failed"
    fixed_message = "The backend took the job, but failed to do it."


class UpstreamJobTimeout(UpstreamFailure):
    status, fixed_code = 504, "upstream_job_timeout"
    fixed_message = "The backend did not finish the job in time."


class Unreachable(UpstreamFailure):
    specified = 500


class UpstreamDNSError(Unreachable):
    fixed_code = "upstream_dns_error"
    fixed_message = "The backend could not be found."


class UpstreamConnectError(Unreachable):
    fixed_code = "upstream_connect_error"
    fixed_message = "The backend could not be reached."


class UpstreamConnectTimeout(Unreachable):
    status, fixed_code = 504, "upstream_connect_timeout"
    fixed_message = "The backend could not be reached in time."


class UpstreamTLSError(Unreachable):
    fixed_code = "upstream_tls_error"
    fixed_message = "The backend could not be reached securely."


class UpstreamTimeout(UpstreamFailure):
    status, fixed_code = 504, "upstream_timeout"
    fixed_message = "The backend did not begin to answer in time."

    def __init__(self, message: str | None = None, *, detail: str = "") -> None:
        super().__init__(message, detail=detail, headers={"x-should-retry": "false"})


class UpstreamIdleTimeout(UpstreamFailure):
    status, fixed_code = 504, "upstream_idle_timeout"
    fixed_message = "The backend stopped in the middle of its answer."


class UpstreamDeadline(UpstreamFailure):
    status, fixed_code = 504, "upstream_deadline"
    fixed_message = "The backend did not finish its answer in time."


class UpstreamDisconnected(UpstreamFailure):
    fixed_code = "upstream_disconnected"
    fixed_message = "The backend closed the connection before its answer was complete."


class UpstreamProtocolError(UpstreamFailure):
    fixed_code = "upstream_protocol_error"
    fixed_message = "The backend did not answer in valid HTTP."


class UpstreamRedirectRefused(UpstreamFailure):
    fixed_code = "upstream_redirect_refused"
    fixed_message = "The backend redirected the request, which is not followed."


class UpstreamBadResponse(UpstreamFailure):
    fixed_code = "upstream_bad_response"
    fixed_message = "The backend's answer could not be understood."


class UpstreamNoText(UpstreamBadResponse):
    fixed_code = "upstream_no_text"
    fixed_message = "The backend's answer has no text where it should be."


class UpstreamBadEvent(UpstreamFailure):
    fixed_code = "upstream_bad_event"
    fixed_message = "A part of the backend's stream could not be understood."


class UpstreamBadContentType(UpstreamFailure):
    fixed_code = "upstream_bad_content_type"
    fixed_message = "The backend's answer is not of the expected type."


class UpstreamBadEncoding(UpstreamFailure):
    fixed_code = "upstream_bad_encoding"
    fixed_message = "The backend's answer is not encoded as it should be."


class UpstreamTooLarge(UpstreamFailure):
    fixed_code = "upstream_too_large"
    fixed_message = "The backend's answer is too large."


class UpstreamStreamRewrite(UpstreamFailure):
    fixed_code = "upstream_stream_rewrite"
    fixed_message = "The backend changed what it had already said."


class UpstreamAuthError(UpstreamFailure):
    fixed_code = "upstream_auth_error"
    fixed_message = "The backend did not accept the gateway's credentials."

    def __init__(self, message: str | None = None, *, detail: str = "") -> None:
        super().__init__(message, detail=detail, headers={"x-should-retry": "false"})


class UpstreamUnauthorized(UpstreamAuthError):
    """It answered 401: the credentials may be too old."""


class UpstreamRateLimited(UpstreamFailure):
    status, type, fixed_code = 429, "rate_limit_error", "upstream_rate_limited"
    fixed_message = "The backend receives too many requests. Slow down and try again."


class UpstreamUnavailable(UpstreamFailure):
    status, type, fixed_code = 503, "service_unavailable_error", "upstream_error"
    fixed_message = "The backend is not available at the moment. Try again later."


class UpstreamBusy(UpstreamFailure):
    status, type, fixed_code = 503, "service_unavailable_error", "upstream_busy"
    fixed_message = "The backend is answering as many requests as it may. Try again in a moment."

    def __init__(self, message: str | None = None, *, detail: str = "") -> None:
        super().__init__(message, detail=detail, headers={"retry-after": "1"})


class NoBackendAvailable(UpstreamFailure):
    status, type, fixed_code = 503, "service_unavailable_error", "no_backend_available"
    fixed_message = "None of this model's backends can be reached at the moment. Try again later."


class ConfigError(Exception):
    """A configuration that cannot be used. The message names the file, the line, the key and what would be right."""


class MemoryDown(Exception):
    """What outlives a call cannot be reached. The message is for the log."""


class NotKept(MemoryDown):
    """A value is larger than what is kept."""


class StoreDown(Exception):
    """The database of keys and usage cannot be used now. The message is for the log, and quotes no password."""


def check_keepable(value: bytes) -> None:
    """Raises NotKept."""
    if len(value) > LARGEST_KEPT:
        raise NotKept(f"a value of {len(value)} bytes is not kept: at most {LARGEST_KEPT} are")


def waited(failure: Failure) -> float:
    """How many seconds the backend says to wait; 0 if it does not say."""
    return float(failure.headers.get("retry-after", 0))


def upstream_failures(kind: type[UpstreamFailure] = UpstreamFailure) -> Iterator[type[UpstreamFailure]]:
    """Every way that a backend can fail."""
    yield kind
    for inner in kind.__subclasses__():
        yield from upstream_failures(inner)


def failure_named(code: str) -> UpstreamFailure | None:
    """The backend's failure of that code, if there is one."""
    return next((kind() for kind in upstream_failures() if kind.fixed_code == code), None)
