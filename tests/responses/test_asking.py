"""What a request is in chat's words, as a backend that speaks them is asked."""

import pytest
import pytest_asyncio

from tests.responses.answering import whole
from tests.responses.speaking import HELLO, SHELL, WEATHER, ask, calling, native, refused
from tests.serving import client

PIXEL = "data:image/png;base64,iVBORw0KGgo="
CALLED = {"type": "function_call", "call_id": "call_1", "name": "weather", "arguments": "{}", "id": "fc_1"}
GAVE = {"type": "function_call_output", "call_id": "call_1", "output": "rain"}
SAID = {"role": "user", "content": "Hello"}


pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def sent():
    """Asks, and gives what the backend is asked, and the headers of the answer."""
    async with native("Fine.") as (url, upstream):

        async def asked(**body):
            status, headers, told = await ask(url, {**HELLO, **body})
            assert status == 200, told
            whole(told)
            return upstream.requests.pop().json, headers

        yield asked


@pytest.fixture
def messages(sent):
    """Asks with items, and gives the messages that the backend is asked with."""

    async def asked(*items):
        return (await sent(input=list(items)))[0]["messages"]

    return asked


def answered(*parts):
    return {"type": "message", "role": "assistant", "id": "msg_1", "status": "completed", "content": list(parts)}


def output_text(text):
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


async def test_a_text_is_a_user_message_after_the_instructions(sent):
    asked, _ = await sent(input="Hello", instructions="Be kind.")
    assert asked["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hello"}]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (SAID, {"role": "user", "content": "Hello"}),
        ({"type": "message", **SAID}, {"role": "user", "content": "Hello"}),
        ({"role": "developer", "content": "Be kind."}, {"role": "developer", "content": "Be kind."}),
        ({"role": "system", "content": [{"type": "input_text", "text": "a"}]}, {"role": "system", "content": "a"}),
        (
            {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        ),
        (
            {"role": "user", "content": [{"type": "input_image", "image_url": PIXEL, "detail": "original"}]},
            {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PIXEL, "detail": "high"}}]},
        ),
        (
            {"role": "user", "content": [{"type": "input_file", "filename": "a.pdf", "file_data": "x"}]},
            {"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": "x"}}]},
        ),
        (
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}}]},
            {"role": "user", "content": [{"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}}]},
        ),
        (
            {"role": "user", "content": [{"type": "hologram", "light": 1}]},
            {"role": "user", "content": [{"type": "hologram", "light": 1}]},
        ),
        ({"role": "assistant", "content": "Hi."}, {"role": "assistant", "content": "Hi."}),
        (answered(output_text("One "), output_text("two.")), {"role": "assistant", "content": "One two."}),
        (
            answered(output_text(""), {"type": "refusal", "refusal": "No."}),
            {"role": "assistant", "content": "", "refusal": "No."},
        ),
    ],
)
async def test_messages_of_every_kind_are_understood(messages, item, message):
    assert await messages(item, SAID) == [message, {"role": "user", "content": "Hello"}]


async def test_calls_that_follow_each_other_are_one_message_with_the_text_before_them(messages):
    custom = {"type": "custom_tool_call", "call_id": "call_2", "name": "shell", "input": "ls"}
    gave = {"type": "custom_tool_call_output", "call_id": "call_2", "output": "a b"}
    _, said, *results = await messages(SAID, answered(output_text("Let me look.")), CALLED, custom, GAVE, gave)
    assert said["content"] == "Let me look."
    assert said["tool_calls"] == [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": "{}"}},
        {"id": "call_2", "type": "custom", "custom": {"name": "shell", "input": "ls"}},
    ]
    assert results == [
        {"role": "tool", "tool_call_id": "call_1", "content": "rain"},
        {"role": "tool", "tool_call_id": "call_2", "content": "a b"},
    ]


async def test_what_is_said_after_calls_does_not_part_them_from_what_they_gave(messages):
    _, said, result = await messages(SAID, CALLED, answered(output_text("One moment.")), GAVE)
    assert (said["content"], len(said["tool_calls"]), result["role"]) == ("One moment.", 1, "tool")


async def test_each_round_of_calls_is_a_message_of_its_own(messages):
    again, gave = {**CALLED, "call_id": "call_2"}, {**GAVE, "call_id": "call_2"}
    said = await messages(SAID, CALLED, GAVE, again, gave)
    assert [message["role"] for message in said] == ["user", "assistant", "tool", "assistant", "tool"]
    assert said[1]["content"] is None


async def test_a_picture_that_a_tool_gave_is_shown_after_all_results(messages):
    image = {"type": "input_image", "image_url": PIXEL}
    gave = {**GAVE, "output": [{"type": "input_text", "text": "See:"}, image]}
    again = {**CALLED, "call_id": "call_2"}
    said = await messages(SAID, CALLED, again, gave, {**GAVE, "call_id": "call_2"})
    assert [message["role"] for message in said] == ["user", "assistant", "tool", "tool", "user"]
    assert said[2]["content"] == "See:"
    assert said[4]["content"][1] == {"type": "image_url", "image_url": {"url": PIXEL}}


@pytest.mark.parametrize(
    "item",
    [
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "x"}},
        {"type": "mcp_list_tools", "id": "mcpl_1", "server_label": "x", "tools": []},
        {"type": "local_shell_call", "id": "ls_1", "call_id": "c", "action": {}, "status": "completed"},
        {"type": "compaction", "encrypted_content": "x"},
        {"type": "telepathy"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "content": None, "encrypted_content": "gAAAA"},
    ],
)
async def test_items_of_what_we_do_not_have_are_left_out(messages, item):
    assert await messages(SAID, item) == [{"role": "user", "content": "Hello"}]


async def test_thoughts_are_passed_on_within_their_turn(messages):
    thought = {"type": "reasoning", "summary": [{"type": "summary_text", "text": "Hm."}], "encrypted_content": None}
    raw = {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm hm."}]}
    _, said, _, again = await messages(SAID, thought, CALLED, GAVE, raw, answered(output_text("It rains.")))
    assert (said["reasoning_content"], again["reasoning_content"]) == ("Hm.", "Hm hm.")
    later = await messages(SAID, thought, CALLED, GAVE, answered(output_text("It rains.")), SAID)
    assert not any("reasoning_content" in message for message in later)


async def test_parameters_have_chats_names(sent):
    asked, headers = await sent(
        max_output_tokens=20,
        temperature=0,
        top_p=0.5,
        user="u",
        safety_identifier="s",
        prompt_cache_key="k",
        service_tier="flex",
        metadata={"a": "b"},
        truncation="auto",
        reasoning={"effort": "low", "summary": "auto"},
        text={"verbosity": "low"},
        top_logprobs=2,
        include=["reasoning.encrypted_content"],
        client_metadata={"a": "b"},
        max_tool_calls=3,
        top_k=40,
        stop=5,
        stream_options={"include_obfuscation": False},
    )
    assert {key: asked[key] for key in asked if key not in ("messages", "model")} == {
        "max_completion_tokens": 20,
        "temperature": 0,
        "top_p": 0.5,
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "service_tier": "flex",
        "metadata": {"a": "b"},
        "verbosity": "low",
        "reasoning_effort": "low",
        "logprobs": True,
        "top_logprobs": 2,
        "top_k": 40,
    }
    assert headers["x-dragoman-ignored"] == "max_tool_calls,stop"


async def test_what_was_asked_is_told_again():
    given = {
        "max_output_tokens": 20,
        "temperature": 0,
        "top_p": 0.5,
        "user": "u",
        "safety_identifier": "s",
        "prompt_cache_key": "k",
        "service_tier": "flex",
        "metadata": {"a": "b"},
        "truncation": "auto",
        "reasoning": {"effort": "low", "summary": "auto"},
        "text": {"format": {"type": "text"}, "verbosity": "low"},
        "instructions": "Be kind.",
        "tool_choice": "none",
        "parallel_tool_calls": False,
        "tools": [WEATHER],
    }
    async with native("Fine.") as (url, _):
        _, _, told = await ask(url, {**HELLO, **given, "store": False})
        response = whole(told)
        assert {key: response[key] for key in given} == given
        assert response["store"] is False


async def test_a_stream_always_asks_for_the_usage():
    async with native("Fine.", usage={"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}) as (
        url,
        upstream,
    ):
        async with client(url) as sdk, sdk.responses.stream(**HELLO) as stream:
            final = await stream.get_final_response()
        assert (final.usage.input_tokens, final.usage.output_tokens, final.usage.total_tokens) == (3, 2, 5)
        assert upstream.requests[0].json["stream_options"] == {"include_usage": True}


@pytest.mark.parametrize(
    ("format", "told"),
    [
        ({"type": "text"}, None),
        ({"type": "json_object"}, {"type": "json_object"}),
        (
            {"type": "json_schema", "name": "a", "schema": {"type": "object"}, "strict": True},
            {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}, "strict": True}},
        ),
    ],
)
async def test_the_format_of_the_text_has_chats_shape(sent, format, told):
    asked, _ = await sent(text={"format": format})
    assert asked.get("response_format") == told


async def test_tools_have_chats_shape(sent):
    grammar = {**SHELL, "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": "start: /a/"}}
    asked, headers = await sent(tools=[WEATHER, SHELL, grammar], tool_choice="auto", parallel_tool_calls=False)
    function = {key: WEATHER[key] for key in ("name", "description", "parameters", "strict")}
    assert asked["tools"] == [
        {"type": "function", "function": function},
        {"type": "custom", "custom": {"name": "shell", "description": "Runs a command."}},
        {
            "type": "custom",
            "custom": {
                "name": "patch",
                "description": "Runs a command.",
                "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": "start: /a/"}},
            },
        },
    ]
    assert (asked["tool_choice"], asked["parallel_tool_calls"]) == ("auto", False)
    assert "x-dragoman-ignored" not in headers


async def test_tools_that_we_do_not_have_are_left_out_and_named(sent):
    search = {"type": "web_search", "external_web_access": False}
    mcp = {"type": "mcp", "server_label": "x", "server_url": "https://x.example"}
    asked, headers = await sent(tools=[search, WEATHER, mcp], parallel_tool_calls=True)
    assert [tool["function"]["name"] for tool in asked["tools"]] == ["weather"]
    assert headers["x-dragoman-ignored"] == "mcp,web_search"
    alone, _ = await sent(tools=[search], tool_choice="auto", parallel_tool_calls=True)
    assert alone.keys() == {"model", "messages"}


async def test_a_tool_whose_type_cannot_stand_in_a_header_is_named_otherwise():
    async with native("Fine.") as (url, _):
        status, headers, _ = await ask(url, {**HELLO, "tools": [{"type": "a\r\nset-cookie: b"}]})
        assert (status, headers["x-dragoman-ignored"]) == (200, "tools")
        assert "set-cookie" not in headers


async def test_tools_of_a_namespace_are_offered_under_both_names():
    dive = {"type": "function", "name": "dive", "parameters": None}
    sea = {"type": "namespace", "name": "sea", "description": "At sea.", "tools": [dive, {"type": "whale"}]}
    async with native(calling("sea__dive", "{}"), "Wet.") as (url, upstream), client(url) as sdk:
        first = await sdk.responses.create(model="m", input="Dive", tools=[sea])
        (call,) = first.output
        assert (call.namespace, call.name) == ("sea", "dive")
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "wet"}
        await sdk.responses.create(model="m", input=[output], previous_response_id=first.id, tools=[sea])
        said = upstream.requests[1].json
        assert said["tools"][0]["function"]["name"] == said["messages"][1]["tool_calls"][0]["function"]["name"]


async def test_tools_that_items_bring_are_offered_from_then_on():
    sea = {"type": "namespace", "name": "sea", "tools": [{"type": "function", "name": "dive"}, {"type": "whale"}]}
    brings = {"type": "additional_tools", "role": "developer", "tools": [SHELL, sea]}
    async with native(calling("sea__dive", "{}"), "Wet.") as (url, upstream), client(url) as sdk:
        first = await sdk.responses.create(model="m", input=[brings, SAID], tools=[WEATHER])
        (call,) = first.output
        assert (call.namespace, call.name) == ("sea", "dive")
        output = {"type": "function_call_output", "call_id": call.call_id, "output": "wet"}
        await sdk.responses.create(model="m", input=[output], previous_response_id=first.id)
        offered = [[tool[tool["type"]]["name"] for tool in asked.json["tools"]] for asked in upstream.requests]
        assert offered == [["weather", "shell", "sea__dive"], ["shell", "sea__dive"]]


async def test_a_tool_that_an_item_brings_is_refused_where_it_stands():
    brings = {"type": "additional_tools", "tools": [SHELL, {"type": "function", "name": "no name"}]}
    async with native("Fine.") as (url, _):
        status, error = await refused(url, {**HELLO, "input": [SAID, brings]})
        assert (status, error["param"]) == (422, "input[1].tools[1].name")


@pytest.mark.parametrize(
    ("choice", "told"),
    [
        ("required", "required"),
        ({"type": "function", "name": "weather"}, {"type": "function", "function": {"name": "weather"}}),
        ({"type": "custom", "name": "shell"}, {"type": "custom", "custom": {"name": "shell"}}),
        (
            {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "weather"}, {"type": "web_search"}],
            },
            {
                "type": "allowed_tools",
                "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "weather"}}]},
            },
        ),
    ],
)
async def test_a_tool_is_chosen_in_every_way(sent, choice, told):
    asked, _ = await sent(tools=[WEATHER, SHELL], tool_choice=choice)
    assert asked["tool_choice"] == told


@pytest.mark.parametrize(
    ("tools", "choice"),
    [
        ([{"type": "web_search"}, WEATHER], {"type": "web_search"}),
        ([{"type": "web_search"}], "required"),
        ([WEATHER], {"type": "function", "name": "other"}),
        ([WEATHER], {"type": "allowed_tools", "mode": "required", "tools": [{"type": "mcp", "server_label": "x"}]}),
    ],
)
async def test_a_choice_that_cannot_be_made_is_refused(tools, choice):
    async with native("Fine.") as (url, upstream):
        status, error = await refused(url, {**HELLO, "tools": tools, "tool_choice": choice})
        assert (status, error["param"], error["code"]) == (422, "tool_choice", "unsupported_parameter")
        assert upstream.requests == []


async def test_the_default_model_answers_for_those_that_name_none():
    async with native("Fine.", top={"default_model": "m"}) as (url, _):
        status, _, told = await ask(url, {"input": "Hello"})
        assert (status, whole(told)["model"]) == (200, "m")
