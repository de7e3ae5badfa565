"""Conversations that live at the backend: recognised by what was said, and always the right one."""

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman import Call, Gateway
from dragoman.call import Key
from dragoman.errors import Failure
from dragoman.wire.chat import ChatRequest
from tests.http11 import asking, connected
from tests.mapping.asking import Heard, ask, mapped
from tests.mapping.remembering import Remembering, Street, fingerprint, remembered
from tests.redis_server import needs_redis, redis_server, tell
from tests.serving import gateway, post
from tests.upstream import json_answer
from tests.watching import becomes

Message = dict[str, Any]
CALLERS = pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
CALLS = {"path": "calls", "id": "id", "arguments": "args"}
LIVE = {"framing": "sse", "request": {"live": True}}


def backend(url: str, kind: str = "created", **session: Any) -> dict[str, Any]:
    """A backend's options: where its conversations get their ids from."""
    ways: dict[str, Any] = {
        "created": {"create": {"url": f"{url}/talks", "request": {"system": "{{ system }}"}, "id": "talk.id"}},
        "answered": {},
        "made": {"make": "{{ uuid() }}"},
    }
    response = {"text": "reply", "tool_calls": CALLS, **({"session": "talk.id"} if kind == "answered" else {})}
    return {
        "response": response,
        "request": {"talk": "{{ session }}", "turns": "{{ new_turns }}"},
        "stream": LIVE,
        "session": {**ways[kind], **session},
    }


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant(text: str | None, **more: Any) -> Message:
    return {"role": "assistant", "content": text, **more}


def right(messages: Sequence[Message]) -> str:
    """What a backend answers that was told exactly this."""
    return fingerprint((message["role"], text(message["content"])) for message in messages)


def text(content: Any) -> str:
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content or ())


@dataclass
class Talk:
    """A caller's own conversation with the model."""

    url: str
    messages: list[Message] = field(default_factory=list)
    stream: bool = False
    model: str = "m"

    async def say(self, said: str, **more: Any) -> Heard:
        """Says something more. The answer is checked and kept, if there is one."""
        return await self.ask([*self.messages, user(said)], **more)

    async def ask(self, messages: list[Message], **more: Any) -> Heard:
        heard = await ask(self.url, self.stream, messages=messages, model=self.model, **more)
        if not heard.error:
            assert heard.message.get("tool_calls") or heard.text == right(messages)
            self.messages = [*messages, {"role": "assistant", "content": None, **heard.message}]
        return heard


@asynccontextmanager
async def talking(
    kind: str = "created", stream: bool = False, **session: Any
) -> AsyncIterator[tuple[Talk, Remembering, Street]]:
    """A conversation through a gateway with a backend that remembers."""
    async with remembered() as (remembering, street):
        remembering.takes_any = kind == "made"
        url = street.upstream.url
        async with gateway(mapped(f"{url}/say", **backend(url, kind, **session))) as url:
            yield Talk(url, stream=stream), remembering, street


KINDS = pytest.mark.parametrize("kind", ["created", "answered", "made"])


@CALLERS
@KINDS
async def test_only_what_is_new_is_told(kind: str, stream: bool):
    async with talking(kind, stream) as (talk, remembering, _):
        for number in range(10):
            await talk.say(f"word {number}")
    assert remembering.begun == 1
    assert remembering.news == [[f"word {number}"] for number in range(10)]


@CALLERS
@KINDS
async def test_an_edited_history_begins_anew_and_goes_on_there(kind: str, stream: bool):
    async with talking(kind, stream) as (talk, remembering, _):
        for number in range(5):
            await talk.say(f"word {number}")
        talk.messages[4] = user("another word")
        for number in range(5, 10):
            await talk.say(f"word {number}")
    assert remembering.begun == 2
    told = remembering.news[5]
    assert (len(told), told[4], told[-1]) == (11, "another word", "word 5")
    assert remembering.news[6:] == [[f"word {number}"] for number in range(6, 10)]


@pytest.mark.parametrize("change", ["earlier user", "earlier answer", "last answer", "removed", "inserted", "system"])
async def test_any_change_of_what_was_said_is_noticed(change: str):
    async with talking() as (talk, remembering, _):
        await talk.say("one")
        await talk.say("two")
        messages = talk.messages
        changed = {
            "earlier user": [user("eins"), *messages[1:]],
            "earlier answer": [messages[0], assistant("no"), *messages[2:]],
            "last answer": [*messages[:3], assistant("no")],
            "removed": messages[2:],
            "inserted": [user("zero"), *messages],
            "system": [{"role": "system", "content": "Be brief."}, *messages],
        }[change]
        await talk.ask([*changed, user("three")])
    assert remembering.begun == 2


@CALLERS
async def test_to_answer_again_begins_anew(stream: bool):
    """The conversation at the backend has gone on; who asks the same once more wants the history without its answer."""
    async with talking(stream=stream) as (talk, remembering, _):
        await talk.say("one")
        before = [*talk.messages, user("two")]
        first = await talk.ask(before)
        again = await talk.ask(before)
        await talk.say("three")
    assert first.text == again.text
    assert [len(news) for news in remembering.news] == [1, 1, 3, 1]


async def test_nothing_new_said_is_no_reason_to_go_on():
    """A caller may ask with the assistant's words at the end."""
    async with talking() as (talk, remembering, _):
        await talk.say("one")
        await talk.ask(talk.messages)
    assert remembering.news[-1] == [message["content"] for message in talk.messages[:2]]


def parts(message: Message) -> Message:
    return {**message, "content": [{"type": "text", "text": message["content"]}]}


@pytest.mark.parametrize(
    "rewritten",
    [
        lambda said, answer: [parts(said), parts(answer)],
        lambda said, answer: [{**said, "name": "ann"}, {**answer, "refusal": None, "annotations": [], "audio": None}],
        lambda said, answer: [said, {**answer, "content": f" {answer['content']}\n"}],
    ],
    ids=["in parts", "with more keys", "with spaces around"],
)
async def test_the_same_in_other_writing_is_recognised(rewritten: Any):
    async with talking() as (talk, remembering, _):
        await talk.say("one")
        heard = await ask(talk.url, messages=[*rewritten(*talk.messages), user("two")])
        assert heard.text == right([*talk.messages, user("two")])
    assert (remembering.begun, remembering.news[-1]) == (1, ["two"])


TEXTS = ['{"a":1,"b":[]}', '{"a": 1, "b": []}', '{"b": [], "a": 1}']


WRITINGS = [*product([{"a": 1, "b": []}, TEXTS[0]], TEXTS), (None, "{}"), ({}, "{}"), ("oops", "oops")]


@CALLERS
@pytest.mark.parametrize(("args", "written"), WRITINGS)
async def test_turns_with_tool_calls_are_recognised(args: Any, written: str, stream: bool):
    """Callers may read the arguments and write them again."""
    async with talking(stream=stream) as (talk, remembering, _):
        remembering.call = {"id": "call-1", "name": "f", "args": args}
        call = {"id": "call-1", "type": "function", "function": {"name": "f", "arguments": written}}
        messages = [user("call"), assistant(None, tool_calls=[call])]
        messages += [{"role": "tool", "tool_call_id": "call-1", "content": "sunny"}]
        await post(talk.url, {"model": "m", "messages": messages[:1], "stream": stream})
        heard = await ask(talk.url, stream, messages=messages)
        assert (remembering.begun, remembering.news) == (1, [["call"], ["sunny"]])
        messages[1] = assistant("", tool_calls=[call])
        await ask(talk.url, stream, messages=[*messages, assistant(heard.text), user("thanks")])
    assert (remembering.begun, remembering.news[-1]) == (1, ["thanks"])


async def test_other_arguments_are_another_history():
    async with talking() as (talk, remembering, _):
        remembering.call = {"id": "call-1", "name": "f", "args": {"a": 1}}
        [call] = (await talk.say("call")).message["tool_calls"]
        call["function"]["arguments"] = '{"a":2}'
        result = {"role": "tool", "tool_call_id": "call-1", "content": "sunny"}
        await ask(talk.url, messages=[user("call"), assistant(None, tool_calls=[call]), result])
    assert remembering.begun == 2


# What a new conversation is told

KNOWN = [user("one"), assistant("two"), user("three"), assistant("four"), user("five")]


@CALLERS
@pytest.mark.parametrize(
    ("history", "told"),
    [
        ("replay", [["one"], ["two"], ["three"], ["four"], ["five"]]),
        ("none", [["five"]]),
        ("summary", [["one", "two", "three", "four", "five"]]),
    ],
)
async def test_a_new_conversation_is_told_of_the_history(history: str, told: list[list[str]], stream: bool):
    async with talking(stream=stream, history=history) as (talk, remembering, _):
        heard = await ask(talk.url, stream, messages=KNOWN)
        [news] = remembering.news
        assert [re.findall("one|two|three|four|five", text) for text in news] == told
        await ask(talk.url, stream, messages=[*KNOWN, assistant(heard.text), user("six")])
    assert (remembering.begun, remembering.news[-1]) == (1, ["six"])


async def test_a_summary_is_short():
    long = [user("begin" + "x" * 50_000), assistant("y" * 50_000 + "end"), user("and now?")]
    async with talking(history="summary") as (talk, remembering, _):
        await ask(talk.url, messages=long)
    [[told]] = remembering.news
    assert len(told) < 5000
    assert all(word in told for word in ("begin", "end", "and now?"))


async def test_the_last_words_may_be_told_with_the_system_before_them():
    """A backend that knows but a text is told what the system says once, at the beginning."""
    system = {"role": "system", "content": "Be brief."}
    async with remembered() as (remembering, street):
        url = street.upstream.url
        options = backend(url, "answered") | {"request": {"talk": "{{ session }}", "turns": [user("{{ last_user }}")]}}
        async with gateway(mapped(f"{url}/say", **options)) as url:
            first = await ask(url, messages=[system, user("one")])
            await ask(url, messages=[system, user("one"), assistant(first.text), user("two")])
    assert remembering.news == [["Be brief.\n\none"], ["two"]]


# Where ids come from


@CALLERS
async def test_a_conversation_is_created_from_the_request(stream: bool):
    async with remembered() as (remembering, street):
        url = street.upstream.url
        options = backend(url)
        options["session"]["create"] |= {"headers": {"X-User": "{{ user }}"}, "query": {"m": "{{ model }}"}}
        options["session"]["create"]["url"] += "?a=1"
        remembering.answers = [json_answer({"talk": {"id": 7}})]
        remembering.talks["7"] = []
        async with gateway(mapped(f"{url}/say", **options)) as url:
            heard = await ask(url, stream, user="ann")
    assert not heard.error
    head, body = street.upstream.requests[0].head, street.upstream.requests[0].json
    assert (head, body) == ("POST /talks?a=1&m=m HTTP/1.1", {})
    assert street.upstream.requests[0].headers["x-user"] == "ann"
    assert [said["talk"] for said in remembering.said] == ["7"]


@CALLERS
@pytest.mark.parametrize(
    ("answered", "code"),
    [
        (json_answer({"oops": 1}, status="500 No"), "upstream_error"),
        (json_answer({}, status="503 No"), "upstream_error"),
        (json_answer({}, status="429 No"), "upstream_rate_limited"),
        (json_answer({}, status="404 No"), "upstream_rejected"),
        (json_answer({"talk": {"id": None}}), "upstream_bad_response"),
        (json_answer({"talk": {"id": ""}}), "upstream_bad_response"),
        (json_answer({"talk": {"id": "x" * 100_000}}), "upstream_bad_response"),
        (json_answer("talk"), "upstream_bad_response"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{,", "upstream_bad_response"),
    ],
)
async def test_a_conversation_that_cannot_be_created_fails_the_call(answered: bytes, code: str, stream: bool):
    async with talking(stream=stream) as (talk, remembering, _):
        remembering.answers = [answered]
        assert (await talk.say("one")).error["code"] == code
        assert not remembering.said
        assert not (await talk.say("one")).error


async def test_an_answer_may_leave_its_id_out_or_change_it():
    """The conversation goes on under the id that was said last."""
    said = [json_answer({"reply": "a", "talk": {"id": "first"}}), json_answer({"reply": "b"})]
    async with talking("answered") as (talk, remembering, _):
        remembering.answers = said
        messages = [user("one")]
        for expected in ("a", "b"):
            assert (await ask(talk.url, messages=messages)).text == expected
            messages += [assistant(expected), user("more")]
        remembering.talks["first"] = []
        await ask(talk.url, messages=messages)
        assert remembering.said[-1]["talk"] == "first"


async def test_what_creates_a_conversation_has_use_for_its_parameters():
    async with remembered() as (_, street):
        url = street.upstream.url
        options = backend(url)
        options["session"]["create"]["request"] = {"seed": "{{ seed }}"}
        async with gateway(mapped(f"{url}/say", **options)) as url:
            heard = await ask(url, seed=1, temperature=1, metadata={"session": "mine"})
    assert heard.ignored == "temperature"


# Conversations with a name


@CALLERS
@pytest.mark.parametrize("place", ["header", "metadata"])
async def test_a_caller_may_name_the_conversation(place: str, stream: bool):
    def named(name: str) -> dict[str, Any]:
        return {"headers": {"x-dragoman-session": name}} if place == "header" else {"metadata": {"session": name}}

    async with talking(stream=stream) as (talk, remembering, _):
        for word in ("one", "two", "three"):
            for name in ("a", "b"):
                await ask(talk.url, stream, messages=[user(f"{word} {name}")], **named(name))
        await ask(talk.url, stream, messages=[user("three a"), assistant("yes"), user("four a")], **named("a"))
    assert remembering.begun == 2
    told = {id: [words for role, words in turns if role == "user"] for id, turns in remembering.talks.items()}
    assert told == {"talk-1": ["one a", "two a", "three a", "four a"], "talk-2": ["one b", "two b", "three b"]}


@pytest.mark.parametrize("name", ["x" * 129, "a\tb"], ids=["long", "unprintable"])
async def test_a_name_that_is_none_is_refused(name: str):
    async with talking() as (talk, remembering, _):
        heard = await ask(talk.url, metadata={"session": name})
        assert (heard.status, heard.error["param"]) == (422, "metadata.session")
        assert not remembering.begun


async def test_a_named_conversation_that_was_forgotten_begins_anew():
    async with talking() as (talk, remembering, _):
        for word in ("one", "two"):
            await ask(talk.url, messages=[user(word)], metadata={"session": "mine"})
            remembering.talks.clear()
        await ask(talk.url, messages=[user("three")], metadata={"session": "mine"})
    assert (remembering.begun, list(remembering.talks)) == (3, ["talk-3"])


# Conversations that the backend has forgotten


@CALLERS
@KINDS
@pytest.mark.parametrize("how", ["404", "410", "path", "path and status"])
async def test_a_forgotten_conversation_begins_anew(kind: str, how: str, stream: bool):
    answers = {
        "404": json_answer({}, status="404 Not Found"),
        "410": json_answer({}, status="410 Gone"),
        "path": json_answer({"lost": True}),
        "path and status": json_answer({"lost": True}, status="500 Oops"),
    }
    async with talking(kind, stream, forgotten="lost") as (talk, remembering, _):
        await talk.say("one")
        remembering.answers = [answers[how]]
        await talk.say("two")
        await talk.say("three")
    assert remembering.begun == 2
    assert [len(news) for news in remembering.news] == [1, 3, 1]


@CALLERS
async def test_a_conversation_that_is_forgotten_twice_is_lost(stream: bool):
    async with talking(stream=stream) as (talk, remembering, _):
        await talk.say("one")
        gone = json_answer({}, status="404 Not Found")
        remembering.answers = [gone, json_answer({"talk": {"id": "new"}}), gone]
        heard = await talk.say("two")
        assert (heard.status, heard.error["code"]) == (502, "upstream_session_lost")
        assert not remembering.answers
        await talk.say("two")
    assert remembering.begun == 2


async def test_a_new_conversation_that_is_not_found_is_an_error():
    async with talking() as (talk, remembering, _):
        remembering.answers = [json_answer({"talk": {"id": "x"}}), remembering.lost]
        heard = await talk.say("one")
        assert (heard.status, heard.error["code"]) == (422, "upstream_rejected")


@CALLERS
async def test_one_place_at_the_backend_is_enough_to_begin_anew(stream: bool):
    async with remembered() as (remembering, street):
        url = street.upstream.url
        async with gateway(mapped(f"{url}/say", **backend(url), concurrency=1)) as url:
            talk = Talk(url, stream=stream)
            await talk.say("one")
            remembering.talks.clear()
            assert not (await talk.say("two")).error


# What must not lose a conversation, and what must


@CALLERS
async def test_a_backend_that_was_not_reached_still_knows(stream: bool):
    async with talking(stream=stream) as (talk, remembering, street):
        await talk.say("one")
        await street.shut()
        for _ in range(2):
            assert (await talk.say("two")).error["code"] == "upstream_connect_error"
        await street.open()
        await asyncio.sleep(1.05)  # its breaker's first pause
        await talk.say("two")
    assert (remembering.begun, remembering.news[-1]) == (1, ["two"])


@CALLERS
@pytest.mark.parametrize("status", ["503 Later", "429 Slowly"])
async def test_a_backend_that_had_no_time_still_knows(status: str, stream: bool):
    async with talking(stream=stream) as (talk, remembering, _):
        await talk.say("one")
        remembering.answers = [json_answer({}, status=status)]
        assert (await talk.say("two")).error
        await talk.say("two")
    assert (remembering.begun, remembering.news[-1]) == (1, ["two"])


async def test_a_login_that_failed_is_no_reason_to_begin_anew():
    async with remembered() as (remembering, street):
        url = street.upstream.url
        token = {"kind": "oauth2", "token_url": f"{url}/token", "client_id": "c"}
        async with gateway(mapped(f"{url}/say", **backend(url, "answered"), auth=token)) as url:
            talk = Talk(url)
            remembering.answers = [json_answer({"access_token": "a"})]
            await talk.say("one")
            remembering.answers = [json_answer({}, status="401 Who?"), json_answer({}, status="500 No")]
            assert (await talk.say("two")).error["code"] == "upstream_login_failed"
            await asyncio.sleep(1.05)
            remembering.answers = [json_answer({"access_token": "b"})]
            await talk.say("two")
    assert (remembering.begun, remembering.news[-1]) == (1, ["two"])


FAILED = {
    "500": json_answer({}, status="500 Oops"),
    "cut off": b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{"reply": "well',
    "no text": json_answer({"reply": None}),
}


@pytest.mark.parametrize("failed", FAILED)
async def test_who_knows_what_a_backend_has_heard_that_failed(failed: str):
    async with remembered() as (remembering, street):
        url = street.upstream.url
        async with gateway(mapped(f"{url}/say", **backend(url), timeout={"idle": "50ms"})) as url:
            talk = Talk(url)
            await talk.say("one")
            remembering.answers = [FAILED[failed]]
            assert (await talk.say("two")).error
            await talk.say("two")
    assert (remembering.begun, remembering.news[-1][-1]) == (2, "two")


@CALLERS
async def test_after_a_caller_that_left_the_next_call_begins_anew(stream: bool):
    async with talking(stream=stream) as (talk, remembering, street):
        await talk.say("one")
        messages = [*talk.messages, user("two")]
        remembering.pause = 0.2
        _, writer = await connected(talk.url)
        writer.write(asking({"model": "m", "messages": messages, "stream": stream}))
        await becomes(lambda: len(remembering.said) == 2)
        await asyncio.sleep(0.05)
        writer.close()
        await asyncio.wait_for(street.upstream.connections[-1].closed.wait(), 2)
        remembering.pause = 0
        await talk.ask(messages)
        await talk.say("three")
    assert (remembering.begun, [len(news) for news in remembering.news]) == (2, [1, 1, 3, 1])


@CALLERS
async def test_only_one_of_many_goes_on_in_a_conversation(stream: bool):
    async with talking(stream=stream) as (talk, remembering, _):
        await talk.say("one")
        remembering.pause = 0.05
        messages = [*talk.messages, user("two")]
        heard = await asyncio.gather(*(ask(talk.url, stream, messages=messages) for _ in range(8)))
        assert {one.text for one in heard} == {right(messages)}
    assert sorted(len(news) for news in remembering.news) == [1, 1, *[3] * 7]
    assert remembering.begun == 8


async def test_a_conversation_is_remembered_for_a_time():
    async with talking(ttl="150ms") as (talk, remembering, _):
        await talk.say("one")
        await talk.say("two")
        await asyncio.sleep(0.2)
        await talk.say("three")
    assert [len(news) for news in remembering.news] == [1, 1, 5]


# Who shares a conversation


async def told(gateway: Gateway, messages: list[Message], model: str = "m", key: str = "anyone") -> str:
    """What a caller with a key of its own hears."""
    request = ChatRequest.model_validate({"model": model, "messages": messages})
    async with AsyncExitStack() as open:
        return "".join([chunk.text async for chunk in gateway.handle(Call(request, Key(key), open, "req"))])


@asynccontextmanager
async def handling(**more: Any) -> AsyncIterator[tuple[Gateway, Remembering]]:
    """A gateway without a server, with a model `m`, one like it at the same backend, and one at another."""
    async with remembered() as (remembering, street):
        url = street.upstream.url
        options = {"kind": "http", "url": f"{url}/say", **backend(url, **more)}
        models = {"m": "b", "n": {"backend": "b", "model": "another"}, "o": "c"}
        made = Gateway({"backends": {"b": options, "c": options}, "models": models})
        async with made.opened():
            yield made, remembering


@pytest.mark.parametrize("named", [False, True], ids=["recognised", "named"])
@pytest.mark.parametrize("other", [{"key": "eve"}, {"model": "n"}, {"model": "o"}], ids=["key", "model", "backend"])
async def test_others_never_get_into_a_conversation(other: dict[str, str], named: bool):
    async with handling() as (made, remembering):

        async def say(messages: list[Message], **who: str) -> str:
            if not named:
                return await told(made, messages, **who)
            request = {"model": who.get("model", "m"), "messages": messages, "metadata": {"session": "mine"}}
            async with AsyncExitStack() as open:
                call = Call(ChatRequest.model_validate(request), Key(who.get("key", "anyone")), open)
                return "".join([chunk.text async for chunk in made.handle(call)])

        first = await say([user("one")])
        messages = [user("one"), assistant(first), user("two")]
        await say(messages, **other)
        assert (remembering.begun, len(remembering.news[-1])) == (2, 3)
        await say(messages)
        assert (remembering.begun, remembering.news[-1]) == (2, ["two"])


@needs_redis
def test_gateways_share_conversations_in_redis():
    async def test(redis: str) -> None:
        async with remembered() as (remembering, street):
            url = street.upstream.url
            config = {**mapped(f"{url}/say", **backend(url)), "redis": redis}
            async with gateway(config) as one, gateway(config) as other:
                talk = Talk(one)
                for word, talk.url in (("one", one), ("two", other), ("three", one)):
                    await talk.say(word)
                assert remembering.news == [["one"], ["two"], ["three"]]
                messages = [*talk.messages, user("four")]
                remembering.pause = 0.05
                await asyncio.gather(*(Talk(url).ask(messages) for url in (one, other) * 2))
                assert sorted(len(news) for news in remembering.news) == [1, 1, 1, 1, 7, 7, 7]
                with suppress(OSError):
                    tell(redis, "shutdown nosave")
                await talk.say("four")
                await talk.say("five")
            assert [len(news) for news in remembering.news[-2:]] == [7, 9]

    with redis_server() as redis:
        asyncio.run(test(redis))


# Whatever callers do

WORDS = st.sampled_from(["one", "two", "three", "four"])
PLACES = st.integers(0, 5)
SAY = st.tuples(st.just("say"), WORDS, st.booleans())
STEPS = st.one_of(
    *(SAY, SAY, SAY),
    st.tuples(st.sampled_from(["edit", "cut", "drop", "switch", "insert"]), PLACES, WORDS),
    st.tuples(st.sampled_from(["again", "parts", "system", "nothing new"]), st.just(0), WORDS),
    st.tuples(st.sampled_from(["forget", "refuse", "fail", "leave"]), st.just(0), st.just("")),
)


@dataclass
class Caller:
    """Does whatever callers do with their histories, in several conversations."""

    made: Gateway
    remembering: Remembering
    histories: list[list[Message]] = field(default_factory=lambda: [[] for _ in range(3)])
    now: int = 0

    @property
    def history(self) -> list[Message]:
        return self.histories[self.now]

    async def step(self, what: str, place: Any, word: Any) -> None:
        history = self.history
        position = place % (len(history) or 1) if isinstance(place, int) else 0
        match what:
            case "say":
                history.append(user(place))
                await self.ask(stream=word)
            case "edit" if history:
                history[position] = {**history[position], "content": word}
            case "cut":
                del history[position:]
            case "drop" if history:
                del history[position]
            case "insert":
                history.insert(position, user(word) if place % 2 else assistant(word))
            case "switch":
                self.now = place % len(self.histories)
            case "again" if history and history[-1]["role"] == "assistant":
                history.pop()
                await self.ask()
            case "nothing new":
                await self.ask()
            case "parts" if history:
                history[-1] = parts({**history[-1], "content": text(history[-1]["content"])})
            case "system":
                history[:] = [{"role": "system", "content": word}, *(one for one in history if one["role"] != "system")]
            case "forget":
                self.remembering.talks.clear()
            case "refuse" | "fail":
                status = "503 Later" if what == "refuse" else "500 Oops"
                self.remembering.answers = [json_answer({}, status=status)]
            case "leave":
                await self.ask(stream=True, leave=True)

    async def ask(self, stream: bool = False, leave: bool = False) -> None:
        """Asks with the whole history. The answer is the one to exactly this history."""
        if not self.history:
            return
        request = ChatRequest.model_validate({"model": "m", "messages": self.history, "stream": stream})
        said = ""
        try:
            async with AsyncExitStack() as open:
                async for chunk in self.made.handle(Call(request, Key("anyone"), open, "req")):
                    said += chunk.text
                    if leave:
                        return
        except Failure:
            return
        assert said == right(sorted(self.history, key=lambda message: message["role"] != "system"))
        self.history.append(assistant(said))


@pytest.mark.parametrize("kind", ["created", "answered"])
@given(steps=st.lists(STEPS, min_size=12, max_size=40))
def test_an_answer_is_always_given_to_the_callers_own_history(kind: str, steps: list[tuple[str, Any, Any]]):
    async def test() -> None:
        async with handling(kind=kind) as (made, remembering):
            caller = Caller(made, remembering)
            for step in steps:
                if kind == "created" or step[0] != "system":
                    await caller.step(*step)
            remembering.answers = []
            await caller.step("say", "at last", False)

    asyncio.run(test())
