"""What is asked in Anthropic's words is asked as a chat: shown by what an upstream that speaks OpenAI's API gets."""

import json
from typing import Any

import pytest
import pytest_asyncio

from tests.messages.asking import ADD, HELLO, PATH, asked, refused, saying, speaking
from tests.serving import gateway, openai_backend, post

pytestmark = pytest.mark.asyncio(loop_scope="module")

PIXEL = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
DATA = "data:image/png;base64,iVBORw0KGgo="


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def upstream():
    async with speaking({"content": "Hi"}) as (url, upstream):
        yield url, upstream


@pytest.fixture
def sent(upstream):
    """What the upstream gets of a request."""
    url, at = upstream

    async def sent(**more: Any) -> dict[str, Any]:
        status, _, body = await post(url, asked(**more), path=PATH)
        assert status == 200, body
        return at.requests[-1].json

    return sent


@pytest.fixture
def turns(sent):
    """The chat messages that messages become."""

    async def turns(*messages: tuple[str, Any], **more: Any) -> list[Any]:
        return (await sent(messages=[{"role": role, "content": said} for role, said in messages], **more))["messages"]

    return turns


def text(said: str, **more: Any) -> dict[str, Any]:
    return {"type": "text", "text": said, **more}


def use(id: str, **given: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": id, "name": "add", "input": given}


def result(id: str, content: Any = "4", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": id, "content": content, **more}


def call(id: str, arguments: str) -> dict[str, Any]:
    return {"id": id, "type": "function", "function": {"name": "add", "arguments": arguments}}


async def test_a_plain_question_is_a_plain_chat(sent):
    assert await sent() == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_completion_tokens": 1000,
    }


async def test_parameters_have_their_names_in_a_chat(sent):
    got = await sent(
        temperature=0, top_p=1, top_k=5, stop_sequences=["END", ""], metadata={"user_id": "u"}, system="Be kind."
    )
    assert got == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}],
        "max_completion_tokens": 1000,
        "temperature": 0,
        "top_p": 1,
        "top_k": 5,
        "stop": ["END"],
        "user": "u",
    }


async def test_a_stream_is_asked_for_with_its_usage(sent):
    got = await sent(stream=True)
    assert (got["stream"], got["stream_options"]) == (True, {"include_usage": True})


async def test_what_is_null_or_empty_is_as_if_it_were_not_there(sent):
    names = ("system", "stop_sequences", "temperature", "top_p", "top_k", "metadata", "tools", "tool_choice", "stream")
    more = ("thinking", "output_config", "output_format", "container")
    assert await sent(**dict.fromkeys((*names, *more))) == await sent()
    assert await sent(stop_sequences=[], tools=[], metadata={"user_id": None}, output_config={}) == await sent()


async def test_system_blocks_are_one_text(turns):
    system = [text("One.", cache_control={"type": "ephemeral"}), text("Two.")]
    assert await turns(("user", "Hello"), system=system) == [
        {"role": "system", "content": "One.\nTwo."},
        {"role": "user", "content": "Hello"},
    ]


async def test_a_system_message_stays_where_it_is(turns):
    assert await turns(("user", "Hello"), ("system", [text("Now be short.")]), ("user", "Well?")) == [
        {"role": "user", "content": "Hello"},
        {"role": "system", "content": "Now be short."},
        {"role": "user", "content": "Well?"},
    ]


async def test_texts_alone_are_one_text(turns):
    [turn] = await turns(("user", [text("One"), text("two", citations=None, cache_control={"type": "ephemeral"})]))
    assert turn == {"role": "user", "content": "One\ntwo"}


@pytest.mark.parametrize(
    ("block", "part"),
    [
        ({"type": "image", "source": PIXEL}, {"type": "image_url", "image_url": {"url": DATA}}),
        (
            {"type": "image", "source": {"type": "url", "url": "https://a.example/b.png"}},
            {"type": "image_url", "image_url": {"url": "https://a.example/b.png"}},
        ),
        (
            {
                "type": "document",
                "title": "The deed",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
            },
            {"type": "file", "file": {"filename": "The deed", "file_data": "data:application/pdf;base64,JVBERg=="}},
        ),
        (
            {"type": "document", "source": {"type": "url", "url": "https://a.example/b.pdf"}},
            {"type": "file", "file": {"filename": "document.pdf", "file_data": "https://a.example/b.pdf"}},
        ),
    ],
    ids=["image", "image by its URL", "document", "document by its URL"],
)
async def test_what_is_no_text_becomes_a_part(turns, block, part):
    assert await turns(("user", [text("Look:"), block])) == [{"role": "user", "content": [text("Look:"), part]}]


@pytest.mark.parametrize(
    ("block", "told"),
    [
        (
            {
                "type": "document",
                "title": "T",
                "context": "C",
                "source": {"type": "text", "media_type": "text/plain", "data": "D"},
            },
            "T\nC\nD",
        ),
        ({"type": "document", "source": {"type": "content", "content": "D"}}, "D"),
        (
            {
                "type": "document",
                "title": None,
                "source": {"type": "content", "content": [text("A"), {"type": "image", "source": PIXEL}]},
            },
            "A\n[image]",
        ),
        (
            {"type": "search_result", "title": "T", "source": "https://a.example", "content": [text("C")]},
            "T\nhttps://a.example\nC",
        ),
        ({"type": "of_tomorrow", "text": "a text"}, "a text"),
        ({"type": "of_tomorrow", "what": 1}, ""),
        ({"type": "redacted_thinking", "data": "…"}, ""),
    ],
)
async def test_what_a_text_can_tell_is_told_as_text(turns, block, told):
    assert await turns(("user", [block])) == [{"role": "user", "content": told}]


async def test_calls_and_what_they_gave_are_messages_of_their_own(turns):
    assert await turns(
        ("user", "What is 2+2, and 3+4?"),
        ("assistant", [text("Let me see."), use("t1", a=2, b=2), use("t2")]),
        ("user", [result("t1"), text("And then?"), result("t2", [text("se"), text("ven")])]),
    ) == [
        {"role": "user", "content": "What is 2+2, and 3+4?"},
        {"role": "assistant", "content": "Let me see.", "tool_calls": [call("t1", '{"a":2,"b":2}'), call("t2", "{}")]},
        {"role": "tool", "tool_call_id": "t1", "content": "4"},
        {"role": "tool", "tool_call_id": "t2", "content": "se\nven"},
        {"role": "user", "content": "And then?"},
    ]


async def test_a_call_without_a_word_has_no_content(turns):
    *_, assistant, tool = await turns(("user", "?"), ("assistant", [use("t1")]), ("user", [result("t1", None)]))
    assert assistant == {"role": "assistant", "content": None, "tool_calls": [call("t1", "{}")]}
    assert tool == {"role": "tool", "tool_call_id": "t1", "content": ""}


@pytest.mark.parametrize(("given", "told"), [("no such file", "Error: no such file"), ("Error: no", "Error: no")])
async def test_a_tool_that_failed_says_so(turns, given, told):
    *_, tool = await turns(("user", "?"), ("assistant", [use("t1")]), ("user", [result("t1", given, is_error=True)]))
    assert tool["content"] == told


async def test_an_image_that_a_tool_gave_follows_in_a_user_message(turns):
    given = [text("Seen:"), {"type": "image", "source": PIXEL}]
    *_, tool, user = await turns(
        ("user", "?"), ("assistant", [use("t1")]), ("user", [result("t1", given), text("What is it?")])
    )
    assert tool["content"] == "Seen:\n[image]"
    assert user["content"] == [{"type": "image_url", "image_url": {"url": DATA}}, text("What is it?")]


async def test_our_own_thoughts_go_back_with_calls_only(turns):
    ours = {"type": "thinking", "thinking": "Hm.", "signature": "dragoman"}
    others = {"type": "thinking", "thinking": "Ha.", "signature": "EqQBCgIYAhIkMWFm"}
    _, said, called, *_ = await turns(
        ("user", "?"),
        ("assistant", [ours, text("Well.")]),
        ("assistant", [ours, others, {"type": "redacted_thinking", "data": "x"}, use("t1")]),
        ("user", [result("t1")]),
    )
    assert said == {"role": "assistant", "content": "Well."}
    assert called["reasoning_content"] == "Hm."


async def test_what_servers_did_for_an_answer_is_passed_over(turns):
    blocks = [
        {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "s1", "content": []},
        text("Found."),
    ]
    assert (await turns(("user", "?"), ("assistant", blocks), ("user", "And?")))[1] == {
        "role": "assistant",
        "content": "Found.",
    }


async def test_an_answer_that_is_begun_is_to_be_gone_on_with(turns):
    told = await turns(("user", "As JSON!"), ("assistant", [text('{"a":')]), system="Be kind.")
    assert told[1:] == [{"role": "user", "content": "As JSON!"}, {"role": "assistant", "content": '{"a":'}]
    assert told[0]["content"].startswith("Be kind.\n\nYour answer has begun already")
    assert told[0]["content"].endswith('\n\n{"a":')


async def test_tools_are_functions(sent):
    got = await sent(tools=[ADD, {"type": "custom", "name": "f", "input_schema": {"type": "object"}, "strict": True}])
    assert [tool["function"] for tool in got["tools"]] == [
        {"name": "add", "description": "Adds two numbers", "parameters": ADD["input_schema"]},
        {"name": "f", "parameters": {"type": "object"}, "strict": True},
    ]
    assert {tool["type"] for tool in got["tools"]} == {"function"}
    assert "tool_choice" not in got


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ({"type": "auto"}, {"tool_choice": "auto"}),
        ({"type": "any"}, {"tool_choice": "required"}),
        ({"type": "none"}, {"tool_choice": "none"}),
        ({"type": "tool", "name": "add"}, {"tool_choice": {"type": "function", "function": {"name": "add"}}}),
        ({"type": "auto", "disable_parallel_tool_use": True}, {"tool_choice": "auto", "parallel_tool_calls": False}),
        ({"type": "any", "disable_parallel_tool_use": False}, {"tool_choice": "required"}),
        ({"type": "tool", "name": "bash"}, {}),
    ],
)
async def test_which_tool_may_be_called_is_said(sent, choice, told):
    tools = [ADD, {"type": "bash_20250124", "name": "bash"}]
    got = await sent(tools=tools, tool_choice=choice)
    assert {name: got[name] for name in ("tool_choice", "parallel_tool_calls") if name in got} == told


async def test_a_schema_is_a_response_format(sent):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    told = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema, "strict": True}}
    form = {"type": "json_schema", "schema": schema}
    assert (await sent(output_config={"format": form}))["response_format"] == told
    assert (await sent(output_format=form))["response_format"] == told


@pytest.mark.parametrize("effort", ["low", "medium", "xhigh", "of_tomorrow"])
async def test_an_effort_is_the_same_effort(sent, effort):
    got = await sent(output_config={"effort": effort}, thinking={"type": "enabled", "budget_tokens": 1024})
    assert got["reasoning_effort"] == effort
    assert "thinking" not in got


async def test_the_usual_effort_is_not_asked_of_backends_that_may_have_none(sent):
    assert await sent(output_config={"effort": "high"}) == await sent()


async def test_what_is_of_no_use_is_named_and_not_sent_on(upstream):
    url, at = upstream
    server = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 5}, {"type": "mcp_toolset"}]
    more = {"context_management": {"edits": [{}]}, "mcp_servers": [{}], "container": "c", "betas": ["x"]}
    body = asked(tools=[*server, ADD], thinking={"type": "adaptive"}, service_tier="auto", **more)
    _, headers, _ = await post(f"{url}", body, path=f"{PATH}?beta=true", **{"anthropic-beta": "a,b"})
    assert headers["x-dragoman-ignored"].split(",") == [
        *("container", "context_management", "mcp_servers", "service_tier", "thinking"),
        *("tools.web_search_20250305", "tools.mcp_toolset"),
    ]
    got = at.requests[-1].json
    assert got.keys() == {"model", "messages", "max_completion_tokens", "tools"}
    assert [tool["function"]["name"] for tool in got["tools"]] == ["add"]


def saying_blocks(role: str, *blocks: Any) -> dict[str, Any]:
    return asked(messages=[{"role": role, "content": [*blocks]}])


async def test_a_model_may_leave_out_what_its_backend_refuses(upstream):
    _, at = upstream
    parameters = {"max_completion_tokens": 8000, "reasoning_effort": None, "top_k": None}
    config = openai_backend(at.url)
    models = {"claude-*": {"backend": "b", "model": "large", "parameters": parameters}}
    async with gateway({**config, "models": models}) as url:
        more = {"max_tokens": 64000, "top_k": 5, "output_config": {"effort": "low"}}
        status, _, _ = await post(url, asked(model="claude-opus-9", **more), path=PATH)
    assert status == 200
    assert at.requests[-1].json == {"model": "large", "messages": HELLO, "max_completion_tokens": 8000}


WRONG = {
    "max_tokens": (asked(max_tokens=None), "max_tokens"),
    "max_tokens 0": (asked(max_tokens=0), "max_tokens"),
    "messages": (asked(messages=[]), "messages"),
    "role": (asked(messages=[{"role": "tool", "content": "x"}]), "messages[0].role"),
    "content": (asked(messages=[{"role": "user", "content": 1}]), "messages[0].content"),
    "no content": (asked(messages=[{"role": "user"}]), "messages[0].content"),
    "text": (
        saying_blocks("user", text("a"), {"type": "text"}),
        "messages[0].content[1].text",
    ),
    "kind": (saying_blocks("user", {"text": "a"}), "messages[0].content[0].type"),
    "source": (
        saying_blocks("user", {"type": "image", "source": {"type": "base64", "data": "x"}}),
        "messages[0].content[0].source.media_type",
    ),
    "file": (
        saying_blocks("user", {"type": "image", "source": {"type": "file", "file_id": "f"}}),
        "messages[0].content[0].source",
    ),
    "input": (
        asked(
            messages=[{"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "n", "input": "x"}]}]
        ),
        "messages[0].content[0].input",
    ),
    "result of nothing": (
        saying_blocks("user", text("a"), result("t9")),
        "messages[0].content[1].tool_use_id",
    ),
    "result": (
        saying_blocks("user", result("t9", [{"type": "text", "text": 1}])),
        "messages[0].content[0].content[0].text",
    ),
    "system": (asked(system=[{"type": "text", "text": 1}]), "system[0].text"),
    "temperature": (asked(temperature=1.5), "temperature"),
    "stop_sequences": (asked(stop_sequences=["a", 1]), "stop_sequences[1]"),
    "user_id": (asked(metadata={"user_id": "a\nb"}), "metadata.user_id"),
    "tool": (asked(tools=[{"name": "f"}]), "tools[0].input_schema"),
    "tool's name": (asked(tools=[{**ADD, "name": "a b"}]), "tools[0].name"),
    "same names": (asked(tools=[ADD, ADD]), "tools"),
    "choice": (asked(tools=[ADD], tool_choice={"type": "some"}), "tool_choice.type"),
    "choice without a name": (asked(tools=[ADD], tool_choice={"type": "tool"}), "tool_choice.name"),
    "choice of another": (asked(tools=[ADD], tool_choice={"type": "tool", "name": "sub"}), "tool_choice.name"),
    "choice of none": (asked(tool_choice={"type": "any"}), "tool_choice"),
    "format": (asked(output_config={"format": {"type": "json_schema"}}), "output_config.format.schema"),
    "thinking": (asked(thinking={}), "thinking.type"),
    "effort": (asked(output_config={"effort": 5}), "output_config.effort"),
    "model": ({key: value for key, value in asked().items() if key != "model"}, "model"),
}


@pytest.mark.parametrize(("body", "path"), WRONG.values(), ids=WRONG)
async def test_what_is_wrong_is_said_with_its_place(upstream, body, path):
    status, kind, message = await refused(upstream[0], body)
    assert (status, kind) == (422, "invalid_request_error")
    assert f"'{path}'" in message


async def test_a_schema_that_is_none_is_told_by_its_place_in_the_callers_words():
    async with gateway(saying(lambda: ["Hi"])) as url:
        wrong = {**ADD, "input_schema": {"type": "objekt"}}
        _, kind, message = await refused(url, asked(tools=[wrong]))
        assert kind == "invalid_request_error"
        assert "'tools[0].input_schema'" in message
        form = {"type": "json_schema", "schema": {"type": "objekt"}}
        _, _, message = await refused(url, asked(output_config={"format": form}))
        assert "'output_config.format.schema'" in message


async def test_bodies_that_are_no_json_are_told_as_such(upstream):
    for body in (b"", b"[]", b"{", json.dumps(asked()).encode()[:-1]):
        status, kind, message = await refused(upstream[0], body)
        assert (status, kind) == (422, "invalid_request_error")
        assert "JSON" in message
