"""LlamaIndex's models and agents, asked for what they are used for."""

import asyncio
import json
from typing import Any

from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.llms import ChatMessage
from llama_index.embeddings.openai import OpenAIEmbedding
from llama_index.llms.openai import OpenAIResponses
from llama_index.llms.openai_like import OpenAILike
from telling import ADA, KEY, QUESTION, URL, Person, each, told, weather

OWN: dict[str, Any] = {"api_base": URL, "api_key": KEY, "max_retries": 0}
MODELS: dict[str, Any] = {
    "chat": OpenAILike(model="prompt", is_chat_model=True, is_function_calling_model=True, **OWN),
    "responses": OpenAIResponses(model="prompt", context_window=8192, **OWN),
}
RUNNER = asyncio.Runner()
SAID = [ChatMessage(role="user", content="Good morning!")]


def get_weather(city: str) -> str:
    """How warm it is."""
    return json.dumps(weather(city))


def whole() -> Any:
    return each(MODELS, lambda model: model.chat(SAID).message.content)


def streamed() -> Any:
    return each(MODELS, _streamed)


def _streamed(model: Any) -> Any:
    pieces = [piece.delta or "" for piece in model.stream_chat(SAID)]
    return {"text": "".join(pieces), "pieces": len([piece for piece in pieces if piece])}


def agent() -> Any:
    return each(MODELS, lambda model: [RUNNER.run(_agent(model, streaming)) for streaming in (False, True)])


async def _agent(model: Any, streaming: bool) -> Any:
    done = await FunctionAgent(tools=[get_weather], llm=model, streaming=streaming).run(QUESTION)
    return {"text": str(done), "calls": [(call.tool_name, call.tool_kwargs) for call in done.tool_calls]}


def structured() -> Any:
    return each(MODELS, lambda model: model.as_structured_llm(Person).complete(ADA).raw.model_dump())


def embedded() -> Any:
    model = OpenAIEmbedding(model_name="vectors", **OWN)
    texts = ["A cat sleeps.", "Shares fell."]
    return [model.get_query_embedding(texts[0]), *model.get_text_embedding_batch(texts)]


told(whole, streamed, agent, structured, embedded)
