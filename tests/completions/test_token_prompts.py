"""Prompts that come as tokens are read by the backend's own vocabulary, or refused."""

from base64 import b64encode

import pytest

from tests.completions.answering import texts
from tests.completions.place import place


@pytest.fixture
def tokens(tmp_path):
    """A vocabulary of single bytes, and of one word, 256."""
    known = [*(bytes([byte]) for byte in range(256)), b" once"]
    lines = [b64encode(token) + b" %d\n" % number for number, token in enumerate(known)]
    (tmp_path / "tiny.tiktoken").write_bytes(b"".join(lines))
    return {"tiktoken": "o200k_base", "vocabulary": str(tmp_path / "tiny.tiktoken")}


def coded(text):
    return list(text.encode())


async def test_tokens_are_the_text_that_they_stand_for(tokens):
    async with place(tokens=tokens) as there:
        assert texts(await there.complete([*coded("Ünly"), 256])) == ["ÜNLY ONCE"]
        told = await there.complete([coded("one"), coded("two")], n=2)
        assert texts(told) == ["ONE", "ONE", "TWO", "TWO"]
        assert sorted(each["messages"][0]["content"] for each in there.asked[1:]) == ["one", "two"]


async def test_before_a_suffix_they_are_text_too(tokens):
    async with place(lambda request: {"message": {"content": "x"}}, tokens=tokens) as there:
        await there.complete(coded("Once upon a time"), suffix=" the end.")
        content = there.asked[0]["messages"][0]["content"]
        said = content if isinstance(content, str) else "".join(part["text"] for part in content)
        assert "Once upon a time" in said
        assert said.endswith(" the end.")


async def test_tokens_that_stand_for_nothing_are_named(tokens):
    async with place(tokens=tokens) as there:
        for prompt, param in (([1, 99_999], "prompt"), ([[1], [2], [99_999]], "prompt[2]")):
            status, error = await there.refused(prompt=prompt)
            assert (status, error["param"], error["code"]) == (422, param, "invalid_value")


async def test_without_a_vocabulary_they_are_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    async with place() as there:
        for prompt, param in (([1, 2], "prompt"), ([[1], [2]], "prompt[0]")):
            status, error = await there.refused(prompt=prompt)
            assert (status, error["param"], error["code"]) == (422, param, "unsupported_content")
        assert there.asked == []
