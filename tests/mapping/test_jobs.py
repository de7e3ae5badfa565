"""Backends that take a job and are asked again and again until it is done."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.http11 import asking, connected
from tests.mapping.asking import ask, mapped
from tests.serving import QUESTION, gateway
from tests.upstream import Connection, Received, Upstream, json_answer, listening
from tests.watching import becomes

CALLERS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
WAITING: dict[str, Any] = {"id": "j1", "done": False}
DONE: dict[str, Any] = {
    "id": "j1",
    "done": True,
    "text": "Here you are.",
    "why": "max_tokens",
    "used": {"in": 3, "out": 4},
}
RESPONSE = {"text": "text", "finish": "why", "usage": {"prompt": "used.in", "completion": "used.out"}, "error": "error"}


@dataclass
class Worker:
    """A backend that takes jobs: its answers, one for each request; the last is said again and again."""

    answers: list[bytes]
    came: list[float] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: list[Received] = field(default_factory=list)

    async def __call__(self, connection: Connection, received: Received) -> None:
        if "/cancel" in received.head:
            self.cancelled.append(received)
            await connection.send(json_answer({}))
            return
        self.came.append(time.perf_counter())
        await connection.send(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])

    @property
    def pauses(self) -> list[float]:
        return [after - before for before, after in zip(self.came, self.came[1:], strict=False)]


@asynccontextmanager
async def working(*answers: Any, response: Any = None, **poll: Any) -> AsyncIterator[tuple[str, Worker, Upstream]]:
    """A gateway before a backend that takes jobs. Answers are JSON, or bytes; `UP` in texts is the backend's URL."""
    worker = Worker([])
    top = poll.pop("top", {})
    async with listening(worker) as upstream:

        def placed(value: Any) -> Any:
            return json.loads(json.dumps(value).replace("UP", upstream.url))

        worker.answers = [one if isinstance(one, bytes) else json_answer(placed(one)) for one in answers]
        options = placed({"url": "UP/jobs/{{ answer.id }}", "until": "done", "every": "5ms", **poll})
        config = mapped(f"{upstream.url}/jobs", {**RESPONSE, **(response or {})}, poll=options, **top)
        async with gateway(config) as url:
            yield url, worker, upstream


def heads(upstream: Upstream) -> list[str]:
    return [received.head.removesuffix(" HTTP/1.1") for received in upstream.requests]


CANCEL = {"cancel": {"url": "UP/jobs/{{ answer.id }}/cancel"}}


@CALLERS
async def test_a_job_is_asked_for_until_it_is_done(stream: bool):
    async with working(WAITING, WAITING, WAITING, DONE, **CANCEL) as (url, worker, upstream):
        heard = await ask(url, stream)
    assert (heard.text, heard.finish, heard.usage["total_tokens"]) == ("Here you are.", "length", 7)
    assert heads(upstream) == ["POST /jobs", *["GET /jobs/j1"] * 3]
    assert [received.body for received in upstream.requests[1:]] == [b""] * 3
    assert not worker.cancelled


@CALLERS
async def test_what_is_done_at_once_is_not_asked_for(stream: bool):
    async with working(DONE, **CANCEL) as (url, worker, upstream):
        heard = await ask(url, stream)
    assert (heard.text, heads(upstream), worker.cancelled) == ("Here you are.", ["POST /jobs"], [])


async def test_the_question_after_a_job_may_have_all_parts():
    poll = {
        "method": "PUT",
        "query": {"job": "{{ answer.id }}", "none": "{{ answer.none }}"},
        "headers": {"X-Job": "{{ answer.id }}"},
        "request": {"model": "{{ model }}", "job": "{{ answer }}", "seed": "{{ seed }}"},
        "url": "UP/poll?a=1",
    }
    async with working(WAITING, DONE, **poll) as (url, _, upstream):
        heard = await ask(url, seed=7, temperature=1)
    polled = upstream.requests[1]
    assert heads(upstream)[1] == "PUT /poll?a=1&job=j1"
    assert polled.json == {"model": "m", "job": WAITING, "seed": 7}
    assert (polled.headers["x-job"], polled.headers["content-type"]) == ("j1", "application/json")
    assert heard.ignored == "temperature"


@pytest.mark.parametrize("given", ["UP/jobs/j%201?x=a%26b&y", "/jobs/j%201?x=a%26b&y"], ids=["URL", "path"])
async def test_the_answer_may_say_where_to_ask(given: str):
    submitted = {**WAITING, "urls": {"get": given, "cancel": "UP/jobs/cancel?j"}}
    async with working(submitted, DONE, url="{{ answer.urls.get }}") as (url, _, upstream):
        assert (await ask(url)).text == "Here you are."
    assert heads(upstream)[1] == "GET /jobs/j%201?x=a%26b&y"


FOREIGN = [
    "http://127.0.0.1:9/jobs",
    "https://example.com/jobs",
    "UP.example.com/jobs",
    "UP@example.com/jobs",
    "UP:80/jobs",
    "UP",
    "//example.com/jobs",
    "/a/../b",
    "/a\\b",
    "/a b\r\nX: 1",
    "file:///etc/passwd",
    "",
    7,
    None,
    ["UP/jobs"],
]


@CALLERS
@pytest.mark.parametrize("given", FOREIGN, ids=repr)
async def test_the_answer_leads_to_no_other_place(given: Any, stream: bool):
    async with working({**WAITING, "where": given}, DONE, url="{{ answer.where }}") as (url, _, upstream):
        heard = await ask(url, stream)
    assert (heard.status, heard.error["code"]) == (502, "upstream_bad_response")
    assert heads(upstream) == ["POST /jobs"]


@pytest.mark.parametrize("id", ["../admin", "..", "a?b", "a#b", "/etc", "a\\b", None, {}], ids=repr)
async def test_an_id_leads_to_no_other_path(id: Any):
    async with working({"id": id}, DONE) as (url, _, upstream):
        heard = await ask(url)
    if id == {}:
        assert heads(upstream)[1] == "GET /jobs/%7B%7D"
        return
    assert (heard.status, heard.error["code"]) == (502, "upstream_bad_response")
    assert heads(upstream) == ["POST /jobs"]


# Waiting


async def test_the_pauses_grow_up_to_the_longest():
    async with working(*[WAITING] * 7, DONE, every="20ms", backoff=2, at_most="70ms") as (url, worker, _):
        await ask(url)
    least = [0.02, 0.04, 0.07, 0.07, 0.07, 0.07, 0.07]
    assert all(pause >= expected - 0.002 for pause, expected in zip(worker.pauses, least, strict=True))
    assert sum(worker.pauses) < sum(least) + 0.5


@CALLERS
async def test_a_job_that_takes_too_long_is_given_up(stream: bool):
    began = time.perf_counter()
    async with working(WAITING, limit="60ms", backoff=1, **CANCEL) as (url, worker, _):
        heard = await ask(url, stream)
        assert (heard.status, heard.error["code"]) == (504, "upstream_job_timeout")
        assert time.perf_counter() - began < 1
        await becomes(lambda: len(worker.cancelled) == 1)
    assert worker.cancelled[0].head == "POST /jobs/j1/cancel HTTP/1.1"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_a_job_whose_caller_has_left_is_given_up(stream: bool):
    cancel = {
        "url": "{{ answer.stop }}",
        "method": "PUT",
        "headers": {"X-Job": "{{ answer.id }}"},
        "query": {"why": "left"},
        "request": {"model": "{{ model }}"},
    }
    submitted = {**WAITING, "stop": "UP/cancel/j1"}
    async with working(submitted, WAITING, cancel=cancel, top={"auth": TOKEN}) as (url, worker, _):
        _, writer = await connected(url)
        writer.write(asking({**QUESTION, "stream": stream}))
        await becomes(lambda: len(worker.came) > 2)
        writer.close()
        await becomes(lambda: len(worker.cancelled) == 1)
        asked = len(worker.came)
        await asyncio.sleep(0.05)
        assert len(worker.came) == asked
    [cancelled] = worker.cancelled
    assert cancelled.head == "PUT /cancel/j1?why=left HTTP/1.1"
    assert (cancelled.headers["x-job"], cancelled.json) == ("j1", {"model": "m"})
    assert cancelled.headers["authorization"] == "Bearer secret-token"


TOKEN = {"kind": "bearer", "token": "secret-token"}


async def test_a_job_that_cannot_be_given_up_delays_nobody():
    async with working(WAITING, limit="30ms", cancel={"url": "{{ answer.nowhere }}"}) as (url, _, _):
        began = time.perf_counter()
        assert (await ask(url)).error["code"] == "upstream_job_timeout"
        assert time.perf_counter() - began < 1


async def test_every_request_of_a_job_bears_the_login():
    async with working(WAITING, WAITING, DONE, top={"auth": TOKEN, "headers": {"X-Fixed": "yes"}}) as (
        url,
        _,
        upstream,
    ):
        await ask(url)
    assert {received.headers["authorization"] for received in upstream.requests} == {"Bearer secret-token"}
    assert {received.headers["x-fixed"] for received in upstream.requests} == {"yes"}


async def test_as_many_jobs_as_calls_may_be_open():
    """Waiting for a job takes no other place than the call's own."""
    async with working(WAITING, WAITING, DONE, top={"concurrency": 1}) as (url, _, _):
        assert (await ask(url)).text == "Here you are."


# What fails


@CALLERS
@pytest.mark.parametrize("first", [True, False], ids=["at once", "later"])
@pytest.mark.parametrize(
    ("answered", "code"),
    [
        ({**WAITING, "bad": "worker crashed"}, "upstream_job_failed"),
        ({**DONE, "bad": True}, "upstream_job_failed"),
        ({**WAITING, "error": "worker crashed"}, "upstream_error"),
        ({**DONE, "error": {"why": "worker crashed"}}, "upstream_error"),
        ({"done": True}, "upstream_no_text"),
        (json_answer({"why": "worker crashed"}, status="500 Oops"), "upstream_error"),
        (json_answer({}, status="429 Slowly"), "upstream_rate_limited"),
        (json_answer({}, status="404 Not Found"), "upstream_rejected"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{,", "upstream_bad_response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{", "upstream_idle_timeout"),
    ],
)
async def test_what_goes_wrong_has_a_name(answered: Any, code: str, first: bool, stream: bool):
    before = [] if first else [WAITING, WAITING]
    async with working(*before, answered, failed="bad", limit="200ms", top={"timeout": {"idle": "50ms"}}) as (
        url,
        _,
        _,
    ):
        heard = await ask(url, stream)
    assert heard.error["code"] == code
    assert "crashed" not in heard.error["message"]
    assert not heard.text


async def test_a_job_that_failed_is_not_given_up():
    async with working(WAITING, {**WAITING, "bad": 1}, failed="bad", **CANCEL) as (url, worker, _):
        assert (await ask(url)).error["code"] == "upstream_job_failed"
    assert not worker.cancelled


async def test_a_job_that_cannot_be_asked_for_is_given_up():
    async with working(WAITING, json_answer({}, status="500 No"), **CANCEL) as (url, worker, _):
        assert (await ask(url)).error["code"] == "upstream_error"
        assert len(worker.cancelled) == 1


# Texts that grow

SAID = ["Grüß", " dich", " 👋"]


def growing(mode: str) -> list[dict[str, Any]]:
    texts = SAID if mode == "delta" else ["".join(SAID[: end + 1]) for end in range(len(SAID))]
    return [{**WAITING, "text": text} for text in texts]


@CALLERS
@pytest.mark.parametrize("last", [{}, {"text": None}, {"text": ""}], ids=["no text", "null", "empty"])
@pytest.mark.parametrize("mode", ["delta", "snapshot"])
async def test_a_text_may_come_before_the_job_is_done(mode: str, last: Any, stream: bool):
    answers = [WAITING, *growing(mode), {**WAITING, "text": None}, {"done": True, "why": "max_tokens", **last}]
    async with working(*answers, mode=mode) as (url, _, _):
        heard = await ask(url, stream)
    assert (heard.error, heard.text) == ({}, "".join(SAID))
    assert heard.finish == "length"


@CALLERS
@pytest.mark.parametrize("mode", ["delta", "snapshot"])
async def test_the_last_answer_may_bring_the_rest(mode: str, stream: bool):
    *answers, last = growing(mode)
    async with working(*answers, {**last, "done": True}, mode=mode) as (url, _, _):
        assert (await ask(url, stream)).text == "".join(SAID)


async def test_the_submission_may_bring_the_first_words():
    async with working(*growing("snapshot"), {**DONE, "text": "".join(SAID)}, mode="snapshot") as (url, _, _):
        heard = await ask(url, stream=True)
    assert heard.text == "".join(SAID)


async def test_at_the_end_only_the_last_text_counts():
    async with working({**WAITING, "text": "Working on it …"}, {**WAITING, "text": "Nearly …"}, DONE) as (url, _, _):
        assert (await ask(url, stream=True)).text == "Here you are."


async def test_a_text_that_changes_breaks_the_stream():
    answers = [{**WAITING, "text": "one"}, {**WAITING, "text": "two"}, DONE]
    async with working(*answers, mode="snapshot") as (url, _, _):
        heard = await ask(url, stream=True)
    assert (heard.text, heard.error["code"]) == ("one", "upstream_stream_rewrite")


@pytest.mark.parametrize("mode", ["delta", "snapshot"])
async def test_each_piece_goes_on_as_it_comes(mode: str):
    async with working(WAITING, *growing(mode), mode=mode, limit="5s") as (url, worker, _):
        reader, writer = await connected(url)
        worker.answers = [json_answer(WAITING)]
        writer.write(asking({**QUESTION, "stream": True}))
        async with asyncio.timeout(3):
            for answer, word in zip(growing(mode), SAID, strict=True):
                quiet = json_answer(WAITING if mode == "delta" else answer)
                worker.answers = [json_answer(answer), quiet]
                await reader.readuntil(word.strip().encode())
            worker.answers = [json_answer({**growing(mode)[-1], "done": True})]
            await reader.readuntil(b"data: [DONE]\n\n")
        writer.close()
