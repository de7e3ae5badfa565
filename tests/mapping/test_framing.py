"""Events are the same however their bytes were sliced on the way."""

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dragoman.errors import UpstreamTooLarge
from dragoman.mapping.framing import MAX_EVENT, MAX_EVENTS, NDJSON, SSE

ENDS = st.sampled_from(["\n", "\r\n", "\r"])
LINE = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n"), max_size=8)
SILENT = st.sampled_from([": ping", ":", "event: message", "id: 7", "retry: 3000", "unknown", "database: x"])
DATA = st.one_of(
    LINE.map(lambda text: (f"data: {text}", text)),
    LINE.filter(lambda text: not text.startswith(" ")).map(lambda text: (f"data:{text}", text)),
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | LINE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(LINE, inner, max_size=3),
    max_leaves=4,
)
CUTS = st.lists(st.integers(0, 400), max_size=12)
BOM = b"\xef\xbb\xbf"


def events(framing, data, cuts=()):
    """What a framing makes of the data, cut at these places."""
    places = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = [data[start:end] for start, end in pairwise(places)]
    return [event for piece in pieces for event in framing.feed(piece)] + framing.rest()


@st.composite
def streams(draw):
    """A stream of server-sent events with line ends of all kinds, and the data in it."""
    written, expected = draw(st.sampled_from(["", "\ufeff"])), []
    for lines in draw(
        st.lists(st.lists(st.one_of(SILENT.map(lambda line: (line, None)), DATA), max_size=4), max_size=4)
    ):
        for line, _ in lines:
            written += line + draw(ENDS)
        # after a lone CR, a LF would not be a line of its own
        written += draw(ENDS.filter(lambda end, so_far=written: not (so_far.endswith("\r") and end == "\n")))
        expected.append("\n".join(text for _, text in lines if text is not None))
    return written.encode(), [data.encode() for data in expected if data]


@given(streams(), CUTS)
def test_server_sent_events_do_not_care_how_they_are_sliced(stream, cuts):
    written, expected = stream
    assert events(SSE(), written, cuts) == expected


@given(streams())
def test_server_sent_events_may_come_byte_by_byte(stream):
    written, expected = stream
    assert events(SSE(), written, range(len(written))) == expected


@given(streams(), LINE.filter(bool), CUTS)
def test_an_event_that_the_end_cuts_off_counts(stream, text, cuts):
    written, expected = stream
    assert events(SSE(), written + b"data: " + text.encode(), cuts) == [*expected, text.encode()]


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data:a\r\n\r\ndata: b\r\rdata:  c\n\n", [b"a", b"b", b" c"]),
        (b"data: a\r\n\n", [b"a"]),
        (b"data: a\ndata: b\ndata:\ndata: c\n\n", [b"a\nb\n\nc"]),
        (BOM + b"data: a\n\n", [b"a"]),
        (BOM + BOM + b"data: a\n\n", []),
        (b"\n\n\n\ndata: a\n\n\n\n", [b"a"]),
        (b": ping\n\nretry: 1\n\nid: 3\ndata: a\nevent: x\n\ndata:\n\n", [b"a"]),
        ('data: {"a": "\u2028\x85\x0b\x0c\x1c"}\n\n'.encode(), ['{"a": "\u2028\x85\x0b\x0c\x1c"}'.encode()]),
        (b"data: [DONE]", [b"[DONE]"]),
        (b"data: \xff\xfe\n\n", [b"\xff\xfe"]),
        (b"", []),
        (BOM[:2], []),
    ],
)
def test_server_sent_events_are_read_as_the_standard_says(written, expected):
    assert events(SSE(), written) == expected
    assert events(SSE(), written, range(len(written))) == expected


@given(st.lists(st.tuples(JSON, ENDS, ENDS), max_size=6), st.booleans(), st.booleans(), CUTS)
@example([([], "\r", "\n")], True, False, [1, 2, 4])
def test_lines_of_json_do_not_care_how_they_are_sliced(values, marked, ended, cuts):
    written = "\ufeff" * marked + "".join(
        json.dumps(value, ensure_ascii=False) + end + more for value, end, more in values
    )
    written = written if ended else written.rstrip("\r\n")
    assert [json.loads(event) for event in events(NDJSON(), written.encode(), cuts)] == [
        value for value, _, _ in values
    ]


@pytest.mark.parametrize("framing", [SSE, NDJSON])
@pytest.mark.parametrize("size", [1000, 65536, MAX_EVENT + 9])
def test_an_event_is_bounded_however_it_comes(framing, size):
    data = b"data: " + b"x" * (MAX_EVENT + 1)
    with pytest.raises(UpstreamTooLarge):
        events(framing(), data, range(0, len(data), size))
    fits = data[: MAX_EVENT - 2] + b"\n\n"
    assert len(events(framing(), fits, range(0, len(fits), size))) == 1


@pytest.mark.parametrize(("framing", "event"), [(SSE, b": x\n\n"), (SSE, b"\n\n"), (NDJSON, b"1\n"), (NDJSON, b"\n")])
def test_the_number_of_events_is_bounded_even_of_silent_ones(framing, event):
    one = framing()
    one.feed(event * MAX_EVENTS)
    with pytest.raises(UpstreamTooLarge):
        one.feed(event)


@pytest.mark.parametrize("framing", [SSE, NDJSON])
def test_what_is_fed_is_given_as_soon_as_it_is_whole(framing):
    one = framing()
    end = b"\n\n" if framing is SSE else b"\n"
    assert one.feed(b"data: a" + end[:-1]) == []
    assert len(one.feed(end[-1:] + b"data: b")) == 1
    assert len(one.feed(end)) == 1
    assert one.rest() == []
