"""What is put beside a configuration: the sample as a recording, and a test that asks it."""

import re
from urllib.parse import urlencode

from dragoman.adapt.asked import plain
from dragoman.adapt.request import Request
from dragoman.adapt.sample import Sample
from dragoman.adapt.secrets import Secrets
from dragoman.adapt.sent import TYPES
from dragoman.adapt.target import Target
from dragoman.adapt.turns import Turn
from dragoman.adapt.written import scalar, written

HIDDEN = "(hidden)"
CONTENT = {
    "json": "application/json",
    "text": "text/plain; charset=utf-8",
    "sse": "text/event-stream",
    "ndjson": "application/x-ndjson",
    "json-array": "application/json",
}
_VARIABLE = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")
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
    asked, sent = request.asked, request.sent

    def shown(text: str) -> str:
        return secrets.without(_VARIABLE.sub(r"(\1)", plain(text)), HIDDEN)

    headers = {"content-type": sent.type or TYPES[sent.format]} if sent else {}
    path = shown(target.path)
    query = urlencode([(name, shown(value)) for name, value in asked.query], safe="()")
    told = {
        "method": asked.method,
        "target": f"{path}?{query}" if query else path,
        "headers": {**headers, **({"authorization": HIDDEN} if secrets.names or secrets.about else {})},
        **({"body": shown(asked.body or "")} if sent else {}),
    }
    pieces = _PIECES[sample.kind].findall(sample.text) if sample.kind in _PIECES else [sample.text]
    lines = "".join(f"    - [0.0, {scalar(secrets.without(piece, HIDDEN))}]\n" for piece in pieces if piece)
    answer = {"status": 200, "headers": {"content-type": type or CONTENT[sample.kind]}}
    return (
        "# A recorded exchange; `kind: replay` answers from it.\n"
        f"request:\n{written(told, 2)}answer:\n{written(answer, 2)}  body:\n{lines}  whole: true\n"
    )


def test(name: str, model: str, turns: list[Turn], answer: str, streamed: bool) -> str:
    """A test in Python that asks the recording what was asked, and expects its text."""
    messages = [{"role": who, "content": text} for who, text in turns]
    question = {"model": model, "messages": messages, **({"stream": True} if streamed else {})}
    word = re.sub(r"\W+", "_", name, flags=re.ASCII).lower()
    return _TEST.format(name=name, question=_python(question), answer=repr(answer), word=word)


def _python(question: dict[str, object]) -> str:
    return "{\n" + "".join(f"    {key!r}: {value!r},\n" for key, value in question.items()) + "}"
