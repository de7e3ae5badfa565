"""Token counts for a backend that does not tell them."""

import pytest

from dragoman import Chunk
from dragoman.counting import opened
from dragoman.counting.requests import prompt_tokens
from dragoman.emulation.usage import counted
from tests.emulation.saying import Saying, call, heard

COUNTER = opened("estimate")
CALL = {"index": 0, "id": "call_x", "type": "function", "function": {"name": "add", "arguments": '{"a": 1}'}}


@pytest.mark.parametrize("stream", [False, True])
def test_what_was_asked_and_answered_is_counted(stream):
    more = {"stream": True, "stream_options": {"include_usage": True}} if stream else {}
    usage = heard(counted(COUNTER)(Saying(["One two", " three"])), **more)["usage"]
    assert usage["prompt_tokens"] == prompt_tokens(call().request, COUNTER) > 0
    assert usage["completion_tokens"] == COUNTER.count("One two three")
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_what_the_backend_tells_is_not_counted_again():
    told = Chunk(usage={"prompt_tokens": 1, "completion_tokens": 2})
    assert heard(counted(COUNTER)(Saying(["many many words", told])))["usage"]["completion_tokens"] == 2


def test_calls_and_thoughts_count_as_what_they_say():
    usage = heard(counted(COUNTER)(Saying([Chunk(delta={"reasoning_content": "Hm, yes."}), Chunk(tool_calls=[CALL])])))[
        "usage"
    ]
    thoughts = COUNTER.count("Hm, yes.")
    assert usage["completion_tokens"] == thoughts + COUNTER.count('add{"a": 1}')
    assert usage["completion_tokens_details"] == {"reasoning_tokens": thoughts}
