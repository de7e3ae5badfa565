"""What a caller is told of its limits: OpenAI's headers, and refusals."""

from math import ceil, inf

from dragoman.errors import QuotaSpent, TooManyRequests, TooManyTokens
from dragoman.limits import Taken, Want
from dragoman.meter.wants import Line, Lines
from dragoman.units import shown_seconds

NAMES = {
    of: tuple(f"x-ratelimit-{what}-{of}" for what in ("limit", "remaining", "reset")) for of in ("requests", "tokens")
}


def headers(lines: Lines, taken: Taken) -> dict[str, str]:
    """`x-ratelimit-{limit,remaining,reset}-{requests,tokens}`, of those limits that have least left."""
    told: dict[str, str] = {}
    for of, places in lines.places.items():
        if places:
            place = min(places, key=taken.left.__getitem__) if len(places) > 1 else places[0]
            limit, remaining, reset = NAMES[of]
            told[limit] = lines[place].told
            told[remaining] = str(taken.left[place])
            told[reset] = shown_seconds(taken.reset[place])
    return told


def refusal(line: Line, want: Want, wait: float) -> TooManyRequests:
    """Why a call does not fit, and when it would."""
    if line.of == "budget":
        return QuotaSpent(f"The budget of {line.scope} is spent: {line.budget}. Ask whoever gave you the API key.")
    if line.of == "places":
        told = f"The limit of {line.scope} is reached: {line.limit} requests at once. Wait for one to end."
        return TooManyRequests(told, headers={"retry-after": "1"})
    if wait == inf:
        told = (
            f"The request is too large: the limit of {line.scope} is {line.limit} tokens a minute, and it may need "
            f"{getattr(want, 'least', 0)}. Shorten it, or ask for fewer with `max_tokens`."
        )
        return TooManyTokens(told, headers={"x-should-retry": "false"})
    told = f"The limit of {line.scope} is reached: {line.limit} {line.of} a minute. Try again in {shown_seconds(wait)}."
    later = {"retry-after": str(max(1, ceil(wait))), "retry-after-ms": str(max(1, ceil(wait * 1000)))}
    return (TooManyTokens if line.of == "tokens" else TooManyRequests)(told, headers=later)
