"""Pydantic AI's agents in every dialect, asked for what they are used for."""

import asyncio
from typing import Any

from anthropic import AsyncAnthropic
from openai import AsyncAzureOpenAI
from pydantic_ai import Agent, NativeOutput
from pydantic_ai.embeddings import Embedder
from pydantic_ai.embeddings.openai import OpenAIEmbeddingModel
from pydantic_ai.messages import ModelResponse, ToolCallPart
from pydantic_ai.models.anthropic import AnthropicModel
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel
from pydantic_ai.providers.anthropic import AnthropicProvider
from pydantic_ai.providers.openai import OpenAIProvider
from telling import ADA, KEY, QUESTION, URL, Person, each, told, weather

ROOT = URL.removesuffix("/v1")
OPENAI = OpenAIProvider(base_url=URL, api_key=KEY)
AZURE = OpenAIProvider(openai_client=AsyncAzureOpenAI(azure_endpoint=ROOT, api_version="2024-10-21", api_key=KEY))
ANTHROPIC = AnthropicProvider(anthropic_client=AsyncAnthropic(base_url=ROOT, api_key=KEY, max_retries=0))
RUNNER = asyncio.Runner()
MODELS: dict[str, Any] = {
    "responses": OpenAIResponsesModel("prompt", provider=OPENAI),
    "azure": OpenAIChatModel("prompt", provider=AZURE),
    "anthropic": AnthropicModel("prompt", provider=ANTHROPIC),
}


def get_weather(city: str) -> dict[str, Any]:
    """How warm it is."""
    return weather(city)


def calls(messages: list[Any]) -> Any:
    parts = [part for message in messages if isinstance(message, ModelResponse) for part in message.parts]
    return [(part.tool_name, part.args_as_dict()) for part in parts if isinstance(part, ToolCallPart)]


def tool() -> Any:
    return each(MODELS, lambda model: RUNNER.run(_tool(model)))


async def _tool(model: Any) -> Any:
    done = await Agent(model, tools=[get_weather], instructions="Be short.").run(QUESTION)
    return {"text": done.output, "calls": calls(done.all_messages()), "used": done.usage.output_tokens > 0}


def streamed() -> Any:
    return each(MODELS, lambda model: RUNNER.run(_streamed(model)))


async def _streamed(model: Any) -> Any:
    async with Agent(model, tools=[get_weather]).run_stream(QUESTION) as run:
        pieces = [piece async for piece in run.stream_text(delta=True, debounce_by=None)]
        return {"text": "".join(pieces), "pieces": len(pieces), "calls": calls(run.all_messages())}


def output() -> Any:
    return each(MODELS, lambda model: RUNNER.run(_output(model, Person)))


def native_output() -> Any:
    models = {name: model for name, model in MODELS.items() if name != "anthropic"}  # it asks Claude alone for it
    return each(models, lambda model: RUNNER.run(_output(model, NativeOutput(Person))))


async def _output(model: Any, kind: Any) -> Any:
    return (await Agent(model, output_type=kind).run(ADA)).output.model_dump()


def embedded() -> Any:
    embedder = Embedder(OpenAIEmbeddingModel("vectors", provider=OPENAI))
    found = RUNNER.run(embedder.embed_documents(["A cat sleeps.", "Shares fell."]))
    return [list(vector) for vector in found.embeddings]


told(tool, streamed, output, native_output, embedded)
