"""What is put beside a configuration: the sample as a recording, and a test that asks it."""

import json
import re
from typing import Any
from urllib.parse import urlencode

from dragoman.adapt.request import Request
from dragoman.adapt.sample import Sample
from dragoman.adapt.secrets import IN_BODY, Secrets, is_secret
from dragoman.adapt.sent import TYPES, Sent
from dragoman.adapt.target import Target
from dragoman.adapt.texts import Steps, last_name, texts_in
from dragoman.adapt.turns import Turn
from dragoman.adapt.written import scalar, written
from dragoman.json import dumped

HEADING = "# A recorded exchange; `kind: replay` answers from it.\n"
HIDDEN = "(hidden)"
CONTENT = {
    "json": "application/json",
    "text": "text/plain; charset=utf-8",
    "sse": "text/event-stream",
    "ndjson": "application/x-ndjson",
    "json-array": "application/json",
}
_MARK = re.compile("\ue000([^\ue001]*)\ue001")
_PIECES = {"sse": re.compile(r".*?\n\n+|.+", re.DOTALL), "ndjson": re.compile(r"[^\n]*\n|.+")}

_TEST = '''\
"""`{name}` answers as its backend did when the answer was recorded."""

import asyncio
from pathlib import Path

from dragoman import Gateway

HERE = Path(__file__).parent
QUESTION = {question}
ANSWER = {answer}


async def completed():
    gateway = Gateway.replayed(HERE / "{name}.yaml", HERE / "recorded")
    async with gateway.opened():
        return await gateway.complete(QUESTION)


def test_{word}_answers_as_recorded():
    completion = asyncio.run(completed())
    assert completion["choices"][0]["message"]["content"] == ANSWER
'''


def recording(request: Request, target: Target, sample: Sample, type: str | None, secrets: Secrets) -> str:
    """The exchange as a file that `kind: replay` answers from, without its secrets."""
    sent, path = request.sent, _named(target.path)
    fields = [(name, HIDDEN if is_secret(name, value) else _named(value)) for name, value in request.asked.query]
    headers = {"content-type": sent.type or TYPES[sent.format]} if sent else {}
    told = {
        "method": request.asked.method,
        "target": f"{path}?{urlencode(fields, safe='()')}" if fields else path,
        "headers": {**headers, **({"authorization": HIDDEN} if secrets.about else {})},
        **({"body": _body(sent)} if sent else {}),
    }
    pieces = _PIECES[sample.kind].findall(sample.text) if sample.kind in _PIECES else [sample.text]
    lines = "".join(f"    - [0.0, {scalar(secrets.without(piece, HIDDEN))}]\n" for piece in pieces if piece)
    answer = {"status": 200, "headers": {"content-type": type or CONTENT[sample.kind]}}
    head = f"{HEADING}request:\n{written(secrets.without(told, HIDDEN), 2)}answer:\n{written(answer, 2)}"
    return f"{head}  body:\n{lines}  whole: true\n"


def _body(sent: Sent) -> str:
    hidden = {text.steps: HIDDEN for text in texts_in(sent.value) if last_name(text.steps) in IN_BODY}
    value = _shown(sent.value, hidden, ())
    if sent.format == "json":
        return dumped(value).decode()
    return urlencode(value, doseq=True) if sent.format == "form" else str(value)


def _shown(value: Any, hidden: dict[Steps, str], steps: Steps) -> Any:
    """The value without what is hidden in it, its variables by their names."""
    if isinstance(value, dict):
        return {key: _shown(inner, hidden, (*steps, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_shown(inner, hidden, (*steps, place)) for place, inner in enumerate(value)]
    return hidden.get(steps, _named(value)) if isinstance(value, str) else value


def _named(text: str) -> str:
    """The text with `(NAME)` for each variable, which a recording takes for anything."""
    return _MARK.sub(r"(\1)", text)


def test(name: str, model: str, turns: list[Turn], answer: str, streamed: bool) -> str:
    """A test in Python that asks the recording what was asked, and expects its text."""
    messages = "".join(f"        {_literal({'role': who, 'content': text})},\n" for who, text in turns)
    more = '    "stream": True,\n' if streamed else ""
    question = f'{{\n    "model": {_literal(model)},\n    "messages": [\n{messages}    ],\n{more}}}'
    word = re.sub(r"\W+", "_", name, flags=re.ASCII).lower()
    return _TEST.format(name=name, question=question, answer=_literal(answer), word=word)


def _literal(value: object) -> str:
    """Texts, and objects of texts, as Python has them."""
    return json.dumps(value, ensure_ascii=False)
