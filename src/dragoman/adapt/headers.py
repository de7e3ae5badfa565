"""Which headers of a command say something to the API, and which a browser or a shell sends of its own."""

from collections.abc import Mapping

from dragoman.adapt.asked import literal
from dragoman.adapt.texts import name_of
from dragoman.adapt.vocabulary import NOISE, words

PER_CALL = words(
    "idempotency_key x_idempotency_key x_request_id request_id x_correlation_id x_trace_id x_amzn_trace_id"
)
BEGINNINGS = (
    "sec_",
    "accept",
    "x_stainless",
    "x_forwarded",
    "cf_",
    "x_amz_date",
    "x_amz_content",
    "content_type",
    "if_",
)
HOP = words("host connection content_length content_type accept_encoding transfer_encoding expect te keep_alive")


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that a backend is to send, as templates."""
    return {
        name: "{{ uuid() }}" if name_of(name) in PER_CALL else literal(value)
        for name, value in headers.items()
        if name_of(name) not in NOISE and not name_of(name).startswith(BEGINNINGS)
    }


def sent_once(headers: Mapping[str, str]) -> dict[str, str]:
    """The headers for sending the command as it is, without those that the connection makes itself."""
    return {name: value for name, value in headers.items() if name_of(name) not in HOP}
