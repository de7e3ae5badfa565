"""Events are the same however their bytes were sliced on the way."""

import json
from itertools import pairwise

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dragoman.errors import UpstreamTooLarge
from dragoman.mapping import framing as framings
from dragoman.mapping.framing import MAX_EVENT, MAX_EVENTS, NDJSON, SSE, JSONArray, NamedSSE

ENDS = st.sampled_from(["\n", "\r\n", "\r"])
NAMES = st.sampled_from(["", "token", "done", "ä", " x"])
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
OBJECTS = st.lists(st.dictionaries(LINE, JSON, max_size=3), max_size=4)
GAPS = st.text(" \t\r\n", max_size=3)
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


@st.composite
def named_streams(draw):
    """A stream of server-sent events that say their names now and then, and the names and data in it."""
    written, expected = draw(st.sampled_from(["", "\ufeff"])), []
    for names, texts in draw(st.lists(st.tuples(st.lists(NAMES, max_size=2), st.lists(LINE, max_size=2)), max_size=4)):
        lines = draw(st.permutations([("event", name) for name in names] + [("data", text) for text in texts]))
        written += "".join(f"{field}: {value}" + draw(ENDS.filter("\r".__ne__)) for field, value in lines) + "\n"
        name = next((value for field, value in reversed(lines) if field == "event"), "")
        data = "\n".join(value for field, value in lines if field == "data")
        expected += [(name.encode() or b"message", data.encode())] if name or data else []
    return written.encode(), expected


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


@given(named_streams(), CUTS)
def test_named_events_do_not_care_how_they_are_sliced(stream, cuts):
    written, expected = stream
    assert events(NamedSSE(), written, cuts) == expected
    assert events(NamedSSE(), written, range(len(written))) == expected


@given(streams(), CUTS)
def test_events_are_the_same_with_names_and_without(stream, cuts):
    written, expected = stream
    assert [data for _, data in events(NamedSSE(), written, cuts) if data] == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b"data: a\n\n", [(b"message", b"a")]),
        (b"event: x\ndata: a\n\ndata: b\n\n", [(b"x", b"a"), (b"message", b"b")]),
        (b"data: a\r\nevent:x\r\nevent:  y\r\n\r\n", [(b" y", b"a")]),
        (b"event: x\nevent:\ndata: a\n\n", [(b"message", b"a")]),
        (b"event: done\n\n", [(b"done", b"")]),
        (b"event: done\ndata:\n\n", [(b"done", b"")]),
        (b"event:\n\nevent: \ndata:\n\n: event: x\n\neventually: x\n\n", []),
        (BOM + b"event: done", [(b"done", b"")]),
    ],
)
def test_an_event_has_the_last_name_that_it_is_given(written, expected):
    assert events(NamedSSE(), written) == expected
    assert events(NamedSSE(), written, range(len(written))) == expected


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


@given(st.lists(st.tuples(JSON, GAPS, GAPS), max_size=6), GAPS, st.sampled_from([None, 1]), st.booleans(), CUTS)
@example([({"a": ['"}', "\\", '\\"]']}, "", "")], "", None, False, [3, 8, 9, 10, 15, 16])
def test_elements_of_an_array_do_not_care_how_they_are_sliced(values, gap, indent, marked, cuts):
    elements = [before + json.dumps(value, indent=indent) + after for value, before, after in values]
    written = ("\ufeff" * marked + gap + "[" + ",".join(elements) + "]" + gap).encode()
    for places in (cuts, range(len(written)), ()):
        assert [json.loads(event) for event in events(JSONArray(), written, places)] == [
            value for value, _, _ in values
        ]


@given(OBJECTS, st.sampled_from(["", ",", "\n", " , \r\n", "\n\n", "]\n["]), CUTS)
def test_objects_one_after_another_are_elements_too(values, gap, cuts):
    written = gap.join(json.dumps(value, ensure_ascii=False) for value in values).encode()
    assert [json.loads(event) for event in events(JSONArray(), written, cuts)] == values


@given(st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b'"', b"\\", b",", b" ", b"x", b"\xef\xbb\xbf"])), CUTS)
def test_garbage_is_the_same_garbage_however_it_is_sliced(parts, cuts):
    garbage = b"".join(parts)
    whole = events(JSONArray(), garbage)
    assert whole == events(JSONArray(), garbage, cuts) == events(JSONArray(), garbage, range(len(garbage)))
    assert sum(map(len, whole)) <= len(garbage)


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (b'{"a": [1, {"b": 2}]}', [b'{"a": [1, {"b": 2}]}']),
        (
            b'[1, -2.5e3,"a,]", true,null, [3, [4]] ,{}]',
            [b"1", b"-2.5e3", b'"a,]"', b"true", b"null", b"[3, [4]]", b"{}"],
        ),
        (b'[{"a":1},\n{"a":', [b'{"a":1}', b'{"a":']),
        (b"[1, 2", [b"1", b"2"]),
        (b'["a\\', [b'"a\\']),
        (b'{"a":1}\n[{"b":2}]{"c":3}', [b'{"a":1}', b'{"b":2}', b'{"c":3}']),
        (b"data: {}", [b"data:", b"{}"]),
        (b"}}]x", [b"}", b"}", b"x"]),
        (b'{"a": ]}', [b'{"a": ]', b"}"]),
        (b" \n[ ] ,", []),
        (b"", []),
        (BOM, []),
        (BOM[:2], [BOM[:2]]),
    ],
)
def test_what_is_no_json_is_left_to_its_reader(written, expected):
    assert events(JSONArray(), written) == expected
    assert events(JSONArray(), written, range(len(written))) == expected


def test_an_element_is_given_as_soon_as_it_is_whole():
    one = JSONArray()
    pieces = [b'[{"a":1', b"}", b",", b'"b', b'"', b" 1", b",", b"[", b"]", b"]"]
    assert [one.feed(piece) for piece in pieces] == [[], [b'{"a":1}'], [], [], [b'"b"'], [], [b"1"], [], [b"[]"], []]
    assert one.rest() == []


class Counting:
    """A pattern that counts how often it is asked, and the bytes that it passes."""

    asked = passed = 0

    def __init__(self, pattern):
        self._pattern = pattern

    def match(self, held, start):
        found = self._pattern.match(held, start)
        Counting.asked += 1
        Counting.passed += found.end() - start
        return found


LARGE = MAX_EVENT - 16
GARBAGE = {
    "letters": b"x" * LARGE,
    "depth": b'{"a":[' * (LARGE // 6),
    "quotes": b'{"' * (LARGE // 2),
    "escapes": b'["' + b'\\"' * (LARGE // 2),
    "backslashes": b'["' + b"\\" * LARGE,
    "commas": b", \n" * (LARGE // 3),
    "arrays": b"[]" * (LARGE // 2),
    "objects": b"{" + b'"[": {}, ' * (LARGE // 9),
    "noise": bytes(range(1, 256)) * (LARGE // 255),
}


@pytest.mark.parametrize("size", [1, 1000, MAX_EVENT])
@pytest.mark.parametrize("garbage", GARBAGE.values(), ids=GARBAGE)
def test_no_byte_of_garbage_is_passed_twice(monkeypatch, garbage, size):
    for name in ("_BETWEEN", "_BARE", "_QUOTED", "_TO_BRACKET"):
        monkeypatch.setattr(framings, name, Counting(getattr(framings, name)))
    monkeypatch.setattr(Counting, "asked", 0)
    monkeypatch.setattr(Counting, "passed", 0)
    garbage = garbage if size > 1 else garbage[:100_000]
    events(JSONArray(), garbage, range(0, len(garbage), size))
    assert Counting.passed <= len(garbage)
    assert Counting.asked <= 2 * len(garbage)


def test_what_stands_between_elements_is_bounded():
    one = JSONArray()
    for _ in range(3):
        assert one.feed(b"," * MAX_EVENT + b"{}") == [b"{}"]
    one.feed(b"\n" * MAX_EVENT)
    with pytest.raises(UpstreamTooLarge):
        one.feed(b"\n")


@pytest.mark.parametrize("framing", [SSE, NamedSSE, NDJSON, JSONArray])
@pytest.mark.parametrize("size", [1000, 65536, MAX_EVENT + 9])
def test_an_event_is_bounded_however_it_comes(framing, size):
    data = b"data:_" + b"x" * (MAX_EVENT + 1)
    with pytest.raises(UpstreamTooLarge):
        events(framing(), data, range(0, len(data), size))
    fits = data[: MAX_EVENT - 2] + b"\n\n"
    assert len(events(framing(), fits, range(0, len(fits), size))) == 1


@pytest.mark.parametrize(
    ("framing", "event"),
    [
        (SSE, b": x\n\n"),
        (SSE, b"\n\n"),
        (NamedSSE, b": x\n\n"),
        (NDJSON, b"1\n"),
        (NDJSON, b"\n"),
        (JSONArray, b"{}"),
        (JSONArray, b"1,"),
    ],
)
def test_the_number_of_events_is_bounded_even_of_silent_ones(framing, event):
    one = framing()
    one.feed(event * MAX_EVENTS)
    with pytest.raises(UpstreamTooLarge):
        one.feed(event)


@pytest.mark.parametrize("framing", [SSE, NamedSSE, NDJSON])
def test_what_is_fed_is_given_as_soon_as_it_is_whole(framing):
    one = framing()
    end = b"\n" if framing is NDJSON else b"\n\n"
    assert one.feed(BOM[:2]) == []
    assert len(one.feed(BOM[2:] + b"data: a" + end)) == 1
    assert one.feed(b"data: a" + end[:-1]) == []
    assert len(one.feed(end[-1:] + b"data: b")) == 1
    assert len(one.feed(end)) == 1
    assert one.rest() == []
