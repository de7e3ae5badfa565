"""Limits, as Anthropic's API tells of them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.units import shown_seconds, told_seconds
from tests.messages.asking import PATH
from tests.serving import gateway, http_backend, post
from tests.upstream import always, json_answer, listening

KEY = "sk-one-that-is-limited"
ASKED = {"model": "m", "max_tokens": 20, "messages": [{"role": "user", "content": "Hello"}]}


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_limits_are_told_by_anthropics_names_too(stream):
    keys = {"k": {"secret": KEY, "rpm": 2, "tpm": 90_000}}
    async with (
        listening(always(json_answer({"reply": "Hi there"}))) as upstream,
        gateway({**http_backend(upstream.url), "keys": keys}) as url,
    ):
        asked = {**ASKED, "stream": stream}
        heard = [await post(url, asked, path=PATH, **{"x-api-key": KEY}) for _ in range(3)]
        _, chat, _ = await post(url, {"model": "m", "messages": ASKED["messages"]}, **{"x-api-key": KEY})
    assert [status for status, _, _ in heard] == [200, 200, 429]
    for _, headers, _ in heard:
        for of in ("requests", "tokens"):
            for what in ("limit", "remaining"):
                assert headers[f"anthropic-ratelimit-{of}-{what}"] == headers[f"x-ratelimit-{what}-{of}"]
            reset = datetime.fromisoformat(headers[f"anthropic-ratelimit-{of}-reset"])
            assert timedelta(seconds=-2) < reset - datetime.now(UTC) < timedelta(minutes=2)
    assert int(heard[-1][1]["retry-after"]) > 0
    assert not [name for name in chat if name.startswith("anthropic-")]


@given(st.floats(0, 10_000))
def test_a_duration_that_was_shown_is_read_again(seconds):
    assert told_seconds(shown_seconds(seconds)) == pytest.approx(seconds, abs=1)
