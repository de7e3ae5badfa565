#!/usr/bin/env python3
"""What a call costs by each surface, beside the same call by chat completions, in one process and one run.

.venv/bin/python bench/surfaces.py [--rounds 5] [--calls 4000] [--only chat,responses]
"""

import argparse
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from gateways import Gateway
from machine import cores, stay_on
from measuring import Failed, Tools, free_port, measured, running, upstream_on, wait_for_answer
from work import WORKS, Work, as_body, request

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / ".bench"
CONFIG = """\
backends:
  openai: {kind: openai, url: "http://127.0.0.1:$upstream/v1"}
  http:
    kind: http
    url: http://127.0.0.1:$upstream/chatting
    request: {model: "{{ model }}", message: "{{ last_user }}", system: "{{ system }}", history: "{{ turns }}"}
    response: {text: reply}
    stream: {framing: sse, request: {stream: true}, text: delta, finish: reason}
    embeddings: {url: "http://127.0.0.1:$upstream/embed", request: {texts: "{{ input }}"}, response: {vectors: vectors}}
models:
  quick: openai
  paced: openai
  embed: http
store: null
"""
ARGUMENTS = "serve $config --port $port --log-level warning"
JSON, BURST, _ = WORKS


def chat(work: Work) -> dict[str, Any]:
    return request(work.model, stream=work.events > 0)


def completions(work: Work) -> dict[str, Any]:
    asked = chat(work)
    system, user = asked.pop("messages")
    return {**asked, "prompt": f"{system['content']}\n\n{user['content']}"}


def responses(work: Work, store: bool = False) -> dict[str, Any]:
    asked = chat(work)
    system, user = asked.pop("messages")
    parts = [{"type": "input_text", "text": user["content"]}]
    given = {name: asked[name] for name in ("model", "temperature", "top_p", "user", "stream")}
    said = {"instructions": system["content"], "input": [{"role": "user", "content": parts}]}
    return {**given, **said, "max_output_tokens": 256, "store": store}


def messages(work: Work) -> dict[str, Any]:
    asked = chat(work)
    system, user = asked["messages"]
    said = {"system": system["content"], "messages": [user], "max_tokens": 256}
    return {"model": work.model, "stream": asked["stream"], "temperature": 0.7, "top_p": 0.95, "top_k": 40, **said}


def embeddings(work: Work) -> dict[str, Any]:
    return {"model": "embed", "input": chat(work)["messages"][1]["content"], "encoding_format": "base64"}


SURFACES: Mapping[str, tuple[str, Any, Mapping[str, str]]] = {
    "chat": ("/v1/chat/completions", chat, {"JSON": JSON.mark, "stream": BURST.mark}),
    "completions": ("/v1/completions", completions, {"JSON": '"finish_reason":"stop"', "stream": "data: [DONE]"}),
    "responses": ("/v1/responses", responses, {"JSON": '"status":"completed"', "stream": "event: response.completed"}),
    "responses, kept": (
        "/v1/responses",
        lambda work: responses(work, store=True),
        {"JSON": '"status":"completed"', "stream": "event: response.completed"},
    ),
    "messages": ("/v1/messages", messages, {"JSON": '"stop_reason":"end_turn"', "stream": "event: message_stop"}),
    "embeddings": ("/v1/embeddings", embeddings, {"JSON": '"object":"embedding"'}),
}
"""Where each is asked, with what, and what a whole answer contains."""


Kinds = Mapping[str, Mapping[str, Work]]
"""For each kind of call, how it is made by each surface."""
Costs = Mapping[str, Mapping[str, list[float]]]
"""The CPU of a call in each round, likewise."""


def works(names: list[str]) -> Kinds:
    """The kinds of calls by each surface; their bodies are written down."""
    made: dict[str, dict[str, Work]] = {work.name: {} for work in WORKS}
    for name in names:
        path, asked, marks = SURFACES[name]
        for work in WORKS:
            if mark := marks.get("stream" if work.events else "JSON"):
                own = replace(work, name=f"{name} {work.name}".replace(",", ""), path=path, mark=mark)
                (FOLDER / own.file).write_bytes(as_body(asked(work)))
                made[work.name][name] = own
    return made


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--calls", type=int, default=4000)
    options.add_argument("--only", default=",".join(name for name in SURFACES if "," not in name))
    options.add_argument("--kept", action="store_true", help="also Responses that are kept")
    chosen = options.parse_args()
    FOLDER.mkdir(exist_ok=True)
    asked = [name for name in chosen.only.split(",") if name != "chat"]
    names = ["chat", *asked, *(["responses, kept"] if chosen.kept else [])]
    where = cores()
    stay_on(where.load)
    try:
        with upstream_on(Path(__file__).parent, FOLDER) as tools:
            show(compared(works(names), tools, where.gateway, chosen))
    except Failed as failure:
        print(failure, file=sys.stderr)
        return 1
    return 0


def compared(kinds: Kinds, tools: Tools, core: int | None, chosen: argparse.Namespace) -> Costs:
    """Calls by all surfaces in turn, in one process."""
    dragoman = Gateway("surfaces", "dragoman", str(ROOT / ".venv/bin/dragoman"), "", CONFIG, ARGUMENTS)
    port = free_port()
    log = FOLDER / "surfaces.log"
    spent: dict[str, dict[str, list[float]]] = {kind: {name: [] for name in ways} for kind, ways in kinds.items()}
    with log.open("wb") as output:
        options = {"stdout": output, "stderr": subprocess.STDOUT}
        with running(dragoman.command(tools.folder, tools.upstream, port), core, **options) as process:
            wait_for_answer(process, port, FOLDER / kinds[JSON.name]["chat"].file, log)
            for _ in range(chosen.rounds):
                for kind, ways in kinds.items():
                    for name, work in ways.items():
                        spent[kind][name].append(measured(process.pid, port, work, tools, chosen.calls).cpu)
    return spent


def show(spent: Costs) -> None:
    """Medians, and the median of the ratios to chat within a round."""
    for kind, ways in spent.items():
        print(kind)
        for name, costs in ways.items():
            ratio = median(cost / base for cost, base in zip(costs, ways["chat"], strict=True))
            print(f"  {name:20} {median(costs):8.0f} µs   × {ratio:.2f}")


if __name__ == "__main__":
    sys.exit(main())
