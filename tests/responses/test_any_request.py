"""Whatever is asked, however odd, is refused or becomes a request that chat completions take."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.errors import InvalidRequest
from dragoman.reading import request_in
from dragoman.responses.asking import Asked
from dragoman.responses.kept import listed_items
from dragoman.wire.chat import ChatRequest
from dragoman.wire.responses import ResponseRequest


def with_type(*kinds, **fields):
    """Objects of these types, whose fields may be missing, null, or of any kind."""
    anything = st.one_of(st.none(), st.booleans(), st.text(max_size=3), st.just([]), st.just({}))
    optional = {name: st.one_of(value, anything) for name, value in fields.items()}
    return st.fixed_dictionaries({}, optional={"type": st.sampled_from(kinds), **optional})


NAME = st.sampled_from(["weather", "sea", "a b", ""])
PART = with_type("input_text", "output_text", "refusal", "input_image", "input_file", "x", text=NAME, image_url=NAME)
CONTENT = st.one_of(NAME, st.lists(PART, max_size=3))
TOOL = with_type(
    *("function", "custom", "namespace", "web_search"),
    name=NAME,
    parameters=st.just({"type": "object"}),
    tools=st.lists(with_type("function", name=NAME)),
)
ITEM = with_type(
    *(
        "message",
        "function_call",
        "custom_tool_call",
        "function_call_output",
        "custom_tool_call_output",
        "reasoning",
        "additional_tools",
        "x",
    ),
    role=st.sampled_from(["user", "assistant", "system", "developer", "tool"]),
    content=CONTENT,
    call_id=NAME,
    name=NAME,
    arguments=NAME,
    input=NAME,
    output=CONTENT,
    namespace=NAME,
    summary=st.lists(PART, max_size=2),
    tools=st.lists(TOOL, max_size=2),
    id=NAME,
)
CHOICE = st.one_of(
    st.sampled_from(["auto", "none", "required"]),
    with_type("function", "custom", "allowed_tools", "mcp", name=NAME, mode=st.just("auto"), tools=st.lists(TOOL)),
)


@settings(max_examples=400)
@given(
    st.fixed_dictionaries(
        {"input": st.one_of(NAME, st.lists(ITEM, max_size=5))},
        optional={
            "tools": st.lists(TOOL, max_size=3),
            "tool_choice": CHOICE,
            "instructions": NAME,
            "text": st.just({"format": {"type": "json_object"}}),
            "top_logprobs": st.integers(-1, 21),
            "messages": st.just([]),
            "n": st.just(-1),
            "top_k": st.integers(),
        },
    )
)
def test_whatever_is_asked_is_refused_or_a_valid_request_of_chats(body):
    try:
        request = request_in(json.dumps(body).encode(), ResponseRequest)
        items = request.input if isinstance(request.input, list) else []
        asked = Asked(request, "m", (), items)
    except InvalidRequest as refusal:
        wrong = (refusal.param or "input").partition("[")[0].partition(".")[0]
    else:
        wrong = None
    if wrong:
        assert wrong in body
        return
    assert len(asked.places) == len(asked.chat.messages)
    assert ChatRequest.model_validate(asked.chat.given()).given() == asked.chat.given()
    assert len(list(listed_items("resp_1", items))) == len(items)
