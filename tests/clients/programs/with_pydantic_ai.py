"""Pydantic AI's agents, asked for what they are used for."""

import asyncio
from typing import Any

from pydantic_ai import Agent, NativeOutput, PromptedOutput
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models.openai import OpenAIChatModel
from pydantic_ai.providers.openai import OpenAIProvider
from telling import ADA, BOTH, KEY, QUESTION, URL, Person, Weather, told, weather

PROVIDER = OpenAIProvider(base_url=URL, api_key=KEY)
NAMES = ("prompt", "messages", "chatty", "forgetful", "careless")


def get_weather(city: str) -> dict[str, Any]:
    """How warm it is."""
    return weather(city)


def agent(name: str = "prompt", **options: Any) -> Agent[None, Any]:
    return Agent(OpenAIChatModel(name, provider=PROVIDER), **options)


def calls(messages: list[Any]) -> Any:
    parts = [part for message in messages if isinstance(message, ModelResponse) for part in message.parts]
    return [(part.tool_name, part.args_as_dict()) for part in parts if isinstance(part, ToolCallPart)]


def tool() -> Any:
    by = {}
    for name in NAMES:
        done = agent(name, tools=[get_weather], instructions="Be short.").run_sync(QUESTION)
        by[name] = {"text": done.output, "calls": calls(done.all_messages())}
    return by


def output() -> Any:
    by = {}
    for name in NAMES:
        for kind in (Person, NativeOutput(Person), PromptedOutput(Person)):
            if (name, type(kind)) != ("careless", PromptedOutput):
                done = agent(name, output_type=kind).run_sync(ADA)
                by[f"{name} {type(kind).__name__}"] = done.output.model_dump()
    return by


def tool_and_output() -> Any:
    by = {}
    for kind in (Weather, NativeOutput(Weather)):
        done = agent(tools=[get_weather], output_type=kind).run_sync("What is the weather in Oslo?")
        by[type(kind).__name__] = {"output": done.output.model_dump(), "calls": calls(done.all_messages())}
    return by


def streamed() -> Any:
    return asyncio.run(_streamed())


async def _streamed() -> Any:
    async with agent(tools=[get_weather]).run_stream(QUESTION) as run:
        pieces = [piece async for piece in run.stream_text(delta=True, debounce_by=None)]
        made = calls(run.all_messages())
    by: dict[str, Any] = {"text": {"whole": "".join(pieces), "pieces": len(pieces), "calls": made}}
    for kind in (list[Person], NativeOutput(list[Person])):
        async with agent("chatty", output_type=kind).run_stream(BOTH) as run:
            seen = [output async for output in run.stream_output(debounce_by=None)]
        by[type(kind).__name__] = {"last": [each.model_dump() for each in seen[-1]], "seen": len(seen)}
    return by


told(tool, output, tool_and_output, streamed)
