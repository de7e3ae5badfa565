"""OpenAI's Agents SDK, asked for what it is used for."""

import asyncio
import json
from typing import Any

from agents import (
    Agent,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    Runner,
    function_tool,
    set_tracing_disabled,
)
from openai import AsyncOpenAI
from telling import ADA, KEY, QUESTION, URL, Person, each, told, weather

CLIENT = AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0)
RUNNER = asyncio.Runner()
MODELS = {"chat": OpenAIChatCompletionsModel("prompt", CLIENT), "responses": OpenAIResponsesModel("prompt", CLIENT)}


@function_tool
def get_weather(city: str) -> str:
    """How warm it is."""
    return json.dumps(weather(city))


def agent(model: Any, **options: Any) -> Agent[Any]:
    return Agent(name="Weatherman", instructions="You tell people how warm it is.", model=model, **options)


def plain() -> Any:
    return each(MODELS, lambda model: RUNNER.run(Runner.run(agent(model), "Good morning!")).final_output)


def tools() -> Any:
    return each(MODELS, lambda model: RUNNER.run(_tools(model)))


async def _tools(model: Any) -> Any:
    done = await Runner.run(agent(model, tools=[get_weather]), QUESTION)
    called = [item.raw_item for item in done.new_items if item.type == "tool_call_item"]
    return {"text": done.final_output, "calls": [(call.name, json.loads(call.arguments)) for call in called]}


def streamed() -> Any:
    return each(MODELS, lambda model: RUNNER.run(_streamed(model)))


async def _streamed(model: Any) -> Any:
    run = Runner.run_streamed(agent(model, tools=[get_weather]), QUESTION)
    events = [event.data async for event in run.stream_events() if event.type == "raw_response_event"]
    pieces = [event.delta for event in events if event.type == "response.output_text.delta"]
    return {"text": run.final_output, "told": "".join(pieces), "pieces": len(pieces)}


def structured() -> Any:
    return each(MODELS, lambda model: RUNNER.run(_structured(model)))


async def _structured(model: Any) -> Any:
    done = await Runner.run(agent(model, output_type=Person), ADA)
    return done.final_output.model_dump()


def handed_over() -> Any:
    return each(MODELS, lambda model: RUNNER.run(_handed_over(model)))


async def _handed_over(model: Any) -> Any:
    weatherman = agent(model, tools=[get_weather])
    must = ModelSettings(tool_choice="required")
    first = Agent(name="Doorman", model=model, model_settings=must, handoffs=[weatherman])
    done = await Runner.run(first, "What is the weather in Oslo?")
    return {"by": done.last_agent.name, "text": done.final_output}


set_tracing_disabled(True)
told(plain, tools, streamed, structured, handed_over)
