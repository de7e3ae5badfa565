"""A request is made from templates: what a caller says can stand in it, but neither break it nor lead elsewhere."""

import json
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from dragoman import ChatRequest
from dragoman.errors import Failure, GatewayError, InvalidRequest, UpstreamBadResponse
from dragoman.mapping.requests import ANSWERED, Asking, Sender, merged
from dragoman.mapping.variables import variables
from dragoman.outgoing import Outgoing

BASE = "https://backend.example:8443"
TEXT = st.text(st.characters(exclude_categories=["Cs"]))
FRAGMENTS = [
    ".",
    "..",
    "/",
    "%",
    "2e",
    "2E",
    "2f",
    "5c",
    "25",
    ";",
    "?",
    "#",
    "\\",
    "&",
    "=",
    "@",
    ":",
    " ",
    "\n",
    "a",
    "ä",
]
IN_A_PATH = TEXT | st.lists(st.sampled_from(FRAGMENTS), max_size=8).map("".join)


def made(url: str = "/chat", /, values: dict[str, Any] | None = None, **options: Any) -> Outgoing:
    """The request that these options make, asked about an earlier answer if there is one among the values."""
    names = {"names": ANSWERED} if "answer" in (values or {}) else {}
    whole = url if url.startswith("{{") else f"{BASE}{url}"
    return Sender(Asking(url=whole, **options), BASE, **names).made(values or {})


def tried(*given: Any, **options: Any) -> Outgoing | Failure:
    """The request, or why there is none."""
    try:
        return made(*given, **options)
    except Failure as failure:
        return failure


def asked(text: str = "Hello", **more: Any) -> dict[str, Any]:
    """The variables of a caller's request."""
    request = ChatRequest.model_validate({"model": "m", "messages": [{"role": "user", "content": text}], **more})
    return variables(request, frozenset({"last_user", "user", "temperature", "stops", "model", "ext"}))


def pairs(query: str) -> list[tuple[str, str]]:
    return parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query), separator="&")


def as_servers_read(path: str) -> list[str]:
    """The path as it is, and as servers have it that decode it once, twice and so on."""
    read = [path]
    while (decoded := unquote(read[-1])) != read[-1]:
        read.append(decoded)
    return read


@given(IN_A_PATH)
@example("..")
@example("a/../../b")
@example("a/%2e%2e/b")
@example("%2e%2e%2fadmin")
@example("%252e%252e/b")
@example("..;/admin")
@example("a?b=c")
@example("//elsewhere.example/")
@example("\u2028")
def test_a_value_stands_below_the_path_before_it_or_is_refused(value):
    sent = tried("/v1/models/{{ model }}/run?alt=json", {"model": value})
    if isinstance(sent, Failure):
        assert (type(sent), sent.code) == (InvalidRequest, "invalid_value")
        return
    path, _, query = sent.target.partition("?")
    assert path.startswith("/v1/models/")
    assert path.endswith("/run")
    assert query == "alt=json"
    assert path.isascii()
    assert path.isprintable()
    assert not set(path) & set("#\\ ")
    read = as_servers_read(path)
    assert read[min(1, len(read) - 1)] == f"/v1/models/{value}/run"
    assert not {".", ".."} & {segment.partition(";")[0] for each in read for segment in each.split("/")}


@pytest.mark.parametrize(
    "value", ["@cf/meta/llama-3.1-8b", "anthropic.claude-v1:0", "ft:gpt:org::x", "é 1.5", "a%b", "...", "a..b", "100%"]
)
def test_names_of_models_can_stand_in_a_path(value):
    target = made("/models/{{ model }}/run", {"model": value}).target
    assert unquote(target) == f"/models/{value}/run"


@pytest.mark.parametrize(
    ("url", "values"),
    [
        ("/a/.{{ model }}/b", {"model": "."}),
        ("/a/{{ model }}.", {"model": "."}),
        ("/a/{{ model }}{{ user }}/b", {"model": ".", "user": "."}),
        ("/{{ user }}/{{ model }}", {"user": "", "model": "elsewhere.example"}),
    ],
)
def test_values_cannot_lead_elsewhere_together(url, values):
    with pytest.raises(InvalidRequest):
        made(url, values)


@given(TEXT)
def test_a_value_in_the_urls_query_is_one_value(value):
    target = made("/chat?q={{ last_user }}&fixed=1", {"last_user": value}).target
    assert pairs(target.removeprefix("/chat?")) == [("q", value), ("fixed", "1")]


@given(TEXT, st.lists(TEXT, min_size=1, max_size=3))
def test_the_query_holds_texts_and_lists_as_they_are(text, texts):
    query = {"q": "{{ last_user }}", "s": "{{ stops }}", "none": "{{ temperature }}", "n": 3}
    target = made("/chat?x=1", {"last_user": text, "stops": texts}, query=query).target
    expected = [("x", "1"), ("q", text), *(("s", each) for each in texts), ("n", "3")]
    assert pairs(target.removeprefix("/chat?")) == expected


@pytest.mark.parametrize(("url", "target"), [("", "/"), ("/a", "/a"), ("/a?b=c", "/a?b=c"), ("?b=c", "/?b=c")])
def test_a_path_is_always_there_and_a_question_mark_only_if_something_follows(url, target):
    assert made(url, query={"t": "{{ temperature }}"}).target == made(url).target == target


@given(TEXT)
@example("Bearer x\r\nX-Evil: 1")
@example("caf\u00e9")
@example("\x7f")
def test_a_value_stands_in_a_header_as_it_is_or_is_the_callers_fault(value):
    sent = tried(values={"user": value}, headers={"X-User": "u={{ user }}"})
    if value.isascii() and value.isprintable():
        assert isinstance(sent, Outgoing)
        assert sent.headers == {"X-User": f"u={value}"}
    else:
        assert isinstance(sent, InvalidRequest)
        assert sent.code == "invalid_value"


def test_a_header_without_a_value_is_left_out_and_others_are_written_as_json():
    headers = {"X-User": "{{ user }}", "X-T": "{{ temperature }}", "X-Stops": "{{ stops }}", "X-Fixed": "yes"}
    assert made(values=asked(temperature=0.5), headers=headers).headers == {"X-T": "0.5", "X-Fixed": "yes"}
    assert made(values=asked(stop=["a", "b"]), headers=headers).headers["X-Stops"] == '["a","b"]'


def test_a_body_has_its_type_and_what_is_undefined_is_left_out_of_it():
    sent = made(values=asked("Grüß\n"), request={"q": "{{ last_user }}", "in": {"t": "{{ temperature }}", "n": None}})
    assert (sent.method, sent.target) == ("POST", "/chat")
    assert sent.headers == {"Content-Type": "application/json"}
    assert json.loads(sent.body) == {"q": "Grüß\n", "in": {"n": None}}


@pytest.mark.parametrize("template", [["{{ last_user }}", 1], "{{ ext }}", {}])
def test_a_body_may_be_any_json(template):
    sent = made(values=asked(top_k=3), request=template)
    assert json.loads(sent.body) == {"list": ["Hello", 1], "str": {"top_k": 3}, "dict": {}}[type(template).__name__]


@given(TEXT, TEXT)
def test_a_form_holds_whatever_it_is_given(text, stop):
    fields = {"q": "{{ last_user }}", "s": "{{ stops }}", "none": "{{ user }}", "o": {"a": [True]}}
    sent = made(values={"last_user": text, "stops": [stop, ""]}, request=fields, request_format="form")
    assert sent.headers == {"Content-Type": "application/x-www-form-urlencoded"}
    assert pairs(sent.body.decode()) == [("q", text), ("s", stop), ("s", ""), ("o", '{"a":[true]}')]


@given(TEXT)
def test_a_text_is_sent_as_it_is(text):
    sent = made(values={"last_user": text}, request="{{ last_user }}", request_format="text")
    assert sent.headers == {"Content-Type": "text/plain; charset=utf-8"}
    assert sent.body.decode() == text


def test_a_text_of_another_type_is_its_json():
    sent = made(values=asked(temperature=1), request="{{ temperature }}", request_format="text")
    assert sent.body == b"1"


@pytest.mark.parametrize("method", ["GET", "DELETE", "POST"])
def test_a_request_without_a_body_has_no_type(method):
    sent = made("/chat?q={{ last_user }}", asked("a b"), method=method)
    assert sent == Outgoing(method, "/chat?q=a%20b", {}, b"")


def test_a_body_whose_template_is_undefined_is_empty():
    assert made(values=asked(), request="{{ user }}").body == b""


def test_what_is_undefined_cannot_stand_in_a_url():
    with pytest.raises(GatewayError) as caught:
        made("/u/{{ user }}", asked())
    assert (caught.value.code, caught.value.detail) == ("template_failed", "url: 'user' is undefined")


def test_a_sender_names_what_it_speaks_of():
    parts = {"headers": {"X": "{{ user }}"}, "query": {"t": "{{ temperature }}"}, "request": ["{{ stops }}"]}
    assert Sender(Asking(url=f"{BASE}/{{{{ model }}}}", **parts), BASE).names == {
        "model",
        "user",
        "temperature",
        "stops",
    }


@pytest.mark.parametrize(
    ("given", "target"),
    [
        (f"{BASE}/jobs/1", "/jobs/1"),
        (f"{BASE}/jobs/1?key=a%20b&c=?", "/jobs/1?key=a%20b&c=?"),
        (f"{BASE}/jobs/ä b%2F", "/jobs/%C3%A4%20b%2F"),
        ("/jobs/1", "/jobs/1"),
        ("/jobs?u=https://elsewhere.example/..", "/jobs?u=https://elsewhere.example/.."),
    ],
)
def test_the_backend_may_say_where_its_answer_will_be(given, target):
    values = {"answer": {"urls": {"get": given}}}
    assert made("{{ answer.urls.get }}", values, method="GET").target == target
    assert made("{{ answer.urls.get }}", values, query={"a": 1}).target == f"{target}{'&' if '?' in target else '?'}a=1"


@pytest.mark.parametrize(
    "given",
    [
        *("https://elsewhere.example/jobs/1", "http://backend.example:8443/jobs/1", f"{BASE}0/jobs/1"),
        *(f"{BASE}@elsewhere.example/", f"{BASE}.elsewhere.example/", "https://backend.example/jobs/1"),
        *("//elsewhere.example/", f"{BASE}//elsewhere.example/", "\\\\elsewhere.example", f"{BASE}\\a", "jobs/1", ""),
        *(
            f"{BASE}/a/../b",
            f"{BASE}/a/%2e%2E/b",
            f"{BASE}/a#b",
            f"{BASE}/a\r\nX-Evil: 1",
            BASE,
            "javascript:1",
            7,
            [],
            None,
        ),
    ],
)
def test_the_backend_cannot_send_its_login_elsewhere(given):
    with pytest.raises(UpstreamBadResponse):
        made("{{ answer.urls.get }}", {"answer": {"urls": {"get": given}}})


@given(IN_A_PATH)
def test_an_id_of_the_backend_stands_below_its_path_or_is_the_backends_fault(id):
    sent = tried("/jobs/{{ answer.id }}/cancel", {"answer": {"id": id}})
    if isinstance(sent, Failure):
        assert isinstance(sent, UpstreamBadResponse)
        assert sent.message == UpstreamBadResponse.fixed_message
    else:
        assert sent.target.startswith("/jobs/")
        assert sent.target.endswith("/cancel")


@pytest.mark.parametrize("answer", [{}, {"id": None}, {"id": "../1"}, "text", [1]])
def test_an_answer_without_a_good_id_is_the_backends_fault(answer):
    with pytest.raises(UpstreamBadResponse):
        made("/jobs/{{ answer.id }}", {"answer": answer})


@pytest.mark.parametrize(
    ("base", "over", "both"),
    [
        ({"a": 1, "b": {"c": 2}}, {"b": {"d": 3}}, {"a": 1, "b": {"c": 2, "d": 3}}),
        ({"a": [1]}, {"a": [2]}, {"a": [2]}),
        ({"a": {"b": 1}}, {"a": "{{ user }}"}, {"a": "{{ user }}"}),
        ({"a": 1}, None, {"a": 1}),
        (None, {"a": 1}, {"a": 1}),
        ({"a": 1}, {"a": None}, {"a": 1}),
        ("{{ prompt }}", {"a": 1}, {"a": 1}),
    ],
)
def test_objects_are_merged_and_everything_else_is_replaced(base, over, both):
    assert merged(base, over) == both
