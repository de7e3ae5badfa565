"""Secrets: where they may come from, and that nothing written down shows them."""

import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ValidationError

from dragoman.secret import MOST_HIDDEN, HeaderSecret, PerhapsSecret, Secret, hidden, hide


class Options(BaseModel):
    key: Secret | None = None
    header: HeaderSecret | None = None
    perhaps: PerhapsSecret | None = None


def read(environment: set[str] | None = None, **options: Any) -> dict[str, str]:
    """The secrets as they were understood; `environment`: what is known to come from there."""
    context = None if environment is None else {"from_environment": environment}
    made = Options.model_validate(options, context=context)
    assert not any(str(value) in repr(made) for value in options.values() if isinstance(value, str))
    return {name: value.get_secret_value() for name, value in made if value is not None}


def refusal(environment: set[str] | None = None, **options: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        read(environment, **options)
    (error,) = caught.value.errors()
    return error["msg"].removeprefix("Value error, ")


# Where a secret comes from


def test_a_secret_is_a_text_or_stands_in_a_file(tmp_path: Path):
    (file := tmp_path / "key").write_text("from-a-file\n")
    assert read(key="from-a-text") == {"key": "from-a-text"}
    assert read(key={"file": str(file)}) == {"key": "from-a-file"}


@pytest.mark.parametrize(
    ("held", "meant"), [(b"k\n", "k"), (b"k\r\n", "k"), (b"k\n\n", "k\n"), (b" k ", " k "), ("ключ".encode(), "ключ")]
)
def test_one_line_end_after_a_secret_is_not_part_of_it(tmp_path: Path, held: bytes, meant: str):
    (file := tmp_path / "key").write_bytes(held)
    assert read(key={"file": str(file)}) == {"key": meant}


@pytest.mark.parametrize(
    ("held", "why"),
    [(b"", "is empty"), (b"\n", "is empty"), (b"\xff", "it is not UTF-8"), (b"k" * 65537, "it is larger than 64 KiB")],
)
def test_a_file_that_holds_no_secret_is_refused_by_its_name(tmp_path: Path, held: bytes, why: str):
    (file := tmp_path / "key").write_bytes(held)
    assert refusal(key={"file": str(file)}).startswith(f"the file {str(file)!r} ")
    assert refusal(key={"file": str(file)}).endswith(why)


@pytest.mark.parametrize(
    ("path", "why"),
    [("/no/such", "No such file or directory"), ("/", "Is a directory"), ("a\0", "embedded null byte")],
)
def test_a_file_that_cannot_be_read_is_refused_by_its_name(path: str, why: str):
    assert refusal(key={"file": path}) == f"the file {path!r} cannot be read: {why}"


@pytest.mark.parametrize("value", [12345678, True, ["k"], {}, {"file": 1}, {"file": "x", "more": 1}, {"path": "x"}])
def test_nothing_else_is_a_secret(value: Any):
    assert refusal(key=value) == "must be a text, or the file that holds it: `{file: PATH}`"


def test_an_unset_secret_is_refused():
    assert refusal(key="") == refusal(perhaps="") == "is empty"


@pytest.mark.parametrize("value", ["a\nb", "a\0", "ключ"])
def test_a_secret_for_a_header_is_printable_ascii(value: str):
    assert refusal(header=value) == "must be printable ASCII, because it is sent in a header"


def test_a_secret_does_not_stand_in_the_configuration(tmp_path: Path):
    (file := tmp_path / "key").write_text("x")
    assert "must come from the environment (`${NAME}`)" in refusal({"theirs"}, key="written-out")
    assert "must come from the environment (`${NAME}`)" in refusal({""}, key="written-out")
    assert read({"theirs"}, key="Basic theirs") == {"key": "Basic theirs"}
    assert read(set(), key={"file": str(file)}) == {"key": "x"}


def test_what_is_perhaps_a_secret_may_stand_there_and_is_none_then():
    read({"sesame-open"}, perhaps="client_credentials_grant")
    assert hidden("client_credentials_grant") == "client_credentials_grant"
    read({"sesame-open"}, perhaps="please sesame-open")
    read(perhaps="nobody-knows-whence")
    assert hidden("sesame-open, nobody-knows-whence") == "(perhaps), (perhaps)"


def test_its_schema_says_what_may_be_written():
    schema = Options.model_json_schema()
    text, file = schema["properties"]["key"]["anyOf"][:2]
    assert text == {"type": "string"}
    assert schema["$defs"][file["$ref"].rpartition("/")[2]] | {"title": "", "description": ""} == {
        "type": "object",
        "properties": {"file": {"type": "string", "title": "File"}},
        "required": ["file"],
        "additionalProperties": False,
        "title": "",
        "description": "",
    }


# What is written down


def test_a_secret_is_hidden_as_soon_as_it_is_read():
    read(key="the-key-of-keys", header="Bearer bare-token-1")
    assert hidden("x the-key-of-keys, bare-token-1 x") == "x (key), (header) x"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=6))
def test_a_secret_is_hidden_however_it_is_written(secret: str):
    hide(secret, "NAME")
    forms = [secret, repr(secret), quote(secret), urlencode({"q": secret}), json.dumps({"k": secret})]
    for form in (*forms, json.dumps({"k": secret}, ensure_ascii=False)):
        assert "(NAME)" in hidden(form) or len(set(secret)) < 6
        assert secret not in hidden(form)


def test_a_secret_that_was_cut_off_is_hidden():
    hide("abcdefghijklmnop", "NAME")
    assert [hidden(f"<{'abcdefghijklmnop'[:length]}") for length in (5, 6, 15)] == ["<abcde", "<(NAME)", "<(NAME)"]
    assert hidden("abcdefghijk!") == "abcdefghijk!"


def test_the_longest_secret_is_hidden_first():
    hide("open-sesame", "SHORT")
    hide("open-sesame-and-barley", "LONG")
    assert hidden("open-sesame-and-barley open-sesame!") == "(LONG) (SHORT)!"


def test_a_short_text_is_no_secret():
    hide("usual")
    assert hidden("as usual") == "as usual"


def test_a_token_takes_the_place_of_its_predecessor():
    hide("token-number-one", "TOKEN")
    hide("token-number-two", "TOKEN", instead_of="token-number-one")
    assert hidden("token-number-one token-number-two") == "token-number-one (TOKEN)"


def test_the_oldest_is_forgotten_first_but_a_configured_one_last():
    hide("configured-secret", "LASTING", lasting=True)
    for number in range(MOST_HIDDEN + 1):
        hide(f"passing-{number:04}", "PASSING")
    assert hidden("passing-0000 configured-secret") == "passing-0000 (LASTING)"
    assert hidden(f"passing-{MOST_HIDDEN:04}") == "(PASSING)"
