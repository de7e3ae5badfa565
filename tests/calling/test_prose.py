"""Text without calls comes back as it is, whatever it looks like, and nothing in it raises."""

from hypothesis import given
from hypothesis import strategies as st

from dragoman.calling.reading import Called, Calls, Ended, Said
from tests.calling.test_corpus import folded
from tests.emulation.saying import sliced

TOOLS = {"get_weather": "function", "shell": "custom"}
WORDS = [
    *("<", ">", "</", "{", "}", "[", "]", "(", ")", '"', "'", "`", "```", "\n", " ", ",", ":", "\\", "|", "#", "~~~"),
    *(
        "tool_call",
        "get_weather",
        "name",
        "arguments",
        "function",
        "json",
        "python",
        "Action:",
        "Action Input:",
        "think",
    ),
    *("<tool_call>", "</tool_call>", '{"name": "get_weather"', '"arguments": {"city": "Paris"}', "[TOOL_CALLS]"),
    *(
        "<|python_tag|>",
        "<function=get_weather>",
        "</function>",
        "<｜tool▁calls▁begin｜>",
        "functools",
        "Hello",
        "你好",
        "1",
    ),
]
TEXTS = st.lists(st.sampled_from(WORDS), max_size=14).map("".join) | st.text(max_size=40)


def events(pieces):
    reading = Calls(TOOLS)
    return folded([event for piece in pieces for event in reading.feed(piece)] + reading.end())


@given(sliced(TEXTS))
def test_any_text_is_read_alike_however_it_is_sliced(case):
    text, pieces = case
    assert events(pieces) == events([text])


@given(TEXTS)
def test_text_without_a_call_is_not_changed(text):
    heard = events([text])
    if all(isinstance(event, Said) for event in heard):
        assert "".join(event.text for event in heard) == text


@given(TEXTS)
def test_each_call_that_begins_ends(text):
    heard = events([text])
    assert sum(isinstance(event, Called) for event in heard) == sum(isinstance(event, Ended) for event in heard)


def test_plain_text_flows_at_once():
    reading = Calls(TOOLS)
    for piece in ("Let me ", "think about", " it. 1 < 2 and", " {x} is a set.\n", "So: yes."):
        assert "".join(event.text for event in reading.feed(piece)).strip()
