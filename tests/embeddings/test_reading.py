"""Whatever a body holds, it is read or its fault is named; what is read is asked again in the same words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.asked import Embed, Moderate
from dragoman.errors import InvalidRequest
from dragoman.json import dumped
from dragoman.reading import request_in
from dragoman.wire.embeddings import EmbeddingsRequest
from dragoman.wire.moderations import ModerationsRequest

SCALARS = st.none() | st.booleans() | st.integers(-3, 2**33) | st.floats(allow_nan=False) | st.sampled_from(["", "a"])
PARTS = st.fixed_dictionaries({}, optional={"type": st.sampled_from(["text", "image_url", "x"]), "text": SCALARS})
ANYTHING = st.recursive(SCALARS | PARTS, lambda inner: st.lists(inner, max_size=4), max_leaves=8)
FIELDS = ("input", "model", "dimensions", "encoding_format", "user", "other")
OTHERS = st.fixed_dictionaries({}, optional=dict.fromkeys(FIELDS[2:], SCALARS))
BODIES = st.builds(lambda said, more: {"model": "m", "input": said, **more}, ANYTHING, OTHERS | st.just({}))
TEXT = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
TOKENS = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=4)
INPUTS = TEXT | st.lists(TEXT, min_size=1, max_size=4) | TOKENS | st.lists(TOKENS, min_size=1, max_size=4)


def read(body, kind):
    """The request in a body, or its fault."""
    try:
        return request_in(dumped(body), kind)
    except InvalidRequest as failure:
        return failure


@pytest.mark.parametrize("kind", [EmbeddingsRequest, ModerationsRequest])
@given(body=BODIES)
def test_a_body_is_read_or_its_fault_is_named(kind, body):
    asked = read(body, kind)
    if isinstance(asked, InvalidRequest):
        assert asked.param.partition("[")[0].partition(".")[0] in FIELDS
        assert asked.code not in (None, "invalid_json")
    else:
        assert asked.texts
        assert all(asked.texts)


@given(INPUTS)
def test_texts_and_tokens_are_asked_again_as_they_came(said):
    asked = request_in(dumped({"model": "m", "input": said}), EmbeddingsRequest)
    request = Embed.of("m", asked.texts, {}, {})
    single = isinstance(said, str) or isinstance(said[0], int)
    assert request.inputs == ([said] if single else said)
    assert request.given() == {"model": "m", "input": request.inputs}
    assert [message["role"] for message in request.messages] == ["user"] * len(request.inputs)


@given(st.lists(TEXT, min_size=1, max_size=4))
def test_moderations_are_asked_again_in_their_own_words(texts):
    request = Moderate.of("m", texts, {}, {})
    assert request.given()["input"] == (texts if len(texts) > 1 else texts[0])
    parts = [{"type": "text", "text": text} for text in texts]
    together = Moderate.of("m", [parts], {}, {})
    assert together.given()["input"] == parts
    assert together.inputs == ["\n".join(texts)]
