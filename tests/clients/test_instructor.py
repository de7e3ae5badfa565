"""Instructor on a chat API that gives only text."""

from typing import Any

import pytest

from tests.clients.place import MODELS, needs_clients

pytestmark = [pytest.mark.asyncio(loop_scope="module"), needs_clients]

PROGRAM = "with_instructor.py"
ADA, ALAN = {"name": "Ada", "age": 36}, {"name": "Alan", "age": 41}
MODES = ("TOOLS", "JSON", "JSON_SCHEMA")


async def test_output_is_typed_in_every_mode(found: dict[str, Any]):
    told = found["whole"]
    assert told == dict.fromkeys(told, ADA)
    assert len(told) == len(MODES) * len(MODELS) - 1


async def test_what_is_wrong_is_asked_for_again(found: dict[str, Any]):
    assert found["asked_again"] == ADA


async def test_several_objects_come_one_after_the_other(found: dict[str, Any]):
    assert found["several"] == {mode: [ADA, ALAN] for mode in MODES}


async def test_an_object_grows(found: dict[str, Any]):
    for mode in MODES:
        assert found["partial"][mode]["last"] == ADA
        assert found["partial"][mode]["seen"] > 2


async def test_a_list_streams(found: dict[str, Any]):
    assert found["of_lists"] == [ADA, ALAN]


async def test_output_is_typed_in_other_dialects(found: dict[str, Any]):
    assert found["other_doors"] == [ADA, ADA, ADA]
