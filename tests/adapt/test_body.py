"""What varies in a request: the question, the conversation, the parameters, ids; everything else stays as it is."""

import json
import shlex

import pytest
import yaml

from dragoman.adapt.adaptation import adapted
from dragoman.adapt.asked import CannotAdapt

ANSWER = {"reply": "So it is."}


def made(body, answer=ANSWER, url="https://api.acme.com/chat", options=""):
    """The backend made for a request with this JSON."""
    command = f"curl {shlex.quote(url)} {options} --json {shlex.quote(json.dumps(body))}"
    given = adapted(command, json.dumps(answer).encode() if answer else None)
    return yaml.safe_load(given.yaml)["backends"][given.name]


def request(body, answer=ANSWER):
    return made(body, answer)["request"]


@pytest.mark.parametrize(
    "key", ["message", "query", "question", "q", "text", "content", "input", "input_value", "userInput", "msg"]
)
def test_the_question_is_found_by_its_name(key):
    body = {"title": "A much longer text that is no question at all", key: "Why?"}
    assert request(body) == {**body, key: "{{ last_user }}"}


@pytest.mark.parametrize("key", ["prompt", "inputs"])
def test_what_is_to_be_continued_gets_the_whole_conversation(key):
    assert request({key: "Once upon a time"}) == {key: "{{ prompt }}"}


def test_the_question_is_else_the_longest_text_that_somebody_could_have_said():
    body = {
        "app": "0b9f3c1e-7a52-4b0c-8f5e-2d0a3c4b5e6f",
        "hook": "https://example.org/a/very/long/path/to/nowhere",
        "zeta": ["Where is my parcel?"],
    }
    assert request(body) == {**body, "zeta": ["{{ last_user }}"]}


def test_a_request_without_a_question_is_refused():
    with pytest.raises(CannotAdapt, match="Nothing in the request looks like a question"):
        request({"id": 3, "mode": "fast"})


@pytest.mark.parametrize(
    ("wrapped", "template"),
    [
        ("<s>[INST] Why? [/INST]", "<s>[INST] {{ prompt }} [/INST]"),
        (
            "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n",
            "<|im_start|>user\n{{ prompt }}<|im_end|>\n<|im_start|>assistant\n",
        ),
        (
            "\n\nHuman: Why?\n\nAssistant:",
            "\n\n{{ turns | join_turns(user='Human: ', assistant='Assistant: ', sep='\\n\\n') }}\n\nAssistant:",
        ),
    ],
)
def test_the_marks_around_a_prompt_stay(wrapped, template):
    assert request({"prompt": wrapped}) == {"prompt": template}


HISTORIES = {
    "plain": (
        [{"role": "user", "content": "Why?"}],
        "{{ turns }}",
    ),
    "renamed": (
        [{"role": "human", "content": "Hi"}, {"role": "ai", "content": "Yes?"}, {"role": "human", "content": "Why?"}],
        "{{ turns | role_map(user='human', assistant='ai') }}",
    ),
    "unseen-partner": (
        [{"role": "human", "content": "Why?"}],
        "{{ turns | role_map(user='human', assistant='ai') }}",
    ),
    "other-keys": (
        [
            {"sender": "CUSTOMER", "text": "Why?"},
            {"sender": "Bot", "text": "So."},
            {"sender": "CUSTOMER", "text": "Oh?"},
        ],
        {
            "$for": "turn in turns",
            "$make": {
                "sender": "{{ 'Bot' if turn.role == 'assistant' else 'CUSTOMER' }}",
                "text": "{{ turn.content }}",
            },
        },
    ),
    "system-inside": (
        [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Why?"}],
        {"$for": "turn in dialog", "$make": {"role": "{{ turn.role }}", "content": "{{ turn.text }}"}},
    ),
    "renamed-system": (
        [{"type": "SYSTEM", "text": "Be kind."}, {"type": "BOT", "text": "Oh."}, {"type": "USER", "text": "Why?"}],
        {
            "$for": "turn in dialog",
            "$make": {
                "type": "{{ 'BOT' if turn.role == 'assistant' else 'SYSTEM' if turn.role == 'system' else 'USER' }}",
                "text": "{{ turn.text }}",
            },
        },
    ),
    "parts-without-role": (
        [{"parts": [{"text": "Why?"}]}],
        {
            "$for": "turn in turns",
            "$make": {
                "role": "{{ 'model' if turn.role == 'assistant' else 'user' }}",
                "parts": [{"text": "{{ turn.content }}"}],
            },
        },
    ),
    "more-in-each": (
        [
            {"id": 1730900000000, "author": {"name": "x"}, "from": "human", "lang": "en", "value": "Why?"},
            {"id": 1730900000001, "author": {"name": "x"}, "from": "gpt", "lang": "en", "value": "So."},
        ],
        {
            "$for": "turn in turns",
            "$make": {
                "author": {"name": "x"},
                "from": "{{ 'gpt' if turn.role == 'assistant' else 'human' }}",
                "lang": "en",
                "value": "{{ turn.content }}",
            },
        },
    ),
    "pairs": (
        [{"question": "Hi", "answer": "Yes?"}],
        {
            "$for": "pair in turns | batch(2)",
            "$make": {"question": "{{ pair[0].content }}", "answer": "{{ pair[1].content }}"},
        },
    ),
}


@pytest.mark.parametrize(("history", "template"), HISTORIES.values(), ids=HISTORIES)
def test_a_conversation_is_recognised_by_its_roles_and_texts(history, template):
    assert request({"things": history, "lang": "en"}) == {"things": template, "lang": "en"}


@pytest.mark.parametrize(
    ("history", "template"),
    [
        ([{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes?"}], "{{ turns[:-1] }}"),
        (
            [["Hi", "Yes?"]],
            {
                "$for": "pair in turns[:-1] | batch(2)",
                "$make": [["{{ pair[0].content }}", "{{ pair[1].content }}"]],
            },
        ),
        (
            [{"who": "human", "words": "Hi"}, {"who": "bot", "words": "Yes?"}],
            {
                "$for": "turn in turns[:-1]",
                "$make": {
                    "who": "{{ 'bot' if turn.role == 'assistant' else 'human' }}",
                    "words": "{{ turn.content }}",
                },
            },
        ),
        ([], []),
    ],
)
def test_a_history_beside_the_question_ends_before_it(history, template):
    assert request({"message": "Why?", "history": history}) == {"message": "{{ last_user }}", "history": template}


def test_a_list_that_is_no_conversation_stays():
    body = {
        "message": "Why?",
        "tags": [{"name": "user", "colour": "red"}],
        "options": [{"role": "editor", "text": "x"}, {"role": "user{{", "text": "y"}],
    }
    options = [{"role": "editor", "text": "x"}, {"role": "user{{ '{{' }}", "text": "y"}]
    assert request(body) == {**body, "message": "{{ last_user }}", "options": options}


@pytest.mark.parametrize(
    ("given", "template"),
    [
        ({"system": "Be kind."}, {"system": "{{ system }}"}),
        ({"preamble": "Be kind."}, {"preamble": "{{ system }}"}),
        (
            {"system": [{"type": "text", "text": "Be kind."}]},
            {"system": {"$if": "system", "$make": [{"type": "text", "text": "{{ system }}"}]}},
        ),
        (
            {"systemInstruction": {"role": "x{{", "parts": [{"text": "Be kind."}]}},
            {
                "systemInstruction": {
                    "$if": "system",
                    "$make": {"role": "x{{ '{{' }}", "parts": [{"text": "{{ system }}"}]},
                }
            },
        ),
    ],
)
def test_instructions_are_the_callers(given, template):
    assert request({"message": "Why?", **given}) == {"message": "{{ last_user }}", **template}


@pytest.mark.parametrize(
    ("key", "value", "template"),
    [
        ("temperature", 0.5, "{{ temperature | default(0.5) }}"),
        ("topP", 1, "{{ top_p | default(1) }}"),
        ("max_tokens", 100, "{{ max_tokens | default(100) }}"),
        ("maxOutputTokens", 100, "{{ max_tokens | default(100) }}"),
        ("max_tokens_to_sample", None, "{{ max_tokens }}"),
        ("num_predict", "100", "{{ max_tokens | default('100') }}"),
        ("stop", ["END", "it's"], "{{ stops | default(['END', 'it\\'s']) }}"),
        ("stop", "\n", "{{ stop | default('\\n') }}"),
        ("stopSequences", ["{{"], "{{ stops }}"),
        ("seed", 7, "{{ seed }}"),
        ("frequencyPenalty", 0, "{{ frequency_penalty | default(0) }}"),
        ("top_k", 40, "{{ ext.top_k | default(40) }}"),
        ("user", "u-1", "{{ user | default('u-1') }}"),
        ("user", "${HOME}", "{{ user | default('$${HOME}') }}"),
        ("model", "m-1", "{{ model }}"),
        ("modelId", "m-1", "{{ model }}"),
        ("message_id", "0b9f3c1e-7a52-4b0c-8f5e-2d0a3c4b5e6f", "{{ uuid() }}"),
        ("timestamp", 1730900000, "{{ now() }}"),
        ("sentAt", 1730900000000, "{{ now_ms() }}"),
        ("response_format", {"type": "json_object"}, "{{ response_format }}"),
        ("tools", [{"type": "function", "function": {"name": "f"}}], "{{ tools }}"),
        ("tools", [{"name": "f"}], [{"name": "f"}]),
        ("stream", False, False),
        ("temperature", "warm", "warm"),
        ("max_tokens", True, True),
        (
            "note",
            "100% {{ mine }} {% if %} {# no #} ${HOME}",
            "100% {{ '{{' }} mine }} {{ '{%' }} if %} {{ '{#' }} no #} $${HOME}",
        ),
    ],
)
@pytest.mark.parametrize("inside", [False, True], ids=["on top", "inside"])
def test_parameters_are_the_callers_or_what_was_given(key, value, template, inside):
    if inside and key in ("tools", "response_format"):
        return
    given, wanted = ({"config": {key: one}} if inside else {key: one} for one in (value, template))
    assert request({"message": "Why?", **given}) == {"message": "{{ last_user }}", **wanted}


def test_the_model_is_what_callers_ask_for():
    assert adapted(f"curl https://x.org/a --json '{json.dumps({'q': 'Why?', 'model': 'big one'})}'").model == "big one"
    assert adapted('curl https://x.org/a --json \'{"q": "Why?"}\'').model == "x"


@pytest.mark.parametrize(
    ("url", "template"),
    [
        ("https://h.org/v1/models/m-1:go", "https://h.org/v1/models/{{ model }}:go"),
        ("https://h.org/models/org/m-1", "https://h.org/models/{{ model }}"),
        ("https://h.org/engines/m-1/completions", "https://h.org/engines/{{ model }}/completions"),
        ("https://h.org/model/a.b-v1%3A0/invoke", "https://h.org/model/{{ model }}/invoke"),
        ("https://h.org/models/chat", "https://h.org/models/chat"),
        (
            "https://h.org/projects/YOUR_PROJECT_ID/{flow-id}/<Bot id>/{{base}}/x",
            "https://h.org/projects/${PROJECT_ID}/${FLOW_ID}/${BOT_ID}/${BASE}/x",
        ),
        ("https://$HOST/chat", "https://${HOST}/chat"),
        ("https://h.org/models/{model}/chat", "https://h.org/models/${MODEL}/chat"),
    ],
)
def test_models_and_placeholders_in_the_url_vary(url, template):
    assert made({"q": "Why?"}, url=url)["url"] == template


def test_a_model_of_the_body_is_the_one_in_the_url():
    backend = made({"q": "Why?", "model": "m-1"}, url="https://h.org/run/m-1/now")
    assert (backend["url"], backend["request"]["model"]) == ("https://h.org/run/{{ model }}/now", "{{ model }}")


def test_a_conversation_goes_on_where_the_answer_carries_its_id():
    answer = {"reply": "So it is.", "data": {"sessionId": "s-1"}}
    backend = made({"message": "Why?", "session_id": ""}, answer)
    assert backend["request"] == {"message": "{{ last_user }}", "session_id": "{{ session }}"}
    assert (backend["response"]["session"], backend["session"]) == ("data.sessionId", {})


def test_an_id_that_no_answer_carries_stays():
    backend = made({"message": "Why?", "session_id": "s-1"})
    assert backend["request"] == {"message": "{{ last_user }}", "session_id": "s-1"}
    assert "session" not in backend


def test_an_answers_id_is_nothing_where_the_request_has_no_place_for_it():
    assert "session" not in made({"message": "Why?"}, {"reply": "So it is.", "session_id": "s-1"})


def test_a_stream_is_asked_for_by_its_flag():
    unseen = made({"message": "Why?", "options": {"stream": True}, "response_mode": "streaming"}, None)
    assert unseen["request"] == {
        "message": "{{ last_user }}",
        "options": {"stream": False},
        "response_mode": "blocking",
    }
    assert unseen["stream"]["request"] == {"options": {"stream": True}, "response_mode": "streaming"}
    assert made({"message": "Why?", "stream": True})["request"]["stream"] is True  # for this it answered so


@pytest.mark.parametrize(
    ("key", "told"),
    [("$if", "which means something else"), ("$make", "which means something else"), ("k" * 257, "256")],
)
def test_a_key_that_a_template_cannot_have_is_refused(key, told):
    with pytest.raises(CannotAdapt, match=told):
        request({"message": "Why?", "filter": {key: 1}})


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ("-H 'Content-Type: application/json' -d '{\"a\": }'", "The body is not JSON"),
        ("-H 'Content-Type: multipart/form-data; boundary=x' -d x", "The request is a multipart form"),
        ('-X GET -d \'{"q": "Why?"}\'', "The command sends a body by GET"),
    ],
)
def test_a_body_that_cannot_be_made_is_refused(options, told):
    with pytest.raises(CannotAdapt, match=told):
        adapted(f"curl https://h.org/a {options}")
