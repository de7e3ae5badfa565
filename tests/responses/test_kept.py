"""What is kept of responses: for whom, for how long, and how conversations go on."""

import asyncio
import json
import logging

import pytest

from dragoman import Config, ConfigError, Gateway
from dragoman.errors import MemoryDown
from dragoman.responses.kept import MOST_TURNS
from dragoman.storage.memory import InProcess
from tests.responses.answering import streamed, whole
from tests.responses.speaking import HELLO, ask, native, plain, refused, replies
from tests.serving import client, gateway, openai_backend
from tests.upstream import always, json_answer, listening

KEYS = {"keys": {name: {"secret": f"sk-{name}-{'0' * 30}"} for name in ("ann", "ben")}}
ANN, BEN = ({"authorization": f"Bearer sk-{name}-{'0' * 30}"} for name in ("ann", "ben"))


async def made(url, stream=False, **body):
    """A response that was asked for."""
    status, _, told = await ask(url, {**HELLO, **body, "stream": stream})
    assert status == 200, told
    return streamed(told) if stream else whole(told)


async def got(url, id, path="", **headers):
    status, _, told = await ask(url, None, f"/{id}{path}", "GET", **headers)
    return status, json.loads(told)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_response_is_there_as_soon_as_it_is_whole(stream):
    async with plain("Fine.") as (url, _):
        response = await made(url, stream)
        assert await got(url, response["id"]) == (200, response)


@pytest.mark.parametrize("stream", [False, True])
async def test_a_conversation_goes_on_from_turn_to_turn(stream):
    async with native("One.", "Two.", "Three.") as (url, upstream):
        first = await made(url, stream, input="1", instructions="Count.")
        second = await made(url, stream, input="2", previous_response_id=first["id"], instructions="Go on.")
        await made(url, stream, input="3", previous_response_id=second["id"])
        await made(url, stream, input="other", previous_response_id=first["id"])
        said = [[message["content"] for message in request.json["messages"]] for request in upstream.requests]
        assert said == [
            ["Count.", "1"],
            ["Go on.", "1", "One.", "2"],
            ["1", "One.", "2", "Two.", "3"],
            ["1", "One.", "other"],
        ]


async def test_a_conversation_at_the_backend_goes_on_with_it():
    session = {"request": {"q": "{{ last_user }}", "talk": "{{ session }}"}, "session": {}}
    async with plain("Fine.", **session, response={"text": "reply", "session": "talk"}) as (url, upstream):
        upstream.script = always(json_answer({"reply": "Fine.", "talk": "t1"}))
        first = await made(url, input="1")
        await made(url, input="2", previous_response_id=first["id"])
        assert [request.json for request in upstream.requests] == [{"q": "1"}, {"q": "2", "talk": "t1"}]


async def test_a_conversation_may_go_on_without_anything_new():
    async with native("One.", "Two.") as (url, upstream):
        first = await made(url)
        await made(url, input=None, previous_response_id=first["id"])
        assert [message["role"] for message in upstream.requests[1].json["messages"]] == ["user", "assistant"]


async def test_nobody_reads_or_goes_on_with_what_is_another_keys():
    async with plain("Fine.", top=KEYS) as (url, upstream):
        _, _, told = await ask(url, HELLO, **ANN)
        id = whole(told)["id"]
        assert (await got(url, id, **ANN))[0] == 200
        assert (await got(url, id, **BEN))[0] == 404
        assert (await got(url, id, "/input_items", **BEN))[0] == 404
        assert (await refused(url, None, f"/{id}", "DELETE", **BEN))[0] == 404
        _, error = await refused(url, {**HELLO, "previous_response_id": id}, **BEN)
        assert error["code"] == "previous_response_not_found"
        item = whole(told)["output"][0]["id"]
        _, error = await refused(url, {**HELLO, "input": [{"type": "item_reference", "id": item}]}, **BEN)
        assert error["code"] == "item_not_found"
        assert (await got(url, id, **ANN))[0] == 200
        assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("method", "path"), [("GET", ""), ("GET", "/input_items"), ("DELETE", ""), ("POST", "/cancel")]
)
async def test_no_key_reads_nothing(method, path):
    async with plain("Fine.", top=KEYS) as (url, _):
        assert (await refused(url, None, f"/resp_{'0' * 32}{path}", method))[0] == 401


async def test_what_is_not_to_be_stored_is_not():
    async with plain("Fine.") as (url, _):
        response = await made(url, store=False)
        assert response["store"] is False
        assert (await got(url, response["id"]))[0] == 404


@pytest.mark.parametrize("keep", [0, False, "0s"])
async def test_a_server_may_keep_nothing(keep):
    async with plain("Fine.", top={"responses": {"keep": keep}}) as (url, _):
        response = await made(url)
        assert response["store"] is False
        assert (await got(url, response["id"]))[0] == 404
        _, error = await refused(url, {**HELLO, "previous_response_id": response["id"]})
        assert (error["param"], error["code"]) == ("previous_response_id", "unsupported_parameter")


async def test_what_is_kept_is_kept_for_its_time():
    async with plain("Fine.", top={"responses": {"keep": "200ms"}}) as (url, _):
        response = await made(url)
        assert (await got(url, response["id"]))[0] == 200
        await asyncio.sleep(0.25)
        assert (await got(url, response["id"]))[0] == 404


async def test_what_is_too_large_is_answered_but_not_kept(caplog):
    async with plain("Fine.", top={"responses": {"largest": "4KiB"}}) as (url, _):
        small, large = await made(url), await made(url, input="x" * 5000)
        assert (await got(url, small["id"]))[0] == 200
        assert (await got(url, large["id"]))[0] == 404
    assert "it is too large" in caplog.text


@pytest.mark.parametrize("responses", [{"keep": -1}, {"keep": True}, {"keep": "soon"}, {"largest": 0}, {"kept": "1d"}])
def test_options_that_make_no_sense_are_named(responses):
    with pytest.raises(ConfigError, match=r"responses\."):
        Config.of({"backends": {"b": {"kind": "demo"}}, "models": {"m": "b"}, "responses": responses})


async def test_what_is_deleted_is_gone_and_with_it_the_conversation():
    async with plain("Fine.") as (url, _):
        first = await made(url)
        second = await made(url, previous_response_id=first["id"])
        status, _, told = await ask(url, None, f"/{first['id']}", "DELETE")
        assert (status, json.loads(told)) == (200, {"id": first["id"], "object": "response", "deleted": True})
        assert (await refused(url, None, f"/{first['id']}", "DELETE"))[0] == 404
        assert (await got(url, second["id"]))[0] == 200
        _, error = await refused(url, {**HELLO, "previous_response_id": second["id"]})
        assert error["code"] == "previous_response_not_found"
        assert "earlier" in error["message"]


async def test_items_are_referred_to_by_their_id():
    async with native("One.", "Two.") as (url, upstream):
        first = await made(url, input=[{"role": "user", "content": "1"}, {"role": "user", "content": "Please."}])
        _, listed = await got(url, first["id"], "/input_items?order=asc")
        references = [{"type": "item_reference", "id": item["id"]} for item in (*listed["data"], *first["output"])]
        second = await made(url, input=[*references, {"role": "user", "content": "2"}])
        said = [message["content"] for message in upstream.requests[1].json["messages"]]
        assert [each if isinstance(each, str) else each[0]["text"] for each in said] == ["1", "Please.", "One.", "2"]
        _, items = await got(url, second["id"], "/input_items?order=asc")
        assert [item["id"] for item in items["data"][:3]] == [reference["id"] for reference in references]


async def test_items_are_referred_to_within_the_conversation_that_goes_on():
    item = {"type": "message", "id": "msg_mine", "role": "user", "content": "1"}
    async with native("One.", "Two.") as (url, upstream):
        first = await made(url, input=[item])
        await made(url, input=[{"id": "msg_mine"}], previous_response_id=first["id"])
        assert [each["content"] for each in upstream.requests[1].json["messages"]] == ["1", "One.", "1"]


async def test_input_items_are_listed_page_by_page():
    async with plain("Fine.") as (url, _), client(url) as sdk:
        output = {"type": "function_call_output", "call_id": "c", "output": "rain"}
        call = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
        said = {"role": "assistant", "content": "Hi."}
        made = await sdk.responses.create(model="m", input=[{"role": "user", "content": "1"}, said, call, output])
        listed = sdk.responses.input_items
        items = [item async for item in listed.list(made.id, limit=1, order="asc")]
        assert [item.type for item in items] == ["message", "message", "function_call", "function_call_output"]
        assert (items[0].content[0].text, items[1].content[0].text, items[1].content[0].type) == (
            *("1", "Hi."),
            "output_text",
        )
        assert [item.id async for item in listed.list(made.id)] == [item.id for item in reversed(items)]
        assert len({item.id for item in items}) == 4
        page = await listed.list(made.id, limit=3, after=items[0].id, order="asc")
        assert ([item.id for item in page.data], page.has_more) == ([item.id for item in items[1:]], False)


@pytest.mark.parametrize(
    ("query", "param"),
    [("limit=0", "limit"), ("limit=x", "limit"), ("limit=101", "limit"), ("order=up", "order"), ("after=x", "after")],
)
async def test_a_list_that_cannot_be_is_refused(query, param):
    async with plain("Fine.") as (url, _):
        response = await made(url)
        status, error = await refused(url, None, f"/{response['id']}/input_items?{query}", "GET")
        assert (status, error["param"], error["code"]) == (422, param, "invalid_value")


class Failing(InProcess):
    """A memory that may be down."""

    down = False

    async def get(self, key):
        return await super().get(key) if not self.down else self._fail()

    async def put(self, key, value, seconds):
        await super().put(key, value, seconds) if not self.down else self._fail()

    async def drop(self, key):
        await super().drop(key) if not self.down else self._fail()

    def _fail(self):
        raise MemoryDown("it is down: secret-detail")


async def test_while_the_memory_is_down_what_needs_none_is_answered(monkeypatch, caplog):
    memory = Failing()
    monkeypatch.setattr(Gateway, "memory", property(lambda self: memory))
    caplog.set_level(logging.WARNING)
    async with plain("Fine.") as (url, upstream):
        first = await made(url)
        memory.down = True
        second = await made(url)
        assert second["output"][0]["content"][0]["text"] == "Fine."
        assert "response not kept" in caplog.text
        path = f"/{first['id']}"
        for refusal in (
            await refused(url, {**HELLO, "previous_response_id": first["id"]}),
            await refused(url, {**HELLO, "input": [{"id": first["output"][0]["id"]}]}),
            await refused(url, None, path, "GET"),
            await refused(url, None, path, "DELETE"),
            await refused(url, None, f"{path}/input_items", "GET"),
        ):
            status, error = refusal
            assert (status, error["code"]) == (503, "responses_unavailable")
            assert "secret-detail" not in error["message"]
        assert len(upstream.requests) == 2
        memory.down = False
        assert (await got(url, first["id"]))[0] == 200


async def test_a_conversation_has_an_end(monkeypatch):
    monkeypatch.setattr("dragoman.responses.kept.MOST_TURNS", 3)
    assert MOST_TURNS > 100
    async with plain("Fine.") as (url, _):
        last = await made(url)
        for _ in range(3):
            last = await made(url, previous_response_id=last["id"])
        _, error = await refused(url, {**HELLO, "previous_response_id": last["id"]})
        assert (error["param"], error["code"]) == ("previous_response_id", "conversation_too_long")


async def test_a_store_keeps_what_its_servers_answered(tmp_path):
    async with listening(replies("Fine.")) as upstream:
        config = {**openai_backend(upstream.url), "store": f"sqlite:///{tmp_path / 'kept.db'}"}
        async with gateway(config) as url:
            first = await made(url)
        async with gateway(config) as url:
            assert await got(url, first["id"]) == (200, first)
            assert (await made(url, previous_response_id=first["id"]))["status"] == "completed"
