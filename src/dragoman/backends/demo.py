"""The demo: a small rule-based conversation partner behind a chat API of its own, which has never heard of OpenAI.

It stands for "your chat API": it listens on the loopback, and is reached through the `http` backend over real HTTP.

    POST /demo/chatting   {"say": text, "mood": 0…2?, "drip": true?}
    → {"heard": text, "answer": {"words": text}, "over": "said-all", "count": {"in": n, "out": n}}
    → or, dripping, one JSON a line: {"word": text}, … {"over": "said-all", "count": {…}}

    POST /demo/embedding  {"texts": [text, …]}
    → {"points": [[256 numbers], …], "count": words}
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from math import hypot, sqrt
from typing import Any, Literal
from zlib import crc32

import orjson
import uvicorn

from dragoman.abilities import Ability, Supplied
from dragoman.call import Handler
from dragoman.ground import Ground
from dragoman.guard.options import Guarded
from dragoman.mapping.exchange import opened
from dragoman.mapping.mapped import Mapped
from dragoman.reach import Reach

PATH = "/demo/chatting"
EMBEDDING_PATH = "/demo/embedding"
PATHS = (PATH, EMBEDDING_PATH)
LONGEST = 64 * 1024
LONGEST_TEXTS = 16 * 1024 * 1024
DIMENSIONS = 256
LAYERS = ((256, 1.0), (256, 1.0), (64, 0.6), (16, 0.3), (4, 0.15))
"""Among how many of the first dimensions hashes choose, and how much that weighs: so there is meaning in a beginning,
too."""
MOST_PLACED = 4096
"""Characters of a text that are looked at."""

_TURNED = {
    "i": "you",
    "me": "you",
    "my": "your",
    "mine": "yours",
    "myself": "yourself",
    "am": "are",
    "i'm": "you're",
    "i've": "you've",
    "i'll": "you'll",
    "you": "I",
    "your": "my",
    "yours": "mine",
    "you're": "I'm",
    "yourself": "myself",
}

_RULES: list[tuple[str, tuple[str, ...]]] = [
    (
        r"\b(?:hello|hi|hey|good (?:morning|evening|day))\b",
        ("Hello! What is on your mind?", "Good to hear you. What shall we talk about?"),
    ),
    (r"\b(?:bye|goodbye|see you)\b", ("Goodbye. It was a pleasure.", "Until next time!")),
    (r"\bthank(?:s| you)\b", ("You are welcome. What else?",)),
    (
        r"\b(?:who|what) are you\b",
        ("I am a few dozen rules in a small server. Put your own chat API in my place and I will gladly step aside.",),
    ),
    (r"\bweather\b", ("I live on the loopback interface; it is always mild here. How is it where you are?",)),
    (r"\bi need (.+)", ("What would change if you had {0}?", "How did you come to need {0}?")),
    (r"\bi(?:'m| am) (.+)", ("Since when are you {0}?", "What is it like to be {0}?")),
    (r"\bi feel (.+)", ("When did you begin to feel {0}?", "Who else knows that you feel {0}?")),
    (r"\bi (?:want|would like) (.+)", ("Suppose you got {0}: what then?",)),
    (r"\bi can(?:'t|not) (.+)", ("What stops you, so that you cannot {0}?",)),
    (r"\bi think (.+)", ("What makes you think {0}?",)),
    (r"\bmy (\w+)", ("Tell me more about your {0}.",)),
    (r"\bbecause (.+)", ("Is that the only reason, {0}?",)),
    (r"\bcan you (.+)", ("Why do you ask whether I can {0}?",)),
    (r"\bwhy\b.*\?", ("What answer would please you most?",)),
    (r"\?\s*$", ("What do you think yourself?", "That is a good question. What led you to it?")),
    (r"\b(?:yes|yeah|sure)\b", ("You sound certain. Go on.",)),
    (r"\bno\b", ("Why not?",)),
]
_OTHERWISE = ("Go on.", "Tell me more.", "I see. What follows from that?", "Say that in other words.")
_LITTLE = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by can do for from has have how i in is it its me my not of on or so that the this to "
        "was we what when where which who why will with you your",
    )
)
"""Words that say little of what a text is about."""
_COMPILED = [(re.compile(pattern, re.IGNORECASE), answers) for pattern, answers in _RULES]


def reply(text: str) -> str:
    """What the demo says to a text; the same text gets the same answer."""
    choice = sum(text.encode())
    for pattern, answers in _COMPILED:
        if match := pattern.search(text):
            answer = answers[choice % len(answers)]
            return answer.format(*(_turned(group) for group in match.groups()))
    return _OTHERWISE[choice % len(_OTHERWISE)]


def _turned(words: str) -> str:
    """The words as the other side would say them."""
    kept = re.split(r"[.!?;\n]", words[:200], maxsplit=1)[0].strip()
    return " ".join(_TURNED.get(word.lower(), word) for word in kept.split())


def point(text: str) -> list[float]:
    """Where a text stands among others: near to those with the same words, and the same parts of words.

    Each word, and each run of three letters in it, adds to a few dimensions that its hashes choose.
    """
    sums = [0.0] * DIMENSIONS
    for word in re.findall(r"\w+", text[:MOST_PLACED].lower()):
        weight, framed = 0.2 if word in _LITTLE else 1.0, f"^{word}$"
        runs = [framed[start : start + 3] for start in range(len(framed) - 2)]
        _add(sums, word, weight)
        for run in runs:
            _add(sums, run, weight / sqrt(len(runs)))
    size = hypot(*sums)
    return [round(each / size, 6) for each in sums] if size else [1.0, *sums[1:]]


def _add(sums: list[float], part: str, weight: float) -> None:
    for seed, (among, share) in enumerate(LAYERS):
        hashed = crc32(part.encode(), seed)
        sums[hashed % among] += weight * share if hashed & 0x10000 else -weight * share


class DemoAPI:
    """The demo's own protocol, as an ASGI application."""

    async def __call__(self, scope: Mapping[str, Any], receive: Callable[..., Any], send: Callable[..., Any]) -> None:
        if scope["type"] != "http":
            return
        if scope["method"] != "POST":
            await _send_json(send, 405, {"trouble": 'POST {"say": "…"} here'})
            return
        if scope["path"].endswith(EMBEDDING_PATH):
            asked = await _read(receive, LONGEST_TEXTS)
            await _send_json(send, *await asyncio.to_thread(_placed, asked))
            return
        asked = await _read(receive, LONGEST)
        if not isinstance(asked, dict) or not isinstance(asked.get("say"), str):
            await _send_json(send, 400, {"trouble": '"say" must be a text'})
            return
        answer = reply(asked["say"])
        count = {"in": len(asked["say"].split()), "out": len(answer.split())}
        if asked.get("drip"):
            await _drip(send, answer, count)
        else:
            told = {"heard": asked["say"], "answer": {"words": answer}, "over": "said-all", "count": count}
            await _send_json(send, 200, told)


def _placed(asked: Any) -> tuple[int, Any]:
    """The status and the JSON that texts are answered."""
    texts = asked.get("texts") if isinstance(asked, dict) else None
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        return 400, {"trouble": '"texts" must be a list of texts'}
    return 200, {"points": list(map(point, texts)), "count": sum(len(text.split()) for text in texts)}


async def _read(receive: Callable[..., Any], longest: int) -> Any:
    body, more = b"", True
    while more and len(body) <= longest:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    try:
        return orjson.loads(body) if len(body) <= longest else None
    except orjson.JSONDecodeError:
        return None


async def _send_json(send: Callable[..., Any], status: int, value: Any) -> None:
    headers = [(b"content-type", b"application/json")]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": orjson.dumps(value)})


async def _drip(send: Callable[..., Any], answer: str, count: dict[str, int]) -> None:
    headers = [(b"content-type", b"application/x-ndjson")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for word in re.findall(r"\s*\S+", answer):
        await send({"type": "http.response.body", "body": orjson.dumps({"word": word}) + b"\n", "more_body": True})
        await asyncio.sleep(0)
    end = orjson.dumps({"over": "said-all", "count": count}) + b"\n"
    await send({"type": "http.response.body", "body": end})


def _mapping(origin: str) -> Mapped:
    """The demo's protocol in dragoman's own terms; what you would write for an API of yours."""
    paths = {
        "finish": {"path": "over", "map": {"said-all": "stop"}},
        "usage": {"prompt": "count.in", "completion": "count.out"},
    }
    return Mapped.model_validate(
        {
            "url": origin + PATH,
            "request": {"say": "{{ last_user }}", "mood": "{{ temperature }}"},
            "response": {"text": "answer.words", "error": "trouble", **paths},
            "stream": {"framing": "ndjson", "request": {"drip": True}, "text": "word", **paths},
            "embeddings": {
                "url": origin + EMBEDDING_PATH,
                "request": {"texts": "{{ input }}"},
                "batch": 64,
                "response": {"vectors": "points", "usage": {"prompt": "count"}},
            },
        }
    )


class _Server(uvicorn.Server):
    """A uvicorn that serves without taking the process over: no signals, no announcement."""

    async def open(self, listening: socket.socket) -> None:
        self.config.load()
        self.lifespan = self.config.lifespan_class(self.config)
        await self.startup(sockets=[listening])

    async def close(self) -> None:
        self.force_exit = True
        await self.shutdown()

    def _log_started_message(self, listeners: Any) -> None:
        pass


class Demo(Supplied, Guarded):
    """`kind: demo`."""

    kind: Literal["demo"]

    @property
    def native(self) -> frozenset[Ability]:
        return frozenset({"chat", "embeddings", "stream", "usage", "system", "developer", "history"})

    @property
    def pace(self) -> float | None:
        return None

    @property
    def limit(self) -> float:
        return Reach().limit

    @asynccontextmanager
    async def opened(self, ground: Ground) -> AsyncIterator[Handler]:
        listening = socket.create_server(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = _Server(uvicorn.Config(DemoAPI(), lifespan="off", log_config=None, access_log=False))
        await server.open(listening)
        try:
            async with opened(_mapping(url), ground) as handler:
                yield handler
        finally:
            await server.close()
