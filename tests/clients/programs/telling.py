"""What the programs share: where they ask, what they work on, and how they tell what they found."""

import json
import sys
import traceback
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pydantic import BaseModel

URL = sys.argv[1]
KEY = "sk-test"

QUESTION = "What is the weather in Paris and Rome?"
ADA = "Ada is 36 years old."
BOTH = "Ada is 36 years old, and Alan is 41."
WEATHER = {"Paris": 18, "Rome": 21, "Oslo": 7}


class Person(BaseModel):
    """Somebody."""

    name: str
    age: int


class Weather(BaseModel):
    """How warm it is."""

    city: str
    celsius: int


def weather(city: str) -> dict[str, Any]:
    return {"city": city, "celsius": WEATHER[city]}


def each(models: Mapping[str, Any], check: Callable[[Any], Any]) -> dict[str, Any]:
    """What a check finds with each model, by the model's name; of one that fails, how."""
    return {name: _found(partial(check, model)) for name, model in models.items()}


def told(*checks: Callable[[], Any]) -> None:
    """Prints what each check finds, by its name; of one that fails, how."""
    print(json.dumps({check.__name__: _found(check) for check in checks}))


def _found(check: Callable[[], Any]) -> Any:
    try:
        return check()
    except Exception:
        return traceback.format_exc()
