"""Instructor, asked for what it is used for."""

from collections.abc import Iterable
from typing import Any

import instructor
from anthropic import Anthropic
from openai import OpenAI
from telling import ADA, BOTH, KEY, URL, Person, told

MODES = (instructor.Mode.TOOLS, instructor.Mode.JSON, instructor.Mode.JSON_SCHEMA)
NAMES = ("prompt", "messages", "chatty", "forgetful", "careless")
OWN = OpenAI(base_url=URL, api_key=KEY, max_retries=0)


def asked(text: str, name: str = "prompt", **more: Any) -> dict[str, Any]:
    return {"model": name, "messages": [{"role": "user", "content": text}], "max_retries": 0, **more}


def whole() -> Any:
    by = {}
    for mode in MODES:
        client = instructor.from_openai(OWN, mode=mode)
        held = mode is not instructor.Mode.JSON  # where the schema is in words only, a careless model stays so
        for name in NAMES if held else NAMES[:-1]:
            answer = client.chat.completions.create(**asked(ADA, name, response_model=Person))
            by[f"{name} {mode.name}"] = answer.model_dump()
    return by


def asked_again() -> Any:
    client = instructor.from_openai(OWN, mode=instructor.Mode.JSON)
    return client.chat.completions.create(**asked(ADA, "careless", response_model=Person, max_retries=1)).model_dump()


def several() -> Any:
    by = {}
    for mode in MODES:
        client = instructor.from_openai(OWN, mode=mode)
        people = client.chat.completions.create_iterable(**asked(BOTH, "chatty", response_model=Person))
        by[mode.name] = [person.model_dump() for person in people]
    return by


def partial() -> Any:
    by = {}
    for mode in MODES:
        client = instructor.from_openai(OWN, mode=mode)
        seen = list(client.chat.completions.create_partial(**asked(ADA, "chatty", response_model=Person)))
        by[mode.name] = {"last": seen[-1].model_dump(), "seen": len(seen)}
    return by


def of_lists() -> Any:
    client = instructor.from_openai(OWN)
    people = client.chat.completions.create(**asked(BOTH, response_model=Iterable[Person], stream=True))
    return [person.model_dump() for person in people]


def other_doors() -> Any:
    responses = instructor.from_openai(OWN, mode=instructor.Mode.RESPONSES_TOOLS)
    claude = Anthropic(base_url=URL.removesuffix("/v1"), api_key=KEY, max_retries=0)
    return [
        responses.responses.create(model="prompt", input=ADA, response_model=Person, max_retries=0).model_dump(),
        *(
            instructor.from_anthropic(claude, mode=mode)
            .messages.create(**asked(ADA, response_model=Person, max_tokens=1000))
            .model_dump()
            for mode in (instructor.Mode.ANTHROPIC_TOOLS, instructor.Mode.ANTHROPIC_JSON)
        ),
    ]


told(whole, asked_again, several, partial, of_lists, other_doors)
