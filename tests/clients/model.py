"""A small stand-in for a language model: reads the text it is sent, and answers in text as a model would."""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import cycle
from typing import Any

from tests.upstream import LAST_CHUNK, Connection, Received, Script, chunked, json_answer, sse, stream_head

WEATHER = {"Paris": 18, "Rome": 21, "Oslo": 7}
PLAIN = {"string": "unknown", "integer": 0, "number": 0, "boolean": False}
SIZES = (1, 2, 3, 5, 8, 13)

Record = dict[str, Any]
Schema = dict[str, Any]
Called = tuple[str, Record]

_TURN = re.compile(r"^(?:User|Assistant): ", re.MULTILINE)
_PERSON = re.compile(r"(\w+) is (\d+)")
_RESULT = re.compile(r'<tool_result name="(\w+)">\n(.*?)\n</tool_result>', re.DOTALL)
_SCHEMA = re.compile(r"json.schema\b[^{]*", re.IGNORECASE)
_TOOLS = re.compile(r"^The tools, each as one JSON object:\n((?:\{.*\}\n?)+)", re.MULTILINE)
_NAMED = re.compile(r"^You must call (?:the tool `(\w+)`|a tool) now\.", re.MULTILINE)
_CORRECTED = re.compile(r"Answer again|Call tools in this form only|Correct your JSON")


@dataclass(frozen=True)
class Prompt:
    """What a model understands of the text that it is sent: instructions, and a conversation below them."""

    text: str

    @cached_property
    def conversation(self) -> str:
        turn = _TURN.search(self.text)
        return self.text[turn.start() :] if turn else self.text.rpartition("\n\n")[2]

    @cached_property
    def question(self) -> str:
        """What the user said first."""
        return next(turn for turn in _TURN.split(self.conversation) if turn)

    @property
    def corrected(self) -> bool:
        """Whether it is asked again."""
        return _CORRECTED.search(self.conversation) is not None

    @property
    def parallel(self) -> bool:
        return "write several blocks" in self.text

    @property
    def must(self) -> re.Match[str] | None:
        """That a tool must be called, and perhaps which."""
        return _NAMED.search(self.text)

    @cached_property
    def offered(self) -> list[Record]:
        """The tools, as it is told of them."""
        told = _TOOLS.search(self.text)
        return [json.loads(line) for line in told[1].splitlines()] if told else []

    @cached_property
    def tools(self) -> dict[str, Schema]:
        """The parameters of each tool."""
        return {tool["name"]: tool["parameters"] for tool in self.offered if "parameters" in tool}

    @cached_property
    def written(self) -> dict[str, str]:
        """What is told of each tool that takes a text."""
        return {tool["name"]: tool["description"] for tool in self.offered if "parameters" not in tool}

    @property
    def document(self) -> Any:
        """What is wanted as JSON; None if nothing is."""
        if told := _SCHEMA.search(self.text):
            schema = json.JSONDecoder().raw_decode(self.text, told.end())[0]
            return filled(schema, schema, self.records)
        return self.records[0] if "Answer with one JSON object" in self.text else None

    @cached_property
    def results(self) -> list[tuple[str, Record]]:
        """What the tools gave that told of a city, each with its tool's name."""
        given = [(name, json.loads(text)) for name, text in _RESULT.findall(self.conversation)]
        return [(name, record) for name, record in given if "city" in record]

    @property
    def records(self) -> list[Record]:
        """All that is known: what the tools gave, or else the people that the question speaks of."""
        people = [{"name": name, "age": int(age)} for name, age in _PERSON.findall(self.question)]
        return [record for _, record in self.results] or people

    @property
    def cities(self) -> list[str]:
        return [city for city in WEATHER if city in self.question]


def answer(text: str, manner: str = "plain") -> str:
    """What the model says.

    A `chatty` one talks around what was wanted. A `forgetful` one does not keep to the form until it is told so, and
    a `careless` one leaves something out.
    """
    prompt = Prompt(text)
    if manner != "chatty" and prompt.corrected:
        manner = "plain"
    if "poison" in prompt.question:
        return "I'm sorry, but I can't help with that."
    if calls := list(_calls(prompt)):
        return CALLING[manner](calls)
    if prompt.document is not None:
        return WRITING[manner](prompt.document)
    if prompt.results:
        told = [f"{weather['celsius']} °C in {weather['city']}" for weather in prompt.records]
        return f"It is {' and '.join(told)}."
    return "Hello! How can I help you?"


def _calls(prompt: Prompt) -> Iterator[Called]:
    """A call of each tool that the question speaks of for each city; else, if there must be one, of any."""
    done = {(name, record["city"]) for name, record in prompt.results}
    spoken = [name for name in prompt.tools if name.rpartition("_")[2] in prompt.question]
    pairs = [(name, city) for city in prompt.cities for name in spoken if (name, city) not in done]
    for name, city in pairs if prompt.parallel else pairs[:1]:
        yield name, {"city": city}
    if prompt.must and not pairs:
        name = prompt.must[1] or list(prompt.tools)[-1]
        yield name, filled(prompt.tools[name], prompt.tools[name], prompt.records)


def filled(schema: Schema, root: Schema, records: Sequence[Record] = (), name: str = "") -> Any:
    """A value that follows the schema: a list has an item for each record, anything else speaks of the first."""
    if "$ref" in schema:
        return filled(root["$defs"][schema["$ref"].rpartition("/")[2]], root, records, name)
    if schema.get("type") == "object":
        return {key: filled(inner, root, records, key) for key, inner in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [filled(schema["items"], root, [record]) for record in records]
    return (records or [{}])[0].get(name, PLAIN.get(schema.get("type", "")))


def _less(record: Record) -> Record:
    """The record without its last entry."""
    return dict(list(record.items())[:-1])


def blocks(calls: list[Called]) -> str:
    return "\n".join(block(name=name, arguments=arguments) for name, arguments in calls)


def block(**call: Any) -> str:
    return f"<tool_call>\n{json.dumps(call, ensure_ascii=False)}\n</tool_call>"


CALLING: dict[str, Callable[[list[Called]], str]] = {
    "plain": blocks,
    "chatty": lambda calls: f"Let me look.\n\n{blocks(calls)}\n\nIt is probably nice there.",
    "forgetful": lambda calls: blocks([("search_it", {"q": name}) for name, _ in calls]),
    "careless": lambda calls: blocks([(name, _less(arguments)) for name, arguments in calls]),
}
WRITING: dict[str, Callable[[Any], str]] = {
    "plain": json.dumps,
    "chatty": lambda value: f"Here you are:\n\n```json\n{json.dumps(value, indent=2)}\n```\n\nAnything else?",
    "forgetful": lambda value: "Of course! I will write it down for you.",
    "careless": lambda value: json.dumps(_less(value)),
}


def pieces(text: str) -> Iterator[str]:
    """The text in small pieces of uneven sizes."""
    start, sizes = 0, cycle(SIZES)
    while start < len(text):
        yield text[start : (start := start + next(sizes))]


def text_of(asked: Any) -> str:
    """What the model is given to read: a prompt, or messages as one."""
    if "prompt" in asked:
        return str(asked["prompt"])
    system = [message["content"] for message in asked["messages"] if message["role"] == "system"]
    said = [message for message in asked["messages"] if message["role"] != "system"]
    turns = "\n".join(f"{message['role'].title()}: {message['content']}" for message in said)
    return "\n\n".join([*system, turns])


def telling(said: Callable[[Any], str]) -> Script:
    """A chat API that says something to each request, whole or in pieces."""

    async def answering(connection: Connection, received: Received) -> None:
        reply = said(received.json)
        if not received.json.get("stream"):
            await connection.send(json_answer({"reply": reply}))
            return
        events = [*sse(*({"reply": piece} for piece in pieces(reply))), *sse("[DONE]")]
        await connection.send(stream_head(), *map(chunked, events), LAST_CHUNK)

    return answering


answering = telling(lambda asked: answer(text_of(asked), asked["manner"]))
"""A chat API in front of the model, which knows a prompt or messages, and text."""


def vector(text: str) -> list[float]:
    """What stands for a text: how long it is, and how many words it has."""
    return [len(text) / 64, len(text.split()) / 64, 1.0]


async def embedding(connection: Connection, received: Received) -> None:
    """Answers with vectors for texts."""
    await connection.send(json_answer({"vectors": [vector(text) for text in received.json["texts"]]}))
