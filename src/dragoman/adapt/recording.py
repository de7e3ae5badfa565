"""What is put beside a configuration: the sample as a recording, and a test that asks it."""

import json
import re
from typing import Any
from urllib.parse import urlencode

from dragoman.adapt.asked import shown
from dragoman.adapt.request import Request
from dragoman.adapt.sample import Sample
from dragoman.adapt.secrets import IN_BODY, Secrets, is_secret
from dragoman.adapt.sent import TYPES, Sent
from dragoman.adapt.target import Target
from dragoman.adapt.texts import Steps, last_name, texts_in
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
_PIECES = {"sse": re.compile(r".*?\n\n+|.+", re.DOTALL), "ndjson": re.compile(r"[^\n]*\n|.+")}

_TEST = '''\
"""`{name}` answers as its backend did when the answer was recorded."""

import asyncio
from pathlib import Path

from dragoman import Gateway

HERE = Path(__file__).parent
{set_host}QUESTION = {question}
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
    sent, path = request.sent, target.path
    fields = [(name, HIDDEN if is_secret(name, value) else shown(value)) for name, value in request.asked.query]
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
    value = _without(sent.value, hidden, ())
    if sent.format == "json":
        return dumped(value).decode()
    return urlencode(value, doseq=True) if sent.format == "form" else str(value)


def _without(value: Any, hidden: dict[Steps, str], steps: Steps) -> Any:
    """The value without what is hidden in it, its variables by their names."""
    if isinstance(value, dict):
        return {key: _without(inner, hidden, (*steps, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without(inner, hidden, (*steps, place)) for place, inner in enumerate(value)]
    return hidden.get(steps, shown(value)) if isinstance(value, str) else value


def test(name: str, question: dict[str, Any], answer: str, host: str | None) -> str:
    """A test in Python that asks the recording what was asked, and expects its text. `host`: the URL's variable."""
    messages = "".join(f"        {_literal(message)},\n" for message in question["messages"])
    streamed = '    "stream": True,\n' if question.get("stream") else ""
    asked = f'{{\n    "model": {_literal(question["model"])},\n    "messages": [\n{messages}    ],\n{streamed}}}'
    word = re.sub(r"\W+", "_", name, flags=re.ASCII).lower()
    set_host = f'os.environ.setdefault("{host}", "http://localhost")\n' if host else ""
    text = _TEST.format(name=name, question=asked, answer=_literal(answer), word=word, set_host=set_host)
    return text.replace("import asyncio\n", "import asyncio\nimport os\n", 1) if host else text


def _literal(value: object) -> str:
    """Texts, and objects of texts, as Python has them."""
    return json.dumps(value, ensure_ascii=False)
