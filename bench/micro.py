#!/usr/bin/env python3
"""Microseconds of the functions that every call, or every event of a stream, goes through.

.venv/bin/python bench/micro.py
"""

import json
from collections.abc import Callable, Iterator
from timeit import Timer

from work import as_body, request

from dragoman.call import Chunk
from dragoman.completion import Folded, Streamed
from dragoman.mapping.completions import Completions
from dragoman.mapping.framing import SSE
from dragoman.mapping.variables import NAMES, variables
from dragoman.paths import found
from dragoman.reading import request_in
from dragoman.templates import Template
from dragoman.wire.chat import ChatRequest

ROUNDS = 7
EVENTS = 50

Row = tuple[str, Callable[[], object], int]
"""What is done, how, and how many times doing it once does it."""


def reading() -> Iterator[Row]:
    for size, turns in ((330, 1), (1000, 19)):
        body = as_body(request("quick", size=size, turns=turns))
        yield f"validate a request of {len(body):,} bytes", lambda body=body: request_in(body, ChatRequest), 1


def answering() -> Iterator[Row]:
    def folded() -> bytes:
        completion = Folded("chatcmpl-0", 0, "quick")
        completion.add(Chunk(text="The harbour lay quiet under a pale sky.", finish="stop"))
        return completion.json()

    yield "fold a chunk into a completion", folded, 1
    stream = Streamed("chatcmpl-0", 0, "quick", with_usage=False)
    stream.events(Chunk(text="The"))
    chunk = Chunk(text=" harbour")
    yield "write a chunk as a stream event", lambda: stream.events(chunk), 1


def hearing() -> Iterator[Row]:
    event = {"index": 0, "delta": {"content": " harbour"}, "logprobs": None, "finish_reason": None}
    completion = {"id": "0", "object": "chat.completion.chunk", "created": 0, "model": "herring-1", "choices": [event]}
    burst = b"data: %s\n\n" % json.dumps(completion).encode() * EVENTS
    yield "cut an SSE event, 50 in one read", lambda: SSE().feed(burst), EVENTS
    completions = Completions()
    yield "read a chunk of an OpenAI stream", lambda: list(completions.chunks(completion)), 1


def mapping() -> Iterator[Row]:
    template = Template({"model": "{{ model }}", "message": "{{ last_user }}", "history": "{{ turns }}"}, NAMES)
    small = request_in(as_body(request("quick")), ChatRequest)
    yield "fill a template of three variables", lambda: template.filled(variables(small, template.names)), 1
    mixed = Template({"message": "{{ system }} / {{ last_user }}: {{ model | upper }}"}, NAMES)
    yield "fill a text of three expressions", lambda: mixed.filled(variables(small, mixed.names)), 1
    answer = {"data": {"items": [{"text": "The harbour"}]}}
    plain, query = found("data.items[0].text"), found("data.items[?text].text | [0]")
    yield "find a plain path", lambda: plain(answer), 1
    yield "find by a JMESPath query", lambda: query(answer), 1


def microseconds(work: Callable[[], object], times: int) -> float:
    """The quickest round: what makes the others slower is not the function."""
    timer = Timer(work)
    count, _ = timer.autorange()
    count = max(count // 4, 1)
    return min(timer.repeat(ROUNDS, count)) / count / times * 1e6


def main() -> None:
    rows = [row for family in (reading, answering, hearing, mapping) for row in family()]
    width = max(len(name) for name, _, _ in rows)
    for name, work, times in rows:
        print(f"{name.ljust(width)}  {microseconds(work, times):8.2f} µs")


if __name__ == "__main__":
    main()
