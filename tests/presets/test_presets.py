"""Every preset asks as the vendor's reference has it, and reads what the vendor was recorded to say."""

import json
import re
from collections.abc import Iterator
from typing import Any

import openai
import pytest

from dragoman import Gateway
from dragoman.completion import merged
from dragoman.preset import names, preset
from dragoman.tape.exchange import Exchange, Request
from tests.presets import WIRES, Wire
from tests.serving import client, gateway
from tests.upstream import LAST_CHUNK, Connection, Received, Script, chunked, listening

HIDDEN = re.compile(r"\(\w+\)")
"""What stands in a recording for anything."""


def is_stream(case: str) -> bool:
    return case.endswith("stream")


CASES = [
    pytest.param(wire, case, sliced, id=f"{wire.name}-{case}{'-sliced' * sliced}")
    for wire in WIRES
    for case in wire.cases
    for sliced in (False, True)[: 1 + is_stream(case)]
]


async def heard(url: str, case: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What the official SDK makes of the answer."""
    try:
        async with client(url) as sdk:
            if is_stream(case):
                return await streamed(sdk, asked)
            completion = await sdk.chat.completions.create(**asked)
    except openai.APIError as error:
        return {"status": getattr(error, "status_code", None), "code": error.code, "message": error.message}
    (choice,) = completion.choices
    usage = completion.usage.model_dump() if completion.usage else None
    return {**plain(choice.message.model_dump()), "finish_reason": choice.finish_reason, "usage": usage}


async def streamed(sdk: openai.AsyncOpenAI, asked: dict[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    finish = usage = None
    options = {"stream": True, "stream_options": {"include_usage": True}}
    async for chunk in await sdk.chat.completions.create(**asked, **options):
        for choice in chunk.choices:
            said = merged(said, choice.delta.model_dump(exclude_none=True))
            finish = choice.finish_reason or finish
        usage = chunk.usage.model_dump() if chunk.usage else usage
    return {**plain(said), "finish_reason": finish, "usage": usage}


def plain(message: dict[str, Any]) -> dict[str, Any]:
    """A message with its tool calls and citations as short as `SAYS` has them."""
    functions = [call["function"] for call in message.get("tool_calls") or ()]
    cited = [annotation["url_citation"] for annotation in message.get("annotations") or ()]
    return {
        **message,
        "tool_calls": [(function["name"], json.loads(function["arguments"])) for function in functions],
        "annotations": [(citation["url"], citation["title"]) for citation in cited],
    }


def has(whole: Any, part: Any) -> bool:
    """Whether objects have all that is in the part's, and everything else is the same."""
    if isinstance(whole, dict) and isinstance(part, dict):
        return all(name in whole and has(whole[name], value) for name, value in part.items())
    return bool(whole == part)


def playing(wire: Wire, exchanges: list[Exchange], sliced: bool, sent: list[Request]) -> Script:
    """Plays each exchange once; what is not among them, such as a login, is answered by the wire."""
    left = list(exchanges)

    async def script(connection: Connection, received: Received) -> None:
        method, target, _ = received.head.split(" ", 2)
        asked = Request(method=method, target=target, headers=received.headers, body=received.body)
        for exchange in left:
            if exchange.request.method == method and fits(asked.path, exchange.request.path):
                left.remove(exchange)
                sent.append(asked)
                await connection.send(*written(exchange, sliced), pause=0.000_001 if sliced else 0)
                return
        await connection.send(wire.module.whole(received, "something else"))

    return script


def written(exchange: Exchange, sliced: bool) -> Iterator[bytes]:
    """A recorded answer as HTTP, if wanted byte by byte."""
    answer = exchange.answer
    headers = {**answer.headers, "transfer-encoding": "chunked"}
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    yield f"HTTP/1.1 {answer.status} Said\r\n{lines}\r\n".encode()
    for _, piece in answer.body:
        yield from (chunked(bytes([byte])) for byte in piece) if sliced else [chunked(piece)]
    yield LAST_CHUNK


def fits(sent: Any, recorded: Any) -> bool:
    """Whether what was sent is what was recorded, where `(anything)` stands for whatever there is."""
    if isinstance(recorded, str) and HIDDEN.search(recorded):
        pattern = ".+".join(map(re.escape, HIDDEN.split(recorded)))
        return re.fullmatch(pattern, str(sent or ""), re.DOTALL) is not None
    if isinstance(recorded, dict) and isinstance(sent, dict):
        return sent.keys() == recorded.keys() and all(fits(sent[name], recorded[name]) for name in recorded)
    if isinstance(recorded, list) and isinstance(sent, list):
        return len(sent) == len(recorded) and all(map(fits, sent, recorded))
    return type(sent) is type(recorded) and bool(sent == recorded)


def parsed(body: Any) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return body


@pytest.mark.parametrize(("wire", "case", "sliced"), CASES)
async def test_what_was_recorded_is_asked_and_understood(wire, case, sliced):
    sent: list[Request] = []
    async with (
        listening(playing(wire, wire.cases[case], sliced, sent)) as upstream,
        gateway(wire.config(upstream.url, errors="openai")) as url,
    ):
        answer = await heard(url, case, wire.asked(case))
    recorded = [exchange.request for exchange in wire.cases[case]]
    assert len(sent) == len(recorded)
    for asked, known in zip(sent, recorded, strict=True):
        assert (asked.method, fits(asked.target, known.target)) == (known.method, True), asked.target
        assert fits(parsed(asked.body), parsed(known.body)), f"sent {asked.body!r}, recorded {known.body!r}"
        assert fits({header: asked.headers.get(header) for header in known.headers}, known.headers)
    said = wire.module.SAYS[case]
    assert has(answer, said), {key: answer.get(key) for key in said}


@pytest.mark.parametrize("name", names())
def test_every_preset_is_described_and_recorded(name):
    known, (wire,) = preset(name), [wire for wire in WIRES if wire.name == name]
    assert known.about
    assert "\n" not in known.about
    assert known.docs.startswith("https://")
    assert known.notes
    assert wire.cases.keys() == wire.module.SAYS.keys() >= {"whole", "error"}
    if "framing" in known.backend.get("stream", {}) or known.backend["kind"] == "openai":
        assert "stream" in wire.cases
    if "tool_calls" in known.backend.get("response", {}):
        assert {"tools", "results"} <= wire.cases.keys()


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.name)
def test_what_is_optional_may_be_left_out(wire):
    backend = wire.config("http://127.0.0.1:9")["backends"]["b"]
    optional = {name for name, parameter in preset(wire.name).takes.items() if parameter.optional}
    needed = {name: value for name, value in backend.items() if name not in optional}
    assert Gateway({"backends": {"b": needed}, "models": {"m": "b"}})
