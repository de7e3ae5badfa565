"""JSON as models write it means what they meant."""

import pytest

from tests.mending.mended import mended, one_by_one

SLOPPY = [
    # quotes of other kinds
    ("{'a': 'b'}", {"a": "b"}),
    ("{'a': 'it\\'s', 'b': 'it's \"so\"'}", {"a": "it's", "b": 'it\'s "so"'}),
    ("{`a`: `b\nc`}", {"a": "b\nc"}),
    ("{“a”: “b”, „c“: „d”, ‘e’: ‘it’s’}", {"a": "b", "c": "d", "e": "it’s"}),
    ('{“a": “say "x" or so"}', {"a": 'say "x" or so'}),
    ("{«a»: «b»}", {"a": "b"}),
    ('{"a": """He said "no"\n""", \'b\': \'\'\'it\'s\'\'\'}', {"a": 'He said "no"\n', "b": "it's"}),
    ("""{"a": "", 'b': '', "c": [""]}""", {"a": "", "b": "", "c": [""]}),
    # no quotes
    ("{a: 1, b_c: 2, $d: 3, e-f: 4, first name: 5}", {"a": 1, "b_c": 2, "$d": 3, "e-f": 4, "first name": 5}),
    ("{1: 'a', None: 2}", {"1": "a", "None": 2}),
    ("{name: John Smith, town: Zürich\n age: 5}", {"name": "John Smith", "town": "Zürich", "age": 5}),
    ("{url: https://a.b/c?d=e, at: 12:30}", {"url": "https://a.b/c?d=e", "at": "12:30"}),
    ("[2024-01-02, v1.2, a@b.c]", ["2024-01-02", "v1.2", "a@b.c"]),
    ("{path: /usr/bin, weight: 12 kg // or so\n}", {"path": "/usr/bin", "weight": "12 kg"}),
    ("[red, green blue]", ["red", "green blue"]),
    # commas and colons
    ('{"a": [1, 2,], "b": 3,}', {"a": [1, 2], "b": 3}),
    ('[,1,, 2,,]', [1, 2]),
    ('{"a": 1 "b": "x" "c": [1 2 "y" "z"]}', {"a": 1, "b": "x", "c": [1, 2, "y", "z"]}),
    ('{"a": "x"\n "b": true\n c: {"d": 1}\n "e": 2}', {"a": "x", "b": True, "c": {"d": 1}, "e": 2}),
    ('[1\n2\n{"f": 1} {}]', [1, 2, {"f": 1}, {}]),
    ('["a"\n5\n"b" "c"]', ["a", 5, "b", "c"]),
    ('{"a" 1, "b" "x", "c" [1]}', {"a": 1, "b": "x", "c": [1]}),
    ('{"a" = 1, "b" => "x", c=2, d:: 3}', {"a": 1, "b": "x", "c": 2, "d": 3}),
    ("{a: 1; b: x;y\n}", {"a": 1, "b": "x;y"}),
    ('{"a": 1, "b"}', {"a": 1, "b": None}),
    ('{"a": , "b": }', {"a": None, "b": None}),
    ('{"a": 1, "a": 2}', {"a": 2}),
    # literals and numbers
    ("[True, False, TRUE, None, undefined, NaN, Infinity, -Infinity, inf]", [True, False, True] + 6 * [None]),
    ("[+1, .5, -.5, 1., 01, -007, 1_000, 0x1F, -0xff, 0b11, 0o17]", [1, 0.5, -0.5, 1.0, 1, -7, 1000, 31, -255, 3, 15]),
    ("[1e5, 1E+2, 1e, 2.5e-, 10n, 1.5f, 0_0]", [1e5, 1e2, 1, 2.5, 10, 1.5, 0]),
    ("[50%, 12px, 1.2.3, 0x, -]", ["50%", "12px", "1.2.3", "0x", "-"]),
    # comments and what was left out
    ('{// one\n"a": 1, /* two, "b": 3 */ "c": 4 # five\n}', {"a": 1, "c": 4}),
    ('["a", // "b",\n "c" /**/, /* * */ "d" # e\n]', ["a", "c", "d"]),
    ("[1, 2, ...]", [1, 2]),
    ("[..., 1, ..., 2 …]", [1, 2]),
    ('{"a": 1, "b": ..., ...}', {"a": 1, "b": None}),
    # within texts
    ('{"a": "one\ntwo\tthree\r\nfour\x01"}', {"a": "one\ntwo\tthree\r\nfour\x01"}),
    (r'{"a": "C:\Users\dan", "b": "\d+\.\w"}', {"a": "C:\\Users\\dan", "b": r"\d+\.\w"}),
    (r'["it\'s", "\`x\`", "\_a\_", "\$5", "\x41\xe9", "\U0001F600"]', ["it's", "`x`", "_a_", "$5", "Aé", "😀"]),
    (r'["\ud83d\ude00", "\ud83d", "\ude00", "\ud83d\ud83d\ude00"]', ["😀", "\ufffd", "\ufffd", "\ufffd😀"]),
    (r'["\u12", "\u", "\xg1", "\ud8"]', [r"\u12", r"\u", r"\xg1", r"\ud8"]),
    ('["make \\\nall"]', ["make \\\nall"]),
    # quotes that nobody escaped
    ('{"a": "He said "hi" to me", "b": 1}', {"a": 'He said "hi" to me', "b": 1}),
    ('{"a": "He said "hi"", "b": "so "well""}', {"a": 'He said "hi"', "b": 'so "well"'}),
    ('{"a": "5" tall", "b": "an 8", or more"}', {"a": '5" tall', "b": 'an 8", or more'}),
    ('{"a": "She said "yes", "no", and left", "b": 1}', {"a": 'She said "yes", "no", and left', "b": 1}),
    ('["say "x" now", "and "y"", "z"]', ['say "x" now', 'and "y"', "z"]),
    ('["say ""x"" now"]', ['say ""x"" now']),
    ('{"a": {"code": "print("{}".format("x"))", "b": 2}}', {"a": {"code": 'print("{}".format("x"))', "b": 2}}),
    ('{"a": {"b": "use "}" here"}, "c": [["use "]" here"]]}', {"a": {"b": 'use "}" here'}, "c": [['use "]" here']]}),
    ('{"the "best" one": 1}', {'the "best" one': 1}),
    ('{"a": "<a href="x">y</a>", "b": 1}', {"a": '<a href="x">y</a>', "b": 1}),
    # as Python and JavaScript write values
    ("{'a': (1, 2), 'b': {1, 2}, 'c': {'x'}, 'd': ()}", {"a": [1, 2], "b": [1, 2], "c": ["x"], "d": []}),
    ("{'a': Decimal('1.5'), 'b': new Date(2020), 'c': set()}", {"a": ["1.5"], "b": [2020], "c": []}),
    ("{'a': b'x', u'b': r\"y\"}", {"a": "x", "b": "y"}),
    ('{"a": "b" + "c" +\n \'d\', "e": 1}', {"a": "bcd", "e": 1}),
    ("{(1, 2), (3, 4)}", [[1, 2], [3, 4]]),
    ("{'a': {}, 'b': {...}}", {"a": {}, "b": {}}),
    # brackets
    ('{"a": [1, 2}, ', {"a": [1, 2]}),
    ('{"a": {"b": [1, {"c": 2]}}', {"a": {"b": [1, {"c": 2}]}}),
    ('{"a": {"b": 1], "c": 2}', {"a": {"b": 1}, "c": 2}),
    ('{"a": ["x", "y"}', {"a": ["x", "y"]}),
    ('{{"a": {{"b": 1}}}}', {"a": {"b": 1}}),
    ('[{"a": 1}, {"b": 2)]', [{"a": 1}, {"b": 2}]),
    ('{"城市"： "广州"，"天"：3}', {"城市": "广州", "天": 3}),
]  # fmt: skip


@pytest.mark.parametrize(("text", "value"), SLOPPY, ids=[text for text, _ in SLOPPY])
def test_it_is_read_as_it_was_meant(text, value):
    assert mended(text).value == value
    assert one_by_one(text) == mended(text)
