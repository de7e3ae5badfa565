"""Instructor, asked for what it is used for."""

from collections.abc import Iterable
from typing import Any

import instructor
from openai import OpenAI
from telling import ADA, BOTH, KEY, URL, Person, told

MODES = (instructor.Mode.TOOLS, instructor.Mode.JSON, instructor.Mode.JSON_SCHEMA, instructor.Mode.MD_JSON)
STRUCTURED = MODES[:3]
NAMES = ("prompt", "messages", "chatty", "forgetful", "careless")
OWN = OpenAI(base_url=URL, api_key=KEY, max_retries=0)
HELD = {instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA}
"""Modes in which dragoman knows the schema, so that even a careless model's answer is good."""


def asked(text: str, name: str = "prompt", **more: Any) -> dict[str, Any]:
    return {"model": name, "messages": [{"role": "user", "content": text}], "max_retries": 0, **more}


def whole() -> Any:
    by = {}
    for mode in MODES:
        for name in NAMES:
            if (name not in ("forgetful", "careless") and mode in MODES) or mode in HELD:
                client = instructor.from_openai(OWN, mode=mode)
                answer = client.chat.completions.create(**asked(ADA, name, response_model=Person))
                by[f"{name} {mode.name}"] = answer.model_dump()
    return by


def several() -> Any:
    by = {}
    for mode in STRUCTURED:
        client = instructor.from_openai(OWN, mode=mode)
        people = client.chat.completions.create_iterable(**asked(BOTH, "chatty", response_model=Person))
        by[mode.name] = [person.model_dump() for person in people]
    return by


def partial() -> Any:
    by = {}
    for mode in STRUCTURED:
        client = instructor.from_openai(OWN, mode=mode)
        seen = list(client.chat.completions.create_partial(**asked(ADA, "chatty", response_model=Person)))
        by[mode.name] = {"last": seen[-1].model_dump(), "seen": len(seen)}
    return by


def of_lists() -> Any:
    client = instructor.from_openai(OWN)
    people = client.chat.completions.create(**asked(BOTH, response_model=Iterable[Person], stream=True))
    return [person.model_dump() for person in people]


told(whole, several, partial, of_lists)
