"""What is native, emulated, refused or ignored, as a configuration says and a caller sees, over real HTTP."""

import json

import pytest

from dragoman import Config, ConfigError, Gateway
from tests.mapping.asking import ask, mapped, served
from tests.serving import QUESTION, gateway, post
from tests.upstream import always, chunked, json_answer, listening, sse, stream_head

HI = always(json_answer({"reply": "Hi there"}))
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}
SEEN = [{"role": "user", "content": [{"type": "text", "text": "See"}, IMAGE]}]
SYSTEM = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
TOOLS = [{"type": "function", "function": {"name": "now"}}]


def native(request, **more):
    options = {"kind": "http", "url": "http://chat.example", "request": request, "response": {"text": "t"}, **more}
    return Config.of({"backends": {"b": options}, "models": {"m": "b"}}).backends["b"].native


@pytest.mark.parametrize(
    ("request_", "abilities"),
    [
        ({"q": "{{ last_user }}"}, {"developer"}),
        ({"q": "{{ prompt }}"}, {"developer", "system", "history"}),
        ({"q": "{{ turns }}", "s": "{{ system }}"}, {"developer", "system", "history"}),
        ({"q": "{{ messages }}"}, {"system", "history", "images", "audio", "files"}),
        (
            {"q": "{{ last_user }}", "stop": "{{ stops }}", "limit": "{{ max_tokens }}"},
            {"developer", "stop", "max_tokens"},
        ),
        ({"q": "{{ last_user }}", "form": "{{ schema }}"}, {"developer", "json_schema"}),
        ({"q": "{{ last_user }}", "form": "{{ response_format }}"}, {"developer", "json_schema", "json_object"}),
        ({"q": "{{ last_user }}", "see": "{{ images }}"}, {"developer", "images"}),
    ],
)
def test_what_the_mapping_has_a_place_for_is_native(request_, abilities):
    assert native(request_) == abilities | {"chat"}


def test_what_the_answer_tells_is_native_too():
    read = {"text": "t", "usage": {"total": "n"}, "tool_calls": {"path": "calls"}}
    assert native({"q": "{{ last_user }}", "tools": "{{ tools }}"}, response=read) == {
        "chat",
        "developer",
        "usage",
        "tools",
    }
    assert "stream" in native({"q": "{{ prompt }}"}, stream={"framing": "sse", "text": "d"})


async def test_an_answer_says_what_was_made_for_it():
    async with served(HI, request={"q": "{{ last_user }}", "stop": "{{ stop }}"}) as (url, upstream):
        heard = await ask(url, stop=["there"], n=2, max_tokens=50, seed=1)
        assert heard.headers["x-dragoman-emulated"] == "max_tokens,n,usage"
        assert heard.headers["x-dragoman-ignored"] == "seed"
        assert upstream.requests[0].json == {"q": "Hello", "stop": ["there"]}
        heard = await ask(url, messages=SYSTEM)
        assert heard.headers["x-dragoman-emulated"] == "system,usage"
        assert upstream.requests[-1].json == {"q": "Be kind.\n\nHi"}


async def test_what_a_backend_has_is_left_to_it():
    script = always(stream_head(), chunked(*sse({"d": "Hi"}, {"u": 3}, "[DONE]")))
    read = {"framing": "sse", "text": "d", "usage": {"completion": "u"}}
    async with served(script, None, stream=read, request={"q": "{{ messages }}", "stop": "{{ stop }}"}) as (url, _):
        heard = await ask(url, stream=True, stop="x", messages=SYSTEM)
        assert "x-dragoman-emulated" not in heard.headers


@pytest.mark.parametrize(
    ("more", "param", "code"),
    [
        ({"messages": SEEN}, "messages[0].content[1]", "unsupported_content"),
        ({"logprobs": True}, "logprobs", "unsupported_parameter"),
        ({"modalities": ["text", "audio"]}, "modalities", "unsupported_parameter"),
        ({"prediction": {"type": "content", "content": "x"}}, "prediction", "unsupported_parameter"),
        ({"web_search_options": {}}, "web_search_options", "unsupported_parameter"),
        ({"n": 3}, "n", "unsupported_parameter"),
        ({"n": 1000}, "n", "integer_above_max_value"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
async def test_what_cannot_be_had_is_refused_with_its_place_and_the_backend(more, param, code, stream):
    async with served(HI, abilities={"n": "reject"}) as (url, upstream):
        heard = await ask(url, stream=stream, **more)
        assert (heard.status, heard.error["param"], heard.error["code"]) == (422, param, code)
        assert "'b'" in heard.error["message"] or code == "integer_above_max_value"
        assert not upstream.requests


@pytest.mark.parametrize(
    "more", [{"logprobs": False}, {"n": 1}, {"modalities": ["text"]}, {"tools": []}, {"stop": None}]
)
async def test_who_asks_for_nothing_gets_it(more):
    async with served(HI) as (url, _):
        heard = await ask(url, **more)
        assert heard.text == "Hi there"
        assert heard.headers["x-dragoman-emulated"] == "usage"


async def test_what_is_ignored_is_left_out_and_named():
    treated = {"images": "ignore", "logprobs": "ignore", "tools": "ignore", "usage": "ignore", "system": "ignore"}
    async with served(HI, abilities=treated) as (url, upstream):
        heard = await ask(url, messages=[SYSTEM[0], *SEEN], logprobs=True, top_logprobs=1, tools=TOOLS, seed=1)
        assert heard.headers["x-dragoman-ignored"] == "seed,images,logprobs,system,tools,top_logprobs"
        assert "x-dragoman-emulated" not in heard.headers
        assert upstream.requests[0].json == {"q": "See\n[an image was left out]"}
        assert heard.usage is None


async def test_earlier_turns_that_a_backend_does_not_hear_are_named_or_told():
    said = [{"role": "user", "content": "A"}, {"role": "assistant", "content": "B"}, {"role": "user", "content": "C"}]
    async with served(HI) as (url, upstream):
        heard = await ask(url, messages=said)
        assert heard.headers["x-dragoman-ignored"] == "history"
        assert upstream.requests[0].json == {"q": "C"}
    async with served(HI, abilities={"history": "emulate"}) as (url, upstream):
        heard = await ask(url, messages=said)
        assert heard.headers["x-dragoman-emulated"] == "history,usage"
        assert upstream.requests[0].json == {"q": "User: A\nAssistant: B\nUser: C"}


async def test_a_model_has_the_last_word():
    async with listening(HI) as upstream:
        config = mapped(upstream.url, abilities={"n": "reject", "stop": "reject"})
        config["models"]["other"] = {"backend": "b", "abilities": {"n": "emulate"}, "reasoning": "think-tags"}
        async with gateway(Gateway(config)) as url:
            assert (await ask(url, model="m", n=2)).status == 422
            heard = await ask(url, model="other", n=2)
            assert heard.headers["x-dragoman-emulated"] == "n,reasoning,usage"
            assert (await ask(url, model="other", stop="x")).status == 422


async def test_stop_words_apply_to_what_the_caller_sees_where_tools_are_emulated():
    said = 'I look.\n<tool_call>\n{"name": "now", "arguments": {}}\n</tool_call>'
    async with served(always(json_answer({"reply": said})), request={"q": "{{ prompt }}", "s": "{{ stop }}"}) as (
        url,
        up,
    ):
        heard = await ask(url, tools=TOOLS, stop=["\n<"])
        assert heard.calls == [("now", {})]
        assert "s" not in up.requests[0].json
        assert heard.headers["x-dragoman-emulated"] == "stop,tools,usage"


async def test_a_backend_that_hears_one_message_hears_the_tools_and_all_that_was_said():
    said = [
        {"role": "user", "content": "What time is it?"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "c", "type": "function", "function": {"name": "now", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c", "content": "noon"},
    ]
    async with served(HI) as (url, upstream):
        assert (await ask(url, messages=said, tools=TOOLS)).text == "Hi there"
    asked = upstream.requests[0].json["q"]
    assert asked.startswith("# Tools")
    places = [asked.index(part) for part in ("What time is it?", '{"name":"now","arguments":{}}', "noon")]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"abilities": {"images": "emulate"}}, "`images: emulate` is not possible"),
        ({"abilities": {"toolz": "emulate"}}, "toolz"),
        ({"abilities": {"tools": "yes"}}, "abilities.tools"),
        ({"emulation": {"tools": {"attempts": 9}}}, "emulation.tools.attempts"),
        ({"emulation": {"tools": {"prompt": "{{ toolz }}"}}}, "did you mean 'tools'"),
        ({"emulation": {"json": {"prompt": "{{ oops"}}}, "is not a template"),
        ({"emulation": {"jsn": {}}}, "did you mean 'json'"),
        ({"reasoning": "yes"}, "think-tags"),
    ],
)
def test_a_wrong_configuration_is_told_at_its_place(options, problem, tmp_path):
    file = tmp_path / "wrong.yaml"
    file.write_text(json.dumps(mapped("http://chat.example", **options)))
    with pytest.raises(ConfigError) as wrong:
        Config.read(file)
    assert problem in str(wrong.value)


async def test_a_python_function_is_asked_without_what_it_lacks():
    seen = []

    def function(request):
        seen.append(request)
        return '{"a": 1}'

    config = {"backends": {"b": {"kind": "python", "target": function}}, "models": {"m": "b"}}
    async with gateway(Gateway(config)) as url:
        status, headers, _ = await post(url, {**QUESTION, "response_format": {"type": "json_object"}})
        assert (status, headers["x-dragoman-emulated"]) == (200, "json_object,usage")
        assert seen[0].response_format is None
    config["backends"]["b"]["abilities"] = {"json_object": "native"}
    async with gateway(Gateway(config)) as url:
        await post(url, {**QUESTION, "response_format": {"type": "json_object"}})
        assert seen[1].response_format == {"type": "json_object"}


async def test_what_a_backend_says_of_reasoning_holds_where_its_model_says_nothing_of_it():
    thinking = always(json_answer({"reply": "<think>A greeting.</think>Hi there"}))
    async with listening(thinking) as upstream:
        backend = {"kind": "http", "url": upstream.url, "request": {"q": "{{ prompt }}"}, "response": {"text": "reply"}}
        models = {
            "m": "b",
            "n": {"backend": "m", "abilities": {"n": "reject"}},
            "o": {"backend": "b", "reasoning": None},
        }
        async with gateway({"backends": {"b": {**backend, "reasoning": "think-tags"}}, "models": models}) as url:
            told = {model: json.loads((await post(url, {**QUESTION, "model": model}))[2]) for model in models}
    said = {model: each["choices"][0]["message"] for model, each in told.items()}
    assert {model: each.get("reasoning_content") for model, each in said.items()} == {
        "m": "A greeting.",
        "n": "A greeting.",
        "o": None,
    }
    assert said["m"]["content"] == said["n"]["content"] == "Hi there"
