"""A login in use: its options read, an upstream asked through it, and what arrived there."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from dragoman.logins import LoginOptions
from dragoman.outgoing import Outgoing
from dragoman.upstream import Upstream
from tests.upstream import Received, Script, always, json_answer, listening

OPTIONS: TypeAdapter[Any] = TypeAdapter(LoginOptions)
QUESTION = Outgoing("POST", "/chat?lang=en", {"Content-Type": "application/json"}, '{"q":"Hällo"}'.encode())


def options(kind: str, **given: Any) -> Any:
    return OPTIONS.validate_python({"kind": kind, **given})


def refusals(kind: str, **given: Any) -> dict[str, str]:
    """What is wrong with options, by the key it stands at; and that no value is told."""
    with pytest.raises(ValidationError) as caught:
        options(kind, **given)
    errors = caught.value.errors(include_input=False)
    return {".".join(map(str, error["loc"][1:])): error["msg"].removeprefix("Value error, ") for error in errors}


@asynccontextmanager
async def reached(url: str, kind: str, **given: Any) -> AsyncIterator[Upstream]:
    """An upstream that is asked as that login has it."""
    async with options(kind, **given).opened() as login, Upstream(url, login=login) as upstream:
        yield upstream


async def ask(upstream: Upstream, asked: Outgoing = QUESTION) -> bytes:
    async with AsyncExitStack() as open:
        return await (await upstream.send(open, asked)).whole()


async def arrived(kind: str, asked: Outgoing = QUESTION, script: Script | None = None, **given: Any) -> Received:
    """The request that arrives at a real server."""
    async with (
        listening(script or always(json_answer({}))) as server,
        reached(server.url, kind, **given) as upstream,
    ):
        await ask(upstream, asked)
        (received,) = server.requests
        return received


def target(received: Received) -> str:
    """Path and query, as they stood in the request line."""
    return received.head.split(" ")[1]
