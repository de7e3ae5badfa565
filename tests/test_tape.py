"""What a backend was asked and answered is written down without secrets, and played again as it was."""

import asyncio
import logging
import re
import time
from contextlib import AsyncExitStack, suppress
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import yaml
from hypothesis import example, given
from hypothesis import strategies as st

from dragoman.errors import ConfigError, UpstreamDisconnected, UpstreamTimeout
from dragoman.outgoing import Outgoing
from dragoman.reach import Reach
from dragoman.tape import recording
from dragoman.tape.exchange import Exchange
from dragoman.tape.files import read, written
from dragoman.tape.hiding import without_secrets
from dragoman.tape.recording import Recorder
from dragoman.tape.replaying import Replay
from dragoman.upstream import Upstream
from tests.upstream import LAST_CHUNK, always, chunked, json_answer, listening, stream_head

SECRET = "sk-ß/1234"
NOWHERE = "http://127.0.0.1:9"
WORDS = ['data: {"t": "Grüß"}\r\n\r\n'.encode(), b"\xf0\x9f", b"\x91\x8b\n\n", "\x85\u2028: '".encode(), b"\0"]


def hide(text):
    return text.replace(SECRET, "(key)")


def recorder(folder, name="b"):
    return Recorder(folder, name, hide)


def files(folder):
    return sorted(folder.iterdir())


def recorded(folder):
    return [read(file) for file in files(folder)]


@pytest.fixture
def heard(caplog):
    caplog.set_level(logging.WARNING, "dragoman")
    return caplog


async def asked(tape, body=b"{}", target="/chat", url=NOWHERE, method="POST", **headers):
    """The status, headers and pieces of an answer, and the failure that cut it off."""
    async with Upstream(url, Reach(timeout={"idle": 2}), tape=tape) as upstream, AsyncExitStack() as open:
        got = await upstream.send(open, Outgoing(method, target, headers, body))
        pieces, failure = [], None
        try:
            while piece := await got.read():
                pieces.append(piece)
        except UpstreamDisconnected as error:
            failure = error.detail
        return got.status, got.header("content-type"), pieces, failure


@pytest.fixture
def tape(tmp_path):
    """A tape to replay, of exchanges as they stand in a file: `tape({"target": "/a"}, [[0, "x"]], …)`."""

    def tape(*exchanges, paced=False):
        for number, (request, body, *more) in enumerate(exchanges):
            said = {"status": 200, "body": body, **(more[0] if more else {})}
            asked = {"method": "POST", "target": "/chat", **request}
            (tmp_path / f"{number}.yaml").write_text(yaml.safe_dump({"request": asked, "answer": said}))
        return Replay(files(tmp_path), paced)

    return tape


async def test_a_recording_is_a_file_that_people_can_read(tmp_path):
    async with listening(always(json_answer({"reply": "Hi, «you»"}, "Set-Cookie: a", "Keep-Alive: 5", "X-Y: 1"))) as up:
        given = {"Content-Type": "application/json", "Authorization": "Bearer abc", "X-Goog-Api-Key": "g"}
        await asked(recorder(tmp_path / "a" / "tape"), b'{"message":"Hello"}', "/chat?q=1", up.url, **given)
    (file,) = files(tmp_path / "a" / "tape")
    assert file.name == "b-0001.yaml"
    assert re.sub(r"\[0\.\d+,", "[0.1,", file.read_text()) == (
        """\
# A recorded exchange; `kind: replay` answers from it.
request:
  method: POST
  target: /chat?q=1
  headers: {accept: application/json, content-type: application/json, authorization: (hidden), x-goog-api-key: (hidden)}
  body: '{"message":"Hello"}'
answer:
  status: 200
  headers: {content-type: application/json, set-cookie: (hidden), x-y: '1'}
  body:
  - [0.1, '{"reply": "Hi, \\u00abyou\\u00bb"}']
  whole: true
"""
    )


async def test_what_was_recorded_is_played_as_it_was(tmp_path):
    async with listening(always(stream_head(), *map(chunked, WORDS), LAST_CHUNK, pause=0.02)) as up:
        was = await asked(recorder(tmp_path), url=up.url)
    assert await asked(Replay(files(tmp_path), paced=False)) == was == (200, "text/event-stream", WORDS, None)


@pytest.mark.parametrize(("paced", "pause", "least"), [(True, 0.06, 0.12), (False, 60, 0)])
async def test_answers_come_at_the_pace_of_the_recording_or_at_once(tape, paced, pause, least):
    began = time.monotonic()
    got = await asked(tape(({}, [[pause, "a"], [0, "b"], [pause, "c"]]), paced=paced))
    assert got[2] == [b"a", b"b", b"c"]
    assert least <= time.monotonic() - began < 2


async def test_a_call_is_not_held_up_by_being_recorded_and_connections_are_kept(tmp_path):
    async with listening(always(json_answer({}))) as up, Upstream(up.url, tape=recorder(tmp_path)) as upstream:
        for _ in range(3):
            async with AsyncExitStack() as open:
                await (await upstream.send(open, Outgoing("GET", "", {}, b""))).whole()
        assert len(up.connections) == 1
    assert [(exchange.request.method, exchange.answer.whole) for exchange in recorded(tmp_path)] == [("GET", True)] * 3


async def test_numbers_follow_the_requests_and_what_is_in_the_folder(tmp_path):
    for name in ("b-0007.yaml", "b-x-0050.yaml", "c-0099.yaml", "b-0008.yaml.part"):
        (tmp_path / name).touch()
    tapes = [recorder(tmp_path), recorder(tmp_path)]
    async with listening(always(json_answer({}))) as up:
        for tape in tapes:
            async with Upstream(up.url, tape=tape) as upstream, AsyncExitStack() as open:
                for number in range(2):
                    await (await upstream.send(open, Outgoing("GET", f"/{number}", {}, b""))).whole()
    written = {file.name: read(file).request.target for file in files(tmp_path) if file.stat().st_size}
    assert written == {"b-0009.yaml": "/0", "b-0010.yaml": "/1", "b-0011.yaml": "/0", "b-0012.yaml": "/1"}


async def test_an_answer_that_is_cut_off_is_cut_off_again(tmp_path):
    async def script(connection, received):
        await connection.send(stream_head("text/plain") + chunked(b"a"))
        connection.writer.close()

    async with listening(script) as up:
        was = await asked(recorder(tmp_path), url=up.url)
    again = await asked(Replay(files(tmp_path), paced=False))
    assert not recorded(tmp_path)[0].answer.whole
    assert again[:3] == was[:3] == (200, "text/plain", [b"a"])
    assert (was[3], again[3]) == ("closed by the other side", "the recording ends here")


async def test_what_nobody_read_any_more_is_recorded(tmp_path):
    script = always(stream_head() + chunked(b"data: [DONE]\n\n"), LAST_CHUNK, pause=0.05)
    async with listening(script) as up, Upstream(up.url, tape=recorder(tmp_path)) as one, AsyncExitStack() as open:
        got = await one.send(open, Outgoing("POST", "", {}, b""))
        got.ended = True
    (exchange,) = recorded(tmp_path)
    assert [said for _, said in exchange.answer.body] == [b"data: [DONE]\n\n"]
    assert exchange.answer.whole


async def test_without_an_answer_there_is_no_recording(tmp_path):
    async def silent(connection, received):
        await connection.gone()

    async with listening(silent) as up, Upstream(up.url, Reach(timeout={"first": 0.1}), tape=recorder(tmp_path)) as one:
        with pytest.raises(UpstreamTimeout):
            async with AsyncExitStack() as open:
                await one.send(open, Outgoing("POST", "", {}, b""))
    assert files(tmp_path) == []


async def test_an_answer_without_end_is_recorded_up_to_a_bound(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "MAX_RECORDED", 4)
    async with listening(always(stream_head(), chunked(b"abc"), chunked(b"def"), LAST_CHUNK, pause=0.02)) as up:
        assert (await asked(recorder(tmp_path), url=up.url))[2:] == ([b"abc", b"def"], None)
    (exchange,) = recorded(tmp_path)
    assert [said for _, said in exchange.answer.body] == [b"abc", b"d"]
    assert not exchange.answer.whole


@pytest.mark.parametrize("when", ["before", "during"])
async def test_what_cannot_be_written_is_a_warning_and_fails_no_call(tmp_path, heard, when):
    async def script(connection, received):
        if when == "during":
            files(tmp_path / "t")[0].unlink()
            (tmp_path / "t").rmdir()
        await connection.send(json_answer({}))

    tape = recorder(tmp_path / "t")
    if when == "before":
        (tmp_path / "t").rmdir()
    async with listening(script) as up:
        assert await asked(tape, url=up.url) == (200, "application/json", [b"{}"], None)
    assert "not recorded" in heard.text
    assert "No such file" in heard.text


async def test_what_cannot_be_hidden_is_not_written(tmp_path, heard):
    def broken(text):
        raise ValueError(text)

    async with listening(always(json_answer({}))) as up:
        await asked(Recorder(tmp_path, "b", broken), b"private", url=up.url)
    assert files(tmp_path) == []
    assert "ValueError" in heard.text
    assert "private" not in heard.text


def test_a_folder_that_cannot_be_is_told_at_the_start(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match="cannot be recorded into"):
        recorder(tmp_path / "file")


async def test_no_secret_is_written_down(tmp_path):
    said = f'{{"you said": "{SECRET}"}}'.encode()
    pieces = [said[:20], said[20:22], said[22:], b"\xff" + SECRET.encode()]
    async with listening(always(stream_head(), *map(chunked, pieces), LAST_CHUNK, pause=0.02)) as up:
        headers = {"X-Mine": "sk-ß/1234".encode().decode("latin-1"), "X-My-Token": "t0k3n"}
        await asked(recorder(tmp_path), SECRET.encode(), "/chat?key=plain", up.url, **headers)
    text = files(tmp_path)[0].read_text()
    exchange = recorded(tmp_path)[0]
    assert SECRET not in text
    assert "t0k3n" not in text
    assert exchange.request.body == b"(key)"
    assert [piece for _, piece in exchange.answer.body] == [b'{"you said": "(key)"}', b"\xff(key)"]


def exchange(pieces, body=b"", **answer):
    told = {"status": 200, "body": pieces, **answer}
    return Exchange.model_validate({"request": {"method": "POST", "target": "/", "body": body}, "answer": told})


@given(st.lists(st.sampled_from([SECRET.encode(), b"sk-", b"x", "ß".encode()])), st.lists(st.integers(0, 99)))
def test_a_secret_in_pieces_is_hidden_and_little_else_joined(parts, seams):
    whole = b"".join(parts)
    cuts = sorted({0, len(whole), *(seam for seam in seams if seam < len(whole))})
    pieces = [(0.5, whole[start:end]) for start, end in pairwise(cuts)]
    hidden = without_secrets(exchange(pieces), hide).answer.body
    assert b"".join(said for _, said in hidden) == hide(whole.decode()).encode()
    assert sum(seconds for seconds, _ in hidden) == sum(seconds for seconds, _ in pieces)
    if hidden != pieces:
        assert SECRET.encode() in whole


def test_only_the_pieces_around_a_secret_are_joined():
    letters = [(0.001, bytes([byte])) for byte in ("x" * 500 + SECRET + "y" * 500).encode()]
    hidden = without_secrets(exchange(letters), hide).answer.body
    assert len(hidden) == 1001
    assert b"".join(said for _, said in hidden) == b"x" * 500 + b"(key)" + b"y" * 500


TEXTS = st.text().map(lambda text: text.encode(errors="ignore")) | st.binary()


@given(TEXTS | st.lists(TEXTS), st.lists(st.tuples(st.floats(0, 1e6), TEXTS)), st.booleans())
@example(b"y", [(0, b""), (1e-5, b"null"), (0.1, b" x "), (1, b"1.5"), (0, b"a: b # c"), (0, b"x " * 5000)], True)
@example("\r\n\x85\u2028\u2029\ufeff\t\x7f\x1b\0\uffff👋".encode(), [(0, "\n".encode("utf-16"))], False)
def test_every_byte_comes_back(body, pieces, whole):
    with TemporaryDirectory() as folder:
        for was in (exchange(pieces, body, whole=whole), exchange([], body, status=101, messages=pieces)):
            file = Path(folder, "x.yaml")
            file.write_bytes(written(was))
            assert read(file) == was


async def test_the_request_that_fits_best_is_answered(tape):
    said = partial(dict, method="GET", target="/a")
    played = tape(
        ({"target": "/a"}, [[0, "post"]]),
        (said(), [[0, "plain"]]),
        (said(target="/a?x=1"), [[0, "query"]]),
        (said(body='{"n": 1, "m": [true]}'), [[0, "json"]]),
        (said(body=b"\xff"), [[0, "bytes"]]),
        (said(target="/bot(key)/a"), [[0, "key"]]),
    )
    body = b' {"m": [true],\n"n": 1.0}'
    questions = [("/a", b""), ("/a?x=1", body), ("/a?x=2", body), ("/a", b"\xff"), ("/bot12:3/a", b"other")]
    got = [await asked(played, body, target, method="GET") for target, body in questions]
    assert [b"".join(pieces) for _, _, pieces, _ in got] == [b"plain", b"query", b"json", b"bytes", b"key"]


async def test_exchanges_that_fit_alike_take_turns(tape):
    played = tape(*(({"body": body}, [[0, f"{body}{turn}"]]) for turn in (1, 2) for body in "ab"))
    got = [await asked(played, body.encode()) for body in "aaabxxx"]
    assert [b"".join(pieces).decode() for _, _, pieces, _ in got] == ["a1", "a2", "a1", "b1", "b2", "b1", "a2"]


@pytest.mark.parametrize(("method", "target"), [("GET", "/chat"), ("POST", "/chatter?key=abc"), ("POST", "/chat/")])
async def test_what_was_not_recorded_is_not_answered(tape, method, target):
    with pytest.raises(UpstreamDisconnected) as caught:
        await asked(tape(({}, [[0, "x"]])), target=target, method=method)
    assert caught.value.detail == f"no recorded exchange fits {method} {target.partition('?')[0]}"


async def test_an_answer_may_have_no_body_and_may_be_left(tape):
    played = tape(({}, []), ({"target": "/cut"}, [], {"whole": False}), ({"target": "/slow"}, [[9, "x"]]), paced=True)
    assert (await asked(played))[2:] == ([], None)
    assert (await asked(played, target="/cut"))[2:] == ([], "the recording ends here")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await asked(played, target="/slow")


GOOD = "{request: {method: GET, target: /}, answer: {status: 200}}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", ": must be a mapping: `key: value`"),
        ("request: [}", ":1: is not YAML: did not find expected node content"),
        (b"a: \xff", ": is not YAML: it is not UTF-8"),
        (GOOD.replace("GET", "get"), ": request.method: string should match pattern '^[A-Z]+$'"),
        (GOOD.replace("target: /", "path: /"), ": request.target: is missing"),
        (GOOD.replace("200", "200, bodies: []"), ": answer.bodies: is not a known key"),
        (GOOD.replace("200", "20"), ": answer.status: input should be greater than or equal to 100"),
        (GOOD.replace("200", "200, body: [[0, 1]]"), ": answer.body[0][1]: must be text or !!binary"),
        (GOOD.replace("200", "200, body: [[.nan, a]]"), ": answer.body[0][0]: input should be a finite number"),
        (
            GOOD.replace("200", "200, body: [[-1, a]]"),
            ": answer.body[0][0]: input should be greater than or equal to 0",
        ),
        ("a: &a [x]\nb: *a", ": aliases (`*name`) have no place in a recording"),
        (b"\n" * (2**26 + 1), ": is larger than 67108864 bytes"),
        (None, ": cannot be read: No such file or directory"),
    ],
    ids=range(13),
)
def test_a_file_of_another_shape_is_told_at_the_start(tmp_path, text, told):
    file = tmp_path / "x.yaml"
    if text is not None:
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ConfigError) as caught:
        Replay([file], paced=False)
    assert str(caught.value) == f"{file}{told}"


def test_nothing_cannot_be_replayed():
    with pytest.raises(ConfigError, match="no recorded exchange"):
        Replay([], paced=False)


class Chatting:
    """A WebSocket that says these messages, then closes or fails."""

    def __init__(self, *messages, fails=False):
        self.messages, self.fails, self.sent, self.closed = list(messages), fails, [], False

    async def send(self, message):
        self.sent.append(message)

    async def read(self):
        if not self.messages and self.fails:
            raise UpstreamDisconnected(detail="gone")
        return self.messages.pop(0) if self.messages else b""

    async def close(self):
        self.closed = True


async def chatted(tape, *messages, socket=None, target="/ws"):
    """What a WebSocket answers, and its failure."""

    async def connect():
        assert socket, "a replay does not connect"
        return socket

    opened = await tape.dial(target, {"X-Api-Key": "abc", "Origin": "here"}, connect)
    got = []
    for message in messages:
        await opened.send(message)
    with suppress(UpstreamDisconnected):
        while got[-1:] != [b""]:
            got.append(await opened.read())
    await opened.close()
    return got


async def test_websockets_are_recorded_and_played_by_what_they_were_asked(tmp_path):
    tape = recorder(tmp_path)
    sockets = [Chatting(b"a", b"\xff"), Chatting(f"b {SECRET}".encode(), fails=True)]
    was = [await chatted(tape, '{"ask": 1}', b"\xfe", socket=sockets[0]), await chatted(tape, "b", socket=sockets[1])]
    await tape.settled()
    assert was == [[b"a", b"\xff", b""], [f"b {SECRET}".encode()]]
    assert sockets[0].sent == ['{"ask": 1}', b"\xfe"]
    assert all(socket.closed for socket in sockets)
    first, second = recorded(tmp_path)
    assert (first.request.body, first.answer.status, first.answer.whole) == ([b'{"ask": 1}', b"\xfe"], 101, True)
    assert first.request.headers == {"x-api-key": "(hidden)", "origin": "here"}
    assert not second.answer.whole
    played = Replay(files(tmp_path), paced=True)
    assert await chatted(played, "b", target="/ws?new") == [b"b (key)"]
    assert await chatted(played, '{"ask":1}') == [b"a", b"\xff", b""]


async def test_a_websocket_that_was_not_recorded_is_not_opened(tape):
    played = tape(({"method": "GET", "target": "/ws"}, []))
    with pytest.raises(UpstreamDisconnected) as caught:
        await chatted(played)
    assert caught.value.detail == "no recorded exchange fits GET /ws"


async def test_a_websockets_recording_is_bounded_too(tmp_path, monkeypatch):
    monkeypatch.setattr(recording, "MAX_RECORDED", 4)
    tape = recorder(tmp_path)
    assert await chatted(tape, "abc", "def", socket=Chatting(b"abc", b"def")) == [b"abc", b"def", b""]
    await tape.settled()
    (exchange,) = recorded(tmp_path)
    assert (exchange.request.body, exchange.answer.whole) == ([b"abc"], False)
