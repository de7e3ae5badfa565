"""What surfaces are used for: for each feature, what is asked, and what must be heard."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anthropic
import openai
import pytest

from tests.clients.model import WEATHER
from tests.features.backends import ADA, HELLO, IMAGE, THOUGHT, point
from tests.features.speakers import TOOL, Ask, ByEmbeddings, Said, Speaker

PARIS, ROME = (("get_weather", {"city": city}) for city in ("Paris", "Rome"))
WEATHER_ASKED = "What is the weather in Paris and in Rome?"
PEOPLE = "Ada is 36 years old."


@dataclass(frozen=True)
class Way:
    """One way to ask: which surface, which backend, whole or streamed."""

    speaker: Speaker
    url: str
    backend: str
    """`native` or `emulated`."""
    stream: bool

    @property
    def native(self) -> bool:
        return self.backend == "native"

    async def said(self, ability: str | None, model: str | None = None, **asked: Any) -> Said:
        """What is heard; the answer's headers tell whether the ability was made or is the backend's own."""
        said = await self.speaker.said(self.url, model or self.backend, Ask(**asked), self.stream)
        assert ability is None or (ability in said.emulated) is not self.native, said.emulated
        return said


Check = Callable[[Way], Awaitable[None]]


async def text(way: Way) -> None:
    said = await way.said(None)
    assert (said.text, said.finish, said.calls) == (HELLO, "stop", [])
    assert way.native or ("stream" in said.emulated) is False


async def instructions(way: Way) -> None:
    said = await way.said(None, system="You are a pirate.")
    assert said.text == ("Ahoy!" if way.native else HELLO)


async def conversation(way: Way) -> None:
    said = await way.said(None, earlier=(("user", "Hi"), ("assistant", "Hello.")))
    assert said.text == HELLO


async def stop(way: Way) -> None:
    said = await way.said("stop", stop="can I")
    assert (said.text, said.finish) == ("Hello! How ", "stop")


async def limit(way: Way) -> None:
    said = await way.said("max_tokens", limit=3)
    assert HELLO.startswith(said.text)
    assert 0 < len(said.text) < len(HELLO)
    assert said.finish == "length"


async def usage(way: Way) -> None:
    said = await way.said("usage")
    assert said.usage
    asked, answered = said.usage
    assert (asked, answered) == (9, 5) if way.native else asked > 0 < answered


async def choices(way: Way) -> None:
    said = await way.said("n", n=3)
    assert said.texts == [HELLO] * 3


async def tools(way: Way) -> None:
    said = await way.said("tools", text=WEATHER_ASKED, tools=True)
    assert (said.calls, said.finish) == ([PARIS, ROME], "tool_calls")
    assert len(set(said.ids)) == 2
    assert all(said.ids)


async def results(way: Way) -> None:
    calls = (await way.said("tools", text=WEATHER_ASKED, tools=True)).ids
    gave = [f'{{"city": "{city}", "celsius": {WEATHER[city]}}}' for city in ("Paris", "Rome")]
    results = tuple(zip(calls, (PARIS, ROME), gave, strict=True))
    said = await way.said("tools", text=WEATHER_ASKED, tools=True, results=results)
    assert (said.text, said.calls, said.finish) == ("It is 18 °C in Paris and 21 °C in Rome.", [], "stop")


async def choosing(way: Way) -> None:
    for choice in ("required", "named"):
        said = await way.said("tools", text="Good morning!", tools=True, choice=choice)
        assert [name for name, _ in said.calls] == [TOOL]
    said = await way.said(None, text=WEATHER_ASKED, tools=True, choice="none")
    assert said.calls == []


async def one_at_a_time(way: Way) -> None:
    said = await way.said("tools", text=WEATHER_ASKED, tools=True, parallel=False)
    assert said.calls == [PARIS]


async def schema(way: Way) -> None:
    said = await way.said("json_schema", text=PEOPLE, schema=True)
    assert json.loads(said.text) == ADA


async def object(way: Way) -> None:
    said = await way.said("json_object", text=PEOPLE, object=True)
    assert json.loads(said.text) == ADA


async def thoughts(way: Way) -> None:
    said = await way.said(None, "native" if way.native else "thinking", think=True)
    assert (said.thought, said.text.strip()) == (THOUGHT, HELLO)
    assert way.native or "reasoning" in said.emulated


async def images(way: Way) -> None:
    assert (await way.said(None, text="What is this?", image=IMAGE)).text == "I see an image."


async def logprobs(way: Way) -> None:
    assert (await way.said(None, logprobs=True)).logprobs == ["Hello", "!"]


# Embeddings


def vectors(way: Way) -> ByEmbeddings:
    assert isinstance(way.speaker, ByEmbeddings)
    return way.speaker


async def embedding(way: Way) -> None:
    for given, texts in (("Hello", ["Hello"]), (["Hello", "Hi"], ["Hello", "Hi"])):
        for options in ({}, {"encoding_format": "float"}):
            told, _ = await vectors(way).vectors(way.url, way.backend, given, **options)
            assert [each.embedding for each in told.data] == [pytest.approx(point(text)) for text in texts]
            assert [each.index for each in told.data] == list(range(len(texts)))
            assert told.usage.prompt_tokens == told.usage.total_tokens > 0


async def dimensions(way: Way) -> None:
    told, emulated = await vectors(way).vectors(way.url, way.backend, "Hello", dimensions=2)
    assert len(told.data[0].embedding) == 2
    assert ("dimensions" in emulated) is not way.native


async def token_arrays(way: Way) -> None:
    told, _ = await vectors(way).vectors(way.url, way.backend, [[1, 2, 3], [4]])
    assert len(told.data) == 2


@dataclass(frozen=True)
class Feature:
    """A feature of OpenAI's, or Anthropic's, API."""

    name: str
    check: Check
    surfaces: Mapping[str, str]
    """For each surface that knows it: `both`, or `native` where a backend that has it not is refused."""


REFUSED = (openai.UnprocessableEntityError, anthropic.UnprocessableEntityError)
TALKING = ("chat", "completions", "responses", "messages")


def _on(*surfaces: str, how: str = "both") -> dict[str, str]:
    return dict.fromkeys(surfaces, how)


FEATURES = (
    Feature("text, whole and streamed", text, _on(*TALKING)),
    Feature("system messages", instructions, _on("chat", "responses", "messages")),
    Feature("earlier turns", conversation, _on("chat", "responses", "messages")),
    Feature("stop words", stop, _on("chat", "completions", "messages")),
    Feature("a limit of tokens", limit, _on(*TALKING)),
    Feature("token counts", usage, _on(*TALKING)),
    Feature("several choices", choices, _on("chat", "completions")),
    Feature("tool calls", tools, _on("chat", "responses", "messages")),
    Feature("tool results", results, _on("chat", "responses", "messages")),
    Feature("choice of tools", choosing, _on("chat", "responses", "messages")),
    Feature("one call at a time", one_at_a_time, _on("chat", "responses", "messages")),
    Feature("JSON by a schema", schema, _on("chat", "responses", "messages")),
    Feature("JSON without a schema", object, _on("chat", "responses")),
    Feature("reasoning", thoughts, _on("chat", "responses", "messages")),
    Feature("images", images, _on("chat", "responses", "messages", how="native")),
    Feature("log probabilities", logprobs, _on("chat", "completions", "responses", how="native")),
    Feature("vectors, as numbers and in base64", embedding, _on("embeddings")),
    Feature("fewer dimensions", dimensions, _on("embeddings")),
    Feature("token arrays", token_arrays, _on("embeddings", how="native")),
)
